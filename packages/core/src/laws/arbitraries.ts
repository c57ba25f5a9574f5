/**
 * Random subjects for laws, to state them of every schedule there is, or of one's own code on every schedule.
 */
import { Result } from "effect"
import * as fc from "fast-check"
import { cosine, fromBetas, linear, type Schedule } from "../schedule/index.ts"

const beta = fc.double({ min: 1e-5, max: 0.9, noNaN: true })
const steps = fc.integer({ min: 1, max: 200 })

/** A few betas of any sizes, in any order. */
export const betas: fc.Arbitrary<Array<number>> = fc.array(beta, { minLength: 1, maxLength: 40 })

/**
 * A schedule of any family with any options that make one.
 *
 * @example
 * Laws.test(it, Laws.schedules(Laws.anySchedule))
 */
export const anySchedule: fc.Arbitrary<Schedule> = fc.oneof(
  fc.record({ steps, start: beta, end: beta }).map(linear),
  fc.record({
    steps,
    offset: fc.double({ min: 0, max: 0.5, noNaN: true }),
    maximumBeta: fc.double({ min: 0.01, max: 0.9999, noNaN: true })
  }).map(cosine),
  betas.map(fromBetas)
).map((result) => Result.getOrThrow(result))

/** Elements without subnormals or huge values: multiples of 1/1024 from -3 to 3. */
export const elements = (length: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.array(fc.noBias(fc.integer({ min: -3072, max: 3072 })).map((n) => n / 1024), {
    minLength: length,
    maxLength: length
  })
