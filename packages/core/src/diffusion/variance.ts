/**
 * The variance of the step back that a model takes, p(x_{t-1} | x_t).
 *
 * All logarithms here are computed in float64. In float32 the divergence of the last timesteps comes out nearly twice as
 * large as it is, because it is a small difference of log-variances.
 */
import { beta, posteriorVariance, type Schedule } from "../schedule/index.ts"

/**
 * Where the variance comes from.
 *
 * - `fixed-small`: that of the posterior q(x_{t-1} | x_t, x_0), "beta tilde"
 * - `fixed-large`: beta_t
 * - `learned-range`: the network says, for each element, where between those two (Nichol and Dhariwal 2021, equation 15)
 *
 * Ho et al. 2020, section 3.2, has the first two: the right ones for data that is a single point and for data that is
 * standard normal.
 */
export const varianceTypes = ["fixed-small", "fixed-large", "learned-range"] as const

/** One of {@link varianceTypes}. */
export type VarianceType = typeof varianceTypes[number]

/**
 * The logarithm of the posterior's variance at t; at t = 0, where that variance is 0, the one of t = 1, as in the
 * reference implementations. (A schedule of one timestep has none; its beta_0 stands in.)
 *
 * @example
 * posteriorLogVariance(schedule, 0) === posteriorLogVariance(schedule, 1) // => true
 */
export const posteriorLogVariance = (schedule: Schedule, t: number): number =>
  t === 0 && schedule.steps === 1
    ? Math.log(beta(schedule, t))
    : Math.log(posteriorVariance(schedule, t === 0 ? 1 : t))

/**
 * The logarithm of a fixed variance at t. Both types have the same at t = 0, that of the posterior at t = 1: the better
 * one for the likelihood of data, which is what t = 0 is about.
 *
 * @example
 * fixedLogVariance(schedule, 500, "fixed-large") // => Math.log(beta(schedule, 500))
 */
export const fixedLogVariance = (
  schedule: Schedule,
  t: number,
  type: Exclude<VarianceType, "learned-range">
): number => type === "fixed-small" || t === 0 ? posteriorLogVariance(schedule, t) : Math.log(beta(schedule, t))

/**
 * The log-variance that a network's output stands for (Nichol and Dhariwal 2021, equation 15, with the range of its
 * code): the logarithm of the posterior's variance at -1, that of beta_t at 1, and the straight line through both.
 *
 * @param output any number; nothing keeps it between -1 and 1
 * @example
 * learnedRangeLogVariance(schedule, 500, 1) // => Math.log(beta(schedule, 500))
 */
export const learnedRangeLogVariance = (schedule: Schedule, t: number, output: number): number => {
  const fraction = (output + 1) / 2
  return fraction * Math.log(beta(schedule, t)) + (1 - fraction) * posteriorLogVariance(schedule, t)
}
