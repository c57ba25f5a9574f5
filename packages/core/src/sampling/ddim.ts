/**
 * Denoising diffusion implicit models (Song, Meng and Ermon, "Denoising Diffusion Implicit Models", 2020).
 */
import { Result } from "effect"
import { posteriorBetween } from "../diffusion/index.ts"
import type { Leg } from "./route.ts"
import { type Combination, planOver, type Sampler } from "./Sampler.ts"
import { InvalidSampling } from "./SamplingError.ts"

/** Options of {@link ddim}. */
export interface DdimOptions {
  /** How much noise a step adds, from 0 (none: the same noise always gives the same data) to 1 (as much as DDPM). 0 unless given. */
  readonly eta?: number | undefined
  /**
   * Make the estimate of the noise agree with the clipped estimate of x_0 (OpenAI's implementations do), in place of
   * leaving it as the prediction says (diffusers does unless told). False unless given.
   */
  readonly useClippedModelOutput?: boolean | undefined
}

/**
 * Goes from x_t to x_{t-1} along the estimated noise (Song et al. 2020, equation 12), with
 * sigma_t = eta sqrt((1 - alphaBar_{t-1}) / (1 - alphaBar_t)) sqrt(1 - alphaBar_t / alphaBar_{t-1}) (equation 16).
 * "t - 1" is the next timestep that is visited (diffusers takes t - T / steps, which differs where timesteps are spaced
 * by `"linspace"`). The last step ends at the estimate of x_0.
 *
 * @example
 * const samples = Sampling.images({ sampler: ddim(), steps: 50, count: 16, seed: 7, parameters })
 */
export const ddim = (options: DdimOptions = {}): Sampler => ({
  name: "ddim",
  plan: (schedule, planOptions) => {
    const { eta = 0 } = options
    return eta >= 0 && eta <= 1
      ? planOver(schedule, planOptions, { sampler: "ddim" }, (leg) => ({ next: ddimNext(leg, options) }))
      : Result.fail(new InvalidSampling({ option: "eta", value: eta, expected: "a number from 0 to 1" }))
  }
})

/**
 * What x becomes from one level of noise to another.
 *
 * @example
 * const { epsilon, sample } = ddimNext({ from: levelAt(schedule, 500), to: levelAt(schedule, 480) })
 */
export const ddimNext = (
  { from, to }: Leg,
  { eta = 0, useClippedModelOutput = false }: DdimOptions = {}
): Combination => {
  const sigma = eta * Math.sqrt(posteriorBetween(from, to).variance)
  // The noise that is left, 1 - alphaBar_{t-1}, is part kept and part drawn afresh; at eta = 1 rounding can pass 0.
  const kept = Math.sqrt(Math.max(0, to.spread ** 2 - sigma ** 2))
  if (!useClippedModelOutput) return { sample: to.signal, epsilon: kept, noise: sigma }
  return { sample: to.signal - kept * from.signal / from.spread, x: kept / from.spread, noise: sigma }
}
