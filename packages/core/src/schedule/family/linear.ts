/**
 * The linear schedule of Ho et al., "Denoising Diffusion Probabilistic Models" (2020), section 4.
 */
import { Result } from "effect"
import { linspace } from "../internal/linspace.ts"
import { stepsAtFault } from "../internal/options.ts"
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
}

/**
 * beta evenly spaced from `start` to `end`, both included. The defaults are those of the paper and are meant for about
 * 1000 steps; they are not rescaled for other numbers of steps (as in diffusers, and unlike OpenAI's code).
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * const schedule = Result.getOrThrow(linear({ steps: 1000 }))
 * schedule.alphaBar[999] // => 4.0358e-5
 */
export const linear = (
  { end = 0.02, start = 1e-4, steps }: LinearOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: "linear", reason }))
  const fault = stepsAtFault(steps)
  if (fault !== undefined) return fail(fault)
  for (const [option, value] of Object.entries({ start, end })) {
    if (!(value > 0 && value < 1)) return fail(`"${option}" is ${value}; it is a beta, between 0 and 1, such as 0.02`)
  }
  const beta = Float64Array.from({ length: steps }, (_, t) => linspace(start, end, steps, t))
  return fromTable("linear", { steps, start, end }, beta)
}
