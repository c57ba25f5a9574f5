/**
 * The levels of noise that a sampler visits on its way from noise to data.
 */
import { Result } from "effect"
import {
  dataLevel,
  type InvalidSigmas,
  InvalidTimesteps,
  levelAt,
  type NoiseLevel,
  type Schedule,
  sigmaOf
} from "../schedule/index.ts"
import { levelsOf } from "./internal/levelsOf.ts"
import { isSigmaSpacing, type TimestepChoice } from "./TimestepChoice.ts"

/** From one level to the next on a route. */
export interface Leg {
  readonly from: NoiseLevel
  readonly to: NoiseLevel
}

/**
 * The way down the chosen levels, one leg each, noisiest first; the last leg ends at the data unless `final` says
 * otherwise.
 *
 * Fails with `InvalidTimesteps`, or `InvalidSigmas` where a spacing by sigma does not exist.
 *
 * @example
 * const legs = Result.getOrThrow(route(schedule, { steps: 50 }))
 * legs[49].to // => { timestep: -1, signal: 1, spread: 0 }
 */
export const route = (
  schedule: Schedule,
  choice: TimestepChoice
): Result.Result<ReadonlyArray<Leg>, InvalidTimesteps | InvalidSigmas> =>
  Result.gen(function*() {
    const levels = yield* levelsOf(schedule, choice)
    const { final = "zero", skip = 0 } = choice
    const fail = (reason: string) => Result.fail(new InvalidTimesteps({ reason }))
    const last = levels.at(-1)!
    const end = final === "zero"
      ? dataLevel
      : final !== "sigma-min"
      ? final
      : isSigmaSpacing(choice.spacing)
      ? last
      : levelAt(schedule, 0)
    if (sigmaOf(end) > sigmaOf(last)) {
      return yield* fail(`the way ends at sigma ${sigmaOf(end)}, above its last level's, ${sigmaOf(last)}`)
    }
    if (!(Number.isSafeInteger(skip) && skip >= 0 && skip < levels.length)) {
      return yield* fail(`${skip} of ${levels.length} steps to leave out; leave out between 0 and ${levels.length - 1}`)
    }
    return levels.map((from, i) => ({ from, to: levels[i + 1] ?? end })).slice(skip)
  })
