/**
 * Schedules and ways down them, for the laws of what goes along them.
 */
import { Result } from "effect"
import * as fc from "fast-check"
import { cosine, fromBetas, linear, type Schedule } from "../../schedule/index.ts"
import type { GaussianData } from "./gaussianFlow.ts"
import { showSchedule } from "./subject.ts"

/** A schedule, and the timesteps to go down. */
export interface Grid {
  readonly schedule: Schedule
  /** Falling. */
  readonly timesteps: ReadonlyArray<number>
}

const schedules: fc.Arbitrary<Schedule> = fc
  .array(fc.double({ min: 1e-3, max: 0.4, noNaN: true }), { minLength: 1, maxLength: 60 })
  .map((betas) => Result.getOrThrow(fromBetas(betas)))

export const allTimesteps = ({ steps }: Schedule): ReadonlyArray<number> =>
  Array.from({ length: steps }, (_, i) => steps - 1 - i)

export const grids: fc.Arbitrary<Grid> = schedules.chain((schedule) =>
  fc.subarray([...allTimesteps(schedule)], { minLength: 1 }).map((timesteps) => ({ schedule, timesteps }))
)

export const showGrid = ({ schedule, timesteps }: Grid): string =>
  `timesteps ${timesteps.join(", ")} of ${showSchedule(schedule)}`

export const gaussians: fc.Arbitrary<GaussianData> = fc.record({
  mean: fc.integer({ min: -8, max: 8 }).map((n) => n / 4),
  variance: fc.integer({ min: 1, max: 16 }).map((n) => n / 8)
})

/** The timesteps of {@link fineSchedules}. */
export const fineSteps = 1000

/** Schedules of so many steps that a sampler on all of them has nearly converged. */
export const fineSchedules: fc.Arbitrary<Schedule> = fc.constantFrom(
  Result.getOrThrow(linear({ steps: fineSteps })),
  Result.getOrThrow(cosine({ steps: fineSteps }))
)
