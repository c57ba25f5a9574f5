/**
 * Linear multistep method for the probability flow (Crowson's k-diffusion, `sample_lms`).
 */
import { Result } from "effect"
import { sigmaOf } from "../../schedule/index.ts"
import type { Sampler } from "../Sampler.ts"
import { fractionalLinspace } from "./euler.ts"
import { lagrangePolynomials, noiseAt } from "./internal/exponential.ts"
import { planMultistep, requireOrder } from "./internal/multistep.ts"

/** Options of {@link lms}. */
export interface LmsOptions {
  /** How many slopes the polynomial goes through, 1 to 4; 4 unless given. The first steps have fewer. */
  readonly order?: number | undefined
}

/**
 * Adams and Bashforth's method in sigma = spread / signal: the slope (x - D) / sigma, for x = x_t / signal and the estimate
 * D of the data, is a polynomial in sigma through the last ones, integrated exactly over the step.
 *
 * Fails with `InvalidSampling` where the order is out of range.
 *
 * @example
 * Sampling.images({ sampler: lms(), steps: 30, count: 16, seed: 7, parameters })
 */
export const lms = ({ order = 4 }: LmsOptions = {}): Sampler => ({
  name: "lms",
  plan: (schedule, options) =>
    Result.flatMap(requireOrder(order, 4), () =>
      planMultistep(schedule, options, {
        sampler: "lms",
        spacing: fractionalLinspace,
        order,
        value: noiseAt,
        rule: ({ from, to }, position, legs) => {
          const span = sigmaOf(to) - sigmaOf(from)
          const x = to.signal / from.signal
          if (span === 0) return { x, weights: [] }
          const nodes = Array.from(
            { length: Math.min(order, position + 1) },
            (_, j) => (sigmaOf(legs[position - j]!.from) - sigmaOf(from)) / span
          )
          // Over a step, from u = 0 to 1, a polynomial's integral is the sum of its coefficients over 1, 2, 3, ...
          const weights = lagrangePolynomials(nodes).map((polynomial) =>
            polynomial.reduce((sum, coefficient, n) => sum + coefficient / (n + 1), 0)
          )
          return { x, weights: weights.map((weight) => to.signal * span * weight) }
        }
      }))
})
