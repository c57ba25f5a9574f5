/**
 * The posterior of the forward process: the step back that is known once the data is.
 */
import {
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
