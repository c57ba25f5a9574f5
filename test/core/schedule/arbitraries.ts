/**
 * Random noise schedules for properties.
 */
import { cosine, fromBetas, linear, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"

const beta = fc.double({ min: 1e-5, max: 0.9, noNaN: true })
const steps = fc.integer({ min: 1, max: 200 })

/** A few betas of any sizes, in any order. */
export const betas: fc.Arbitrary<Array<number>> = fc.array(beta, { minLength: 1, maxLength: 40 })

/** A schedule of any family with any options that make one. */
export const anySchedule: fc.Arbitrary<Schedule> = fc.oneof(
  fc.record({ steps, start: beta, end: beta }).map(linear),
  fc.record({
    steps,
    offset: fc.double({ min: 0, max: 0.5, noNaN: true }),
    maximumBeta: fc.double({ min: 0.01, max: 0.9999, noNaN: true })
  }).map(cosine),
  betas.map(fromBetas)
).map((result) => Result.getOrThrow(result))
