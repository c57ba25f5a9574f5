/**
 * The linear schedule of Ho et al., "Denoising Diffusion Probabilistic Models" (2020), section 4.
 */
import { Result } from "effect"
import { linspace } from "../internal/linspace.ts"
import { betaAtFault, positiveAtFault, stepsAtFault } from "../internal/options.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromTable, type Schedule } from "../Schedule.ts"

/** Options of {@link linear}. */
export interface LinearOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** beta_0, in (0, 1); 1e-4 unless given. */
  readonly start?: number | undefined
  /** beta_{T-1}, in (0, 1); 0.02 unless given. */
  readonly end?: number | undefined
  /**
   * The number of timesteps that `start` and `end` are meant for: they are multiplied by referenceSteps / steps, so that
   * schedules of other lengths end at about the same noise. Not multiplied unless given.
   */
  readonly referenceSteps?: number | undefined
}

/**
 * beta evenly spaced from `start` to `end`, both included. The defaults are those of the paper and are meant for about
 * 1000 steps. As they are, for any number of steps, they are those of diffusers; with `referenceSteps: 1000` they are
 * rescaled as in OpenAI's code (Nichol and Dhariwal 2021), which takes more than 20 steps.
 *
 * Fails with `InvalidSchedule` when an option is out of range, or there are too few steps for the rescaled betas.
 *
 * @example
 * const schedule = Result.getOrThrow(linear({ steps: 1000 }))
 * schedule.alphaBar[999] // => 4.0358e-5
 */
export const linear = (
  { end = 0.02, referenceSteps, start = 1e-4, steps }: LinearOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: "linear", reason }))
  const fault = stepsAtFault(steps) ?? betaAtFault({ start, end }) ??
    (referenceSteps === undefined ? undefined : positiveAtFault({ referenceSteps }))
  if (fault !== undefined) return fail(fault)
  const config = { steps, start, end, ...(referenceSteps === undefined ? {} : { referenceSteps }) }
  const scale = referenceSteps === undefined ? 1 : referenceSteps / steps
  const largestOf = (scale: number) => scale * Math.max(start, end)
  const largest = largestOf(scale)
  if (largest >= 1) {
    let least = Math.floor(largestOf(referenceSteps!)) + 1
    // The quotient may be rounded up to 1.
    while (largestOf(referenceSteps! / least) >= 1) least++
    return fail(
      `"steps" is ${steps}, which makes a beta of ${largest}; a beta is below 1: take at least ${least} steps`
    )
  }
  const beta = Float64Array.from({ length: steps }, (_, t) => linspace(scale * start, scale * end, steps, t))
  return fromTable("linear", config, beta)
}
