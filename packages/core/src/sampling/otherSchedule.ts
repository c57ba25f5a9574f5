/**
 * Sampling by another schedule than the network was trained with.
 */
import { Result } from "effect"
import {
  type InvalidSigmas,
  type InvalidTimesteps,
  levelOfSigma,
  type NoiseLevel,
  type Schedule,
  sigmaOf,
  Sigmas
} from "../schedule/index.ts"
import { levelsOf } from "./internal/levelsOf.ts"
import type { TimestepChoice } from "./TimestepChoice.ts"

/**
 * The levels that a choice visits on a schedule, for a network that was trained with another: at each the network is told
 * the timestep, a fraction as a rule, at which it has seen this level of noise. So the schedules need not have the same
 * number of timesteps. Levels noisier than any that it has seen become one, the noisiest that it has.
 *
 * Fails with `InvalidTimesteps` or `InvalidSigmas` where the schedule has no such levels.
 *
 * @example
 * const levels = Result.getOrThrow(levelsFor(schedule, otherSchedule, { steps: 50 }))
 * Sampling.images({ sampler: ddim(), levels, count: 16, seed: 7, parameters })
 */
export const levelsFor = (
  trained: Schedule,
  schedule: Schedule,
  choice: TimestepChoice
): Result.Result<ReadonlyArray<NoiseLevel>, InvalidTimesteps | InvalidSigmas> =>
  Result.map(levelsOf(schedule, choice), (levels) => {
    const { sigmaMax } = Sigmas.rangeOf(trained)
    const sigmas = levels.map((level) => Math.min(sigmaOf(level), sigmaMax))
    return [...new Set(sigmas)].map((sigma) =>
      sigma === Infinity
        ? { timestep: trained.steps - 1, signal: 0, spread: 1 }
        : levelOfSigma(sigma, Sigmas.timestepOfSigma(trained, sigma))
    )
  })
