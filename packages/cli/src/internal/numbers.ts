/**
 * Numbers in JSON by their ranges, with what to say of those outside.
 */
import { Schema } from "effect"

export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1, { expected: "a whole number of at least 1" }))

export const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0, { expected: "a whole number of at least 0" }))

export const Positive = Schema.Finite.check(Schema.isGreaterThan(0, { expected: "a number above 0" }))

export const NotNegative = Schema.Finite.check(
  Schema.isGreaterThanOrEqualTo(0, { expected: "a number of at least 0" })
)
