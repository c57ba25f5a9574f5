/**
 * Weights of the loss over timesteps.
 */
import { alpha, alphaBar, beta, posteriorVariance, type Schedule } from "../schedule/index.ts"

/**
 * The weight that makes the squared error of predicted noise a term of the variational bound (Ho et al. 2020,
 * equation 12):
 *
 *     L_{t-1} = beta_t^2 / (2 variance alpha_t (1 - alphaBar_t)) ||epsilon - epsilon_theta(x_t, t)||^2 + C
 *
 * L_{t-1} is the Kullback-Leibler divergence, in nats summed over elements, from q(x_{t-1} | x_t, x_0) to a model
 * N(mean_theta, variance I). C depends on the variance alone, and is 0 for the posterior variance. The simple loss of
 * equation 14 sets this weight to 1.
 *
 * @param t from 1 to T - 1. The term of t = 0 is a likelihood of discrete data, not a divergence: RangeError
 * @param variance that of the model's step, positive (otherwise RangeError); the posterior variance unless given, which
 *   diffusers calls `fixed_small`. `beta_t` is its `fixed_large`
 * @example
 * const bound = boundWeight(schedule, t) * squaredError
 */
export const boundWeight = (
  schedule: Schedule,
  t: number,
  variance: number = posteriorVariance(schedule, t)
): number => {
  const beta_t = beta(schedule, t)
  if (t === 0) throw new RangeError("the bound's term at t = 0 is no weighted squared error; use t from 1")
  if (!(variance > 0)) throw new RangeError(`the variance of a step is positive, not ${variance}`)
  return beta_t ** 2 / (2 * variance * alpha(schedule, t) * (1 - alphaBar(schedule, t)))
}
