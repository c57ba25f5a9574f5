/**
 * How likely data is under a Gaussian: the last term of the variational bound, that of t = 0.
 */
import { type DiagonalGaussian, elementsOf } from "./divergence.ts"
import { logCdf, logProbability } from "./internal/normal.ts"

/**
 * The log-density of data under a Gaussian with independent elements, in nats, element by element. It is a density: its
 * negative is no code length, and can be negative.
 *
 * @throws RangeError when `x` and the Gaussian do not have the same number of elements
 * @example
 * gaussianLogLikelihood([0], { mean: [0], logVariance: 0 }) // => [-0.9189], the logarithm of 1 / sqrt(2 pi)
 */
export const gaussianLogLikelihood = (x: ArrayLike<number>, gaussian: DiagonalGaussian): Float64Array =>
  standardized(x, gaussian, (z, logDeviation) => -(z * z + Math.log(2 * Math.PI)) / 2 - logDeviation)

/** What the values of discrete data are. */
export interface Discretization {
  /** How many evenly spaced values there are from -1 to 1; 256 unless given, which are the bytes of an image. */
  readonly levels?: number | undefined
  /**
   * The least probability that an element is given, so that one element far out does not decide the sum; 1e-12 unless
   * given, as in the reference implementations. 0 leaves probabilities as they are.
   */
  readonly minimumProbability?: number | undefined
}

/**
 * The log-likelihood of discrete data under a Gaussian that is cut into bins around the values (Ho et al. 2020, equation
 * 13), in nats, element by element: log(Phi((x + d - mean) / sigma) - Phi((x - d - mean) / sigma)), d = 1 / (levels - 1).
 * The outermost bins, those of -1 and 1, go on to infinity, so that the probabilities of all values add up to 1.
 *
 * This is the formula itself, exact to about 1e-14 in both tails; the published code of Ho et al. and of OpenAI has
 * another normal distribution function, see {@link discretizedGaussianLogLikelihoodTanh}. As there, x beyond +-0.999 is
 * taken for an outermost value.
 *
 * @param x data in [-1, 1]
 * @throws RangeError when `x` and the Gaussian do not have the same number of elements, or there are fewer than two levels
 * @example
 * discretizedGaussianLogLikelihood([0], { mean: [0], logVariance: 2 * Math.log(0.01) }) // => [-1.18725]
 */
export const discretizedGaussianLogLikelihood = (
  x: ArrayLike<number>,
  gaussian: DiagonalGaussian,
  options: Discretization = {}
): Float64Array =>
  discretized(x, gaussian, options, {
    logBelow: logCdf,
    logBetween: logProbability
  })

/**
 * {@link discretizedGaussianLogLikelihood} with the normal distribution function approximated as in the code of Ho et al.
 * (2020) and of Nichol and Dhariwal (2021): Phi(z) = (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2 (Page 1977).
 *
 * The approximation is wrong by up to 1.8e-4 of a probability, and by several nats in the tails. Published bits per
 * dimension come out of it: use it to compare with them.
 *
 * @throws RangeError when `x` and the Gaussian do not have the same number of elements, or there are fewer than two levels
 * @example
 * discretizedGaussianLogLikelihoodTanh([0], { mean: [0], logVariance: 2 * Math.log(0.01) }) // => [-1.18737]
 */
export const discretizedGaussianLogLikelihoodTanh = (
  x: ArrayLike<number>,
  gaussian: DiagonalGaussian,
  options: Discretization = {}
): Float64Array =>
  discretized(x, gaussian, options, {
    logBelow: (z) => Math.log(tanhCdf(z)),
    logBetween: (z, halfWidth) => Math.log(tanhCdf(z + halfWidth) - tanhCdf(z - halfWidth))
  })

const tanhCdf = (z: number): number => (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))) / 2

/** Logarithms of the probabilities of a standard normal variable: below z, and between z - halfWidth and z + halfWidth. */
interface LogProbabilities {
  readonly logBelow: (z: number) => number
  readonly logBetween: (z: number, halfWidth: number) => number
}

const discretized = (
  x: ArrayLike<number>,
  gaussian: DiagonalGaussian,
  { levels = 256, minimumProbability = 1e-12 }: Discretization,
  { logBelow, logBetween }: LogProbabilities
): Float64Array => {
  if (!(Number.isInteger(levels) && levels >= 2)) {
    throw new RangeError(`discrete data has at least 2 levels, not ${levels}`)
  }
  const halfWidth = 1 / (levels - 1)
  // Half a bin from the outermost value, where bins are so narrow that the one beside it is nearer than 0.999.
  const outermost = Math.max(0.999, 1 - halfWidth)
  const least = Math.log(minimumProbability)
  return standardized(x, gaussian, (z, logDeviation, value) => {
    const reach = halfWidth * Math.exp(-logDeviation)
    const logLikelihood = value < -outermost
      ? logBelow(z + reach)
      : value > outermost
      ? logBelow(-(z - reach))
      : logBetween(z, reach)
    // A difference that rounding has made negative has no logarithm.
    return logLikelihood > least ? logLikelihood : least
  })
}

/** A function of each element's distance from the mean in standard deviations, and of log sigma and the element itself. */
const standardized = (
  x: ArrayLike<number>,
  { logVariance, mean }: DiagonalGaussian,
  evaluate: (z: number, logDeviation: number, value: number) => number
): Float64Array => {
  if (x.length !== mean.length) {
    throw new RangeError(`the data has ${x.length} elements and the mean of the Gaussian ${mean.length}`)
  }
  const logVarianceOf = elementsOf(logVariance, mean.length)
  return new Float64Array(x.length).map((_, i) => {
    const logDeviation = logVarianceOf(i) / 2
    return evaluate((x[i]! - mean[i]!) * Math.exp(-logDeviation), logDeviation, x[i]!)
  })
}
