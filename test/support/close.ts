/**
 * Numbers that are nearly those expected.
 */
import { assert } from "@effect/vitest"

/** Within a part of what is expected. */
export const assertRelative = (actual: number, expected: number, tolerance: number): void => {
  assert.closeTo(actual, expected, Math.abs(expected) * tolerance)
}

/** Each within the tolerance of what is expected. */
export const closeAll = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  assert.strictEqual(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    assert.isAtMost(Math.abs(actual[i]! - expected[i]!), tolerance, `element ${i}: ${actual[i]} is not ${expected[i]}`)
  }
}
