/**
 * The levels of noise that a sampler visits on its way from noise to data.
 */
import { Result } from "effect"
import { dataLevel, InvalidTimesteps, levelAt, type NoiseLevel, type Schedule } from "../schedule/index.ts"
import { chooseTimesteps, type TimestepChoice } from "./internal/chooseTimesteps.ts"

/** From one level to the next on a route. */
export interface Leg {
  readonly from: NoiseLevel
  readonly to: NoiseLevel
}

/**
 * The way down the chosen timesteps, one leg each, noisiest first; the last leg ends at the data.
 *
 * Fails with `InvalidTimesteps`.
 *
 * @example
 * const legs = Result.getOrThrow(route(schedule, { steps: 50 }))
 * legs[49].to // => { timestep: -1, signal: 1, spread: 0 }
 */
export const route = (
  schedule: Schedule,
  choice: TimestepChoice
): Result.Result<ReadonlyArray<Leg>, InvalidTimesteps> =>
  Result.flatMap(chooseTimesteps(schedule, choice), (timesteps) => {
    const fault = faultOf(schedule, timesteps)
    if (fault !== undefined) return Result.fail(new InvalidTimesteps({ reason: fault }))
    const levels = timesteps.map((t) => levelAt(schedule, t))
    return Result.succeed(levels.map((from, i) => ({ from, to: levels[i + 1] ?? dataLevel })))
  })

const faultOf = (schedule: Schedule, timesteps: ReadonlyArray<number>): string | undefined => {
  if (timesteps.length === 0) return "none are given; give at least one"
  const outside = timesteps.find((t) => !(Number.isInteger(t) && t >= 0 && t < schedule.steps))
  return outside === undefined
    ? undefined
    : `${outside} is not a timestep of this schedule, which are the integers from 0 to ${schedule.steps - 1}`
}
