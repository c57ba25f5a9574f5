/**
 * Schedules, ways to go down them, and samplers, for properties.
 */
import { ddim, ddpm, type PlanOptions, type Sampler } from "@effusion/core/sampling"
import { fromBetas, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"

/** Any schedule of 1 to 60 timesteps. */
export const schedules: fc.Arbitrary<Schedule> = fc
  .array(fc.double({ min: 1e-4, max: 0.4, noNaN: true }), { minLength: 1, maxLength: 60 })
  .map((betas) => Result.getOrThrow(fromBetas(betas)))

/** A schedule and any number of its timesteps, in any spacing. */
export const grids: fc.Arbitrary<{ readonly schedule: Schedule; readonly grid: Omit<PlanOptions, "predictionType"> }> =
  schedules.chain((schedule) =>
    fc.record({
      schedule: fc.constant(schedule),
      grid: fc.oneof(
        fc.record({
          steps: fc.integer({ min: 1, max: schedule.steps }),
          spacing: fc.constantFrom("leading", "linspace", "trailing", undefined)
        }),
        fc.subarray(Array.from(schedule.alphaBar.keys()), { minLength: 1 }).map((rising) => ({
          timesteps: rising.toReversed()
        }))
      ) as fc.Arbitrary<Omit<PlanOptions, "predictionType">>
    })
  )

export const predictionTypes = fc.constantFrom("epsilon", "sample", "v_prediction")

/** DDIM with any eta, with and without clipped model output. */
export const ddims: fc.Arbitrary<Sampler> = fc
  .record({ eta: fc.double({ min: 0, max: 1, noNaN: true }), useClippedModelOutput: fc.boolean() })
  .map(ddim)

/** Every sampler. */
export const samplers: fc.Arbitrary<Sampler> = fc.oneof(
  fc.constantFrom("fixedSmall", "fixedLarge").map((variance) => ddpm({ variance: variance as "fixedSmall" })),
  ddims
)

/** Well-conditioned elements: no subnormals, no huge values. */
export const values = (length: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.array(fc.noBias(fc.integer({ min: -3072, max: 3072 })).map((n) => n / 1024), {
    minLength: length,
    maxLength: length
  })
