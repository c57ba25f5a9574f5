/**
 * Quantiles of the Beta distribution.
 */

/**
 * The x from 0 to 1 below which a part p of the Beta(a, b) distribution lies, within 1e-12 of it.
 *
 * @param p from 0 to 1
 * @param a positive
 * @param b positive
 * @example
 * betaQuantile(0.5, 0.6, 0.6) // => 0.5
 */
export const betaQuantile = (p: number, a: number, b: number): number => {
  if (p <= 0) return 0
  if (p >= 1) return 1
  // By the angle u, x = sin^2(pi u / 2), the density is bounded for a and b of at least 0.5, and halving converges well.
  let [low, high] = [0, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (betaDistribution(Math.sin(Math.PI * middle / 2) ** 2, a, b) < p) low = middle
    else high = middle
  }
  return Math.sin(Math.PI * (low + high) / 4) ** 2
}

/** The part of the distribution below x: the regularised incomplete beta function (Abramowitz and Stegun, 26.5.4). */
const betaDistribution = (x: number, a: number, b: number): number =>
  x > 0.5 ? 1 - lowerPart(1 - x, b, a) : lowerPart(x, a, b)

/** x^a (1 - x)^b / (a B(a, b)) (1 + sum over n of B(a + 1, n + 1) / B(a + b, n + 1) x^{n + 1}), for x of at most a half. */
const lowerPart = (x: number, a: number, b: number): number => {
  if (x === 0) return 0
  let term = 1
  let sum = 1
  for (let n = 0; n < 200; n++) {
    term *= (a + b + n) / (a + 1 + n) * x
    sum += term
    if (term < 1e-17 * sum) break
  }
  return Math.exp(a * Math.log(x) + b * Math.log1p(-x) - Math.log(a) - logBeta(a, b)) * sum
}

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b)

/** ln Gamma(x) for positive x: Stirling's series, after the recursion has made x large. */
const logGamma = (x: number): number => {
  let shift = 0
  let large = x
  for (; large < 12; large++) shift += Math.log(large)
  const square = large ** -2
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / large
  return (large - 0.5) * Math.log(large) - large + Math.log(2 * Math.PI) / 2 + series - shift
}
