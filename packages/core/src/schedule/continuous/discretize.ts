/**
 * From continuous time to timesteps, and back.
 */
import { Result } from "effect"
import { stepsAtFault } from "../internal/options.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromAlphaBars, fromAlphaBarTable, type Schedule } from "../Schedule.ts"
import { alphaBarOfLogSnr, type ContinuousSchedule, joined, logSnrTable } from "./ContinuousSchedule.ts"

/**
 * The schedule of T timesteps along a continuous one: timestep t, which ends the t-th of T equal parts of time, has the
 * log-SNR of u = (t + 1) / T, as alphaBar of the cosine schedule has (Nichol and Dhariwal 2021; Kingma et al. 2021,
 * section 3.3, who count from 1). The last timestep is u = 1.
 *
 * Fails with `InvalidSchedule` when `steps` is out of range, or two alphaBar fall together in float64.
 *
 * @param options.steps the number of timesteps T, a positive integer
 * @example
 * const schedule = Result.getOrThrow(Result.flatMap(Continuous.linear(), (c) => Continuous.discretize(c, { steps: 1000 })))
 */
export const discretize = (
  continuous: ContinuousSchedule,
  { steps }: { readonly steps: number }
): Result.Result<Schedule, InvalidSchedule> => {
  const fault = stepsAtFault(steps)
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "discretized", reason: fault }))
  const alphaBar = Float64Array.from(
    { length: steps },
    (_, t) => alphaBarOfLogSnr(continuous.logSnr((t + 1) / steps))
  )
  if (continuous.config === undefined) return fromAlphaBars(alphaBar)
  const config = { of: { name: continuous.name, ...continuous.config }, steps }
  return fromAlphaBarTable("discretized", config, alphaBar)
}

/**
 * The continuous schedule that has the log-SNR of each timestep t at u = (t + 1) / T, and lines in between; the first
 * line goes on to u = 0. `discretize` over T timesteps leads back, within rounding.
 *
 * Fails with `InvalidSchedule` when there is one timestep only, or log-SNR ends at -Infinity (zero terminal SNR).
 *
 * @example
 * const continuous = Result.getOrThrow(Result.flatMap(linear({ steps: 1000 }), Continuous.interpolate))
 */
export const interpolate = (schedule: Schedule): Result.Result<ContinuousSchedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: "interpolated", reason }))
  if (schedule.steps < 2) return fail("a schedule of one timestep has no line to go along; give at least two timesteps")
  if (schedule.alphaBar.at(-1) === 0) {
    return fail("log-SNR ends at -Infinity, where no line leads; interpolate the schedule before it is rescaled")
  }
  return Result.succeed({
    name: "interpolated",
    config: { of: { name: schedule.name, ...schedule.config } },
    ...joined(logSnrTable(schedule))
  })
}
