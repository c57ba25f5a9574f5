/**
 * The posterior of the forward process: the step back that is known once the data is.
 */
import {
  type NoiseLevel,
  posteriorMeanFactorOfX0,
  posteriorMeanFactorOfXt,
  posteriorVariance,
  type Schedule
} from "../schedule/index.ts"
import { combine } from "./internal/combine.ts"

/** A Gaussian with independent elements of equal variance: N(mean, variance I). */
export interface Gaussian {
  readonly mean: Float64Array
  readonly variance: number
}

/**
 * q(x_{t-1} | x_t, x_0), the posterior of the forward process (Ho et al. 2020, equations 6 and 7). At t = 0, where
 * x_{t-1} is the data itself, its mean is x_0 and its variance 0.
 *
 * With a prediction in place of `x0`, this is the step that DDPM samples from (Ho et al. 2020, algorithm 2).
 *
 * @param x0 data of any shape, flattened
 * @param xt as many elements as `x0`; otherwise throws RangeError
 * @example
 * const { mean, variance } = posterior(schedule, 500, x0, xt)
 */
export const posterior = (
  schedule: Schedule,
  t: number,
  x0: ArrayLike<number>,
  xt: ArrayLike<number>
): Gaussian => ({
  mean: combine(posteriorMeanFactorOfX0(schedule, t), x0, posteriorMeanFactorOfXt(schedule, t), xt),
  variance: posteriorVariance(schedule, t)
})

/** The posterior between two levels as factors: mean = x0 x_0 + xt x_t. */
export interface PosteriorFactors {
  readonly x0: number
  readonly xt: number
  readonly variance: number
  /** The variance of the noise that the forward process adds between the two levels, "beta". */
  readonly forwardVariance: number
}

/**
 * q(x_s | x_t, x_0) for any two levels of noise, from the noisier `from` (t) to `to` (s): the posterior above where they
 * are neighbours (Kingma et al., "Variational Diffusion Models", 2021, equations 25 and 26).
 *
 * @example
 * const { variance, x0, xt } = posteriorBetween(levelAt(schedule, 500), levelAt(schedule, 480))
 */
export const posteriorBetween = (from: NoiseLevel, to: NoiseLevel): PosteriorFactors => {
  const alpha = from.signal / to.signal
  // 1 - alpha^2, in a form that loses no digits: it is exactly spread_t^2 at the last step, where spread_s is 0.
  const forwardVariance = from.spread ** 2 - (alpha * to.spread) ** 2
  return {
    x0: to.signal * forwardVariance / from.spread ** 2,
    xt: alpha * to.spread ** 2 / from.spread ** 2,
    variance: forwardVariance * to.spread ** 2 / from.spread ** 2,
    forwardVariance
  }
}
