/**
 * The cosine schedule of Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models" (2021), section 3.2.
 */
import { Result } from "effect"
import { alongAlphaBar } from "../internal/alongAlphaBar.ts"
import { maximumBetaAtFault, stepsAtFault } from "../internal/options.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromTable, type Schedule } from "../Schedule.ts"

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** The offset s, from 0, which keeps beta from being too small near t = 0; 0.008 unless given. */
  readonly offset?: number | undefined
  /** The bound on beta, in (0, 1), which keeps the last steps from being singular; 0.999 unless given. */
  readonly maximumBeta?: number | undefined
}

/**
 * alphaBar along a squared cosine (Nichol and Dhariwal 2021, equation 17), by way of its betas, which are bounded:
 *
 *     f(u) = cos^2((u + s) / (1 + s) pi / 2)        beta_t = min(1 - f((t + 1) / T) / f(t / T), maximumBeta)
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * const schedule = Result.getOrThrow(cosine({ steps: 1000 }))
 * schedule.alphaBar[500] // => 0.492285
 */
export const cosine = (
  { maximumBeta = 0.999, offset = 0.008, steps }: CosineOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: "cosine", reason }))
  const fault = stepsAtFault(steps) ?? maximumBetaAtFault(maximumBeta)
  if (fault !== undefined) return fail(fault)
  if (!(offset >= 0 && offset < Infinity)) {
    return fail(`"offset" is ${offset}; it is a small number not below 0, such as 0.008`)
  }
  const f = (u: number) => Math.cos((u + offset) / (1 + offset) * Math.PI / 2) ** 2
  return fromTable("cosine", { steps, offset, maximumBeta }, alongAlphaBar(f, { steps, maximumBeta }))
}
