/**
 * Euler's method for the probability flow, and its form with noise (Karras et al., "Elucidating the Design Space of
 * Diffusion-Based Generative Models", 2022; Crowson's k-diffusion).
 */
import { Result } from "effect"
import { route } from "../route.ts"
import { planAlong, type PlanOptions, planOver, type Sampler } from "../Sampler.ts"
import { InvalidSampling } from "../SamplingError.ts"
import { type Spacing, withSpacing } from "../TimestepChoice.ts"
import { type Churn, churned, requireChurn } from "./churn.ts"
import { ddimNext } from "./ddim.ts"

/** The spacing of diffusers' Euler, Heun and LMS: timesteps from the last to the first, fractions left as they are. */
export const fractionalLinspace: Spacing = { spacing: "linspace", fractional: true }

/**
 * Euler's method in sigma = spread / signal: a step of dx / dsigma = (x - D) / sigma, for x = x_t / signal and the
 * estimate D of the data (Karras et al. 2022, equation 3 and algorithm 2 without its correction). Of first order.
 *
 * Without churn it is DDIM with eta 0 whose noise agrees with the clipped estimate of the data, and first-order
 * DPM-Solver++.
 *
 * Fails with `InvalidSampling` where an option is out of range.
 *
 * @example
 * Sampling.images({ sampler: euler(), steps: 30, spacing: "karras", count: 16, seed: 7, parameters })
 */
export const euler = (options: Churn = {}): Sampler => ({
  name: "euler",
  plan: (schedule, planOptions) =>
    Result.gen(function*() {
      yield* requireChurn(options)
      const legs = yield* route(schedule, withSpacing(planOptions, fractionalLinspace))
      const { added, finish, legs: churnedLegs, start } = churned(schedule, planOptions, legs, options)
      const plan = yield* planAlong(churnedLegs, planOptions, { sampler: "euler" }, (leg, i) => ({
        next: finish(ddimNext({ from: leg.from, to: legs[i]!.to }, { useClippedModelOutput: true }), added[i + 1])
      }))
      return start(plan)
    })
})

/** Options of {@link eulerAncestral}. */
export interface EulerAncestralOptions {
  /** How much of the noise is drawn afresh: 0 is {@link euler}, 1 as much as DDPM. 1 unless given. */
  readonly eta?: number | undefined
  /** The factor of the noise; 1 unless given. */
  readonly sNoise?: number | undefined
}

/**
 * Euler's method to a level below the next, and noise from there up to it (k-diffusion's `sample_euler_ancestral`):
 * sigma_up^2 = eta^2 sigma_s^2 (sigma_t^2 - sigma_s^2) / sigma_t^2 and sigma_down^2 = sigma_s^2 - sigma_up^2. That is
 * DDIM with this eta, and with eta 1 DDPM's `"fixed-small"`, where nothing is clipped.
 *
 * Fails with `InvalidSampling` where an option is out of range.
 *
 * @example
 * Sampling.images({ sampler: eulerAncestral(), steps: 100, count: 16, seed: 7, parameters })
 */
export const eulerAncestral = ({ eta = 1, sNoise = 1 }: EulerAncestralOptions = {}): Sampler => ({
  name: "euler-ancestral",
  plan: (schedule, options: PlanOptions) => {
    if (!(eta >= 0 && eta <= 1)) {
      return Result.fail(new InvalidSampling({ option: "eta", value: eta, expected: "a number from 0 to 1" }))
    }
    if (!(sNoise >= 0 && sNoise < Infinity)) {
      return Result.fail(new InvalidSampling({ option: "sNoise", value: sNoise, expected: "a number of at least 0" }))
    }
    const spec = { sampler: "euler-ancestral", spacing: fractionalLinspace }
    return planOver(schedule, options, spec, (leg) => {
      const next = ddimNext(leg, { eta, useClippedModelOutput: true })
      return { next: { ...next, noise: sNoise * (next.noise ?? 0) } }
    })
  }
})
