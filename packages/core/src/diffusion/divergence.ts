/**
 * The distance between Gaussians that the variational bound is made of.
 */

/** A Gaussian with independent elements. */
export interface DiagonalGaussian {
  readonly mean: ArrayLike<number>
  /** The natural logarithm of the variance: one for all elements, or one for each. */
  readonly logVariance: number | ArrayLike<number>
}

/**
 * The Kullback-Leibler divergence KL(p || q) of two Gaussians with independent elements, in nats, element by element;
 * their sum is the divergence of the whole.
 *
 *     KL = (log(variance_q / variance_p) - 1 + variance_p / variance_q + (mean_p - mean_q)^2 / variance_q) / 2
 *
 * What comes from the variances alone does not cancel where they are nearly equal: 0 is 0 only when they are equal.
 *
 * @throws RangeError when means and log-variances do not have the same number of elements
 * @example
 * kl({ mean: [0], logVariance: 0 }, { mean: [1], logVariance: 0 }) // => [0.5]
 */
export const kl = (p: DiagonalGaussian, q: DiagonalGaussian): Float64Array => {
  const size = p.mean.length
  requireSize(size, q.mean)
  const logVariance = elementsOf(p.logVariance, size)
  const otherLogVariance = elementsOf(q.logVariance, size)
  return new Float64Array(size).map((_, i) => {
    const difference = p.mean[i]! - q.mean[i]!
    return (beyondLinear(logVariance(i) - otherLogVariance(i)) + difference ** 2 * Math.exp(-otherLogVariance(i))) / 2
  })
}

/**
 * exp(x) - 1 - x, which is never negative: twice the divergence, in nats, of two Gaussians of equal mean whose variances
 * have the ratio exp(x). Accurate near 0, where its terms cancel.
 *
 * @example
 * beyondLinear(1e-9) // => 5e-19
 */
export const beyondLinear = (x: number): number => {
  if (Math.abs(x) > 0.5) return Math.expm1(x) - x
  // x^2 / 2 (1 + x / 3 (1 + x / 4 (1 + ...))): the exponential series from its third term on.
  let sum = 1
  for (let n = 16; n >= 3; n--) sum = 1 + sum * x / n
  return sum * x * x / 2
}

/** The value for element i of what is one number for all elements, or one for each. */
export const elementsOf = (values: number | ArrayLike<number>, size: number): (i: number) => number => {
  if (typeof values === "number") return () => values
  requireSize(size, values)
  return (i) => values[i]!
}

const requireSize = (size: number, values: ArrayLike<number>): void => {
  if (values.length !== size) {
    throw new RangeError(`${values.length} elements where the mean of the Gaussian has ${size}`)
  }
}
