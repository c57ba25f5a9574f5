/**
 * The exponential schedule: `exp` in diffusers.
 */
import { Result } from "effect"
import { alongAlphaBar } from "../internal/alongAlphaBar.ts"
import { maximumBetaAtFault, positiveAtFault, stepsAtFault } from "../internal/options.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromTable, type Schedule } from "../Schedule.ts"

/** Options of {@link exponential}. */
export interface ExponentialOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** How fast the data fades, positive: alphaBar ends at exp(-rate); 12 unless given. */
  readonly rate?: number | undefined
  /** The bound on beta, in (0, 1); 0.999 unless given. It binds only when there are fewer than rate / 6.9 steps. */
  readonly maximumBeta?: number | undefined
}

/**
 * alphaBar(u) = exp(-rate u), so that all betas are the same: min(1 - exp(-rate / T), maximumBeta).
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * const schedule = Result.getOrThrow(exponential({ steps: 1000 }))
 * schedule.alphaBar[999] // => 6.144e-6, exp(-12)
 */
export const exponential = (
  { maximumBeta = 0.999, rate = 12, steps }: ExponentialOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fault = stepsAtFault(steps) ?? positiveAtFault({ rate }) ?? maximumBetaAtFault(maximumBeta)
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "exponential", reason: fault }))
  return fromTable(
    "exponential",
    { steps, rate, maximumBeta },
    alongAlphaBar((u) => Math.exp(-rate * u), { steps, maximumBeta })
  )
}
