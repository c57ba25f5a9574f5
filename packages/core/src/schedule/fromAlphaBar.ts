/**
 * A schedule along a curve of one's own.
 */
import { Result } from "effect"
import { alongAlphaBar } from "./internal/alongAlphaBar.ts"
import { maximumBetaAtFault, stepsAtFault } from "./internal/options.ts"
import { InvalidSchedule } from "./InvalidSchedule.ts"
import { fromBetas, type Schedule } from "./Schedule.ts"

/** Options of {@link fromAlphaBar}. */
export interface FromAlphaBarOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** The bound on beta, in (0, 1), which lets the curve end at 0; 0.999 unless given. */
  readonly maximumBeta?: number | undefined
}

/**
 * The schedule along a function alphaBar(u), for u from 0 (data) to 1 (noise), by way of betas, which are bounded as
 * those of the cosine schedule are (Nichol and Dhariwal 2021, section 3.2):
 *
 *     beta_t = min(1 - alphaBar((t + 1) / T) / alphaBar(t / T), maximumBeta)
 *
 * The function falls strictly and stays above 0 but perhaps at u = 1; it counts up to a factor only, so that alphaBar(0)
 * may be other than 1. A function is no JSON: what the schedule is known by are its betas (see `fromBetas`).
 *
 * Fails with `InvalidSchedule` when an option is out of range, or the function does not fall.
 *
 * @example
 * const schedule = Result.getOrThrow(fromAlphaBar((u) => (1 - u) ** 2, { steps: 1000 }))
 * schedule.alphaBar[499] // => 0.25
 */
export const fromAlphaBar = (
  alphaBar: (u: number) => number,
  { maximumBeta = 0.999, steps }: FromAlphaBarOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: "fromAlphaBar", reason }))
  const fault = stepsAtFault(steps) ?? maximumBetaAtFault(maximumBeta)
  if (fault !== undefined) return fail(fault)
  let previous = Infinity
  for (let i = 0; i <= steps; i++) {
    const value = alphaBar(i / steps)
    if (!(value < previous && (value > 0 || (value === 0 && i === steps)))) {
      return fail(
        `alphaBar(${i / steps}) is ${value}${i === 0 ? "" : `, after ${previous}`}; it falls and stays above 0`
      )
    }
    previous = value
  }
  return fromBetas(alongAlphaBar(alphaBar, { steps, maximumBeta }))
}
