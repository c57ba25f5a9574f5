/**
 * Diffusion exponential integrator sampler (Zhang and Chen, "Fast Sampling of Diffusion Models with Exponential
 * Integrator", 2023).
 */
import { Result } from "effect"
import type { Sampler } from "../Sampler.ts"
import { openLinspace } from "./dpmSolver.ts"
import { interpolationWeights, noiseAt, transition } from "./internal/exponential.ts"
import { isStill, nodesOf, planMultistep, requireOrder, toEstimate } from "./internal/multistep.ts"

/** Options of {@link deis}. */
export interface DeisOptions {
  /** The order of the solver, 1 to 3; 2 unless given. */
  readonly order?: number | undefined
  /** Lower the order over the last two of fewer than 15 steps. True unless given; a step to the data is of first order. */
  readonly lowerOrderFinal?: boolean | undefined
}

/**
 * The multistep solver in ln rho, rho = spread / signal ("tAB-DEIS" in diffusers' form, `"logrho"`): the noise is a
 * polynomial in ln rho through those that were estimated, integrated exactly (Zhang & Chen 2023, equation 15).
 *
 * diffusers' ends at the level of t = 0: give `final: "sigma-min"` for that. Fails with `InvalidSampling` where an option is
 * out of range.
 *
 * @example
 * Sampling.images({ sampler: deis({ order: 3 }), steps: 20, count: 16, seed: 7, parameters })
 */
export const deis = ({ lowerOrderFinal = true, order = 2 }: DeisOptions = {}): Sampler => ({
  name: "deis",
  plan: (schedule, options) =>
    Result.flatMap(requireOrder(order, 3), () =>
      planMultistep(schedule, options, {
        sampler: "deis",
        spacing: openLinspace,
        order,
        value: noiseAt,
        rule: (leg, position, legs, skipped) => {
          if (leg.to.spread === 0) return toEstimate
          const left = lowerOrderFinal && legs.length + skipped < 15 ? legs.length - position : order
          const here = isStill(leg) ? 1 : Math.min(order, left, position + 1)
          const { k, scale, x } = transition(leg, { predicts: "epsilon", stochastic: false })
          const weights = interpolationWeights(nodesOf(leg, position, legs, here), k)
          return { x, weights: weights.map((weight) => scale * weight) }
        }
      }))
})
