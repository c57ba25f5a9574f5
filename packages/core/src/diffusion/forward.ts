/**
 * The forward process: how data becomes noise. All of it is Gaussian, with a mean that scales its argument and an
 * independent variance, equal for all elements (Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020,
 * section 2).
 *
 * Everything in this folder is float64 on the host: the specification that engines and samplers are held to, and the
 * source of the coefficients that they use.
 */
import { alpha, alphaBar, beta, type Schedule, sqrtAlphaBar, sqrtOneMinusAlphaBar } from "../schedule/index.ts"
import { combine } from "./internal/combine.ts"

/** A Gaussian whose mean is a multiple of what it is conditioned on: N(scale x, variance I). */
export interface GaussianKernel {
  readonly scale: number
  readonly variance: number
}

/**
 * One step of the forward process, q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I) (Ho et al. 2020,
 * equation 2). At t = 0, x_{t-1} is the data.
 */
export const forwardStep = (schedule: Schedule, t: number): GaussianKernel => ({
  scale: Math.sqrt(alpha(schedule, t)),
  variance: beta(schedule, t)
})

/**
 * The forward process from the data on, q(x_t | x_0) = N(sqrt(alphaBar_t) x_0, (1 - alphaBar_t) I) (Ho et al. 2020,
 * equation 4).
 *
 * @example
 * const { scale, variance } = forwardMarginal(schedule, 500)
 * scale ** 2 + variance // => 1, within rounding
 */
export const forwardMarginal = (schedule: Schedule, t: number): GaussianKernel => ({
  scale: sqrtAlphaBar(schedule, t),
  variance: 1 - alphaBar(schedule, t)
})

/**
 * The sample of q(x_t | x_0) that given standard normal noise makes: sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) noise
 * (Ho et al. 2020, equation 4).
 *
 * @param x0 data of any shape, flattened
 * @param noise as many elements as `x0`; otherwise throws RangeError
 * @example
 * addNoise(schedule, 500, [1, -1], [0.3, 0.1])
 */
export const addNoise = (
  schedule: Schedule,
  t: number,
  x0: ArrayLike<number>,
  noise: ArrayLike<number>
): Float64Array => combine(sqrtAlphaBar(schedule, t), x0, sqrtOneMinusAlphaBar(schedule, t), noise)
