import { assert } from "@effect/vitest"
import type { Trajectory } from "./reference.ts"

/** Asserts that two trajectories agree, relative to values of 1 or more and absolutely below. */
export const assertClose = (actual: Trajectory, expected: Trajectory, tolerance: number): void => {
  assert.strictEqual(actual.length, expected.length)
  expected.forEach((row, step) =>
    row.forEach((value, i) => {
      const difference = Math.abs(actual[step]![i]! - value)
      assert.isAtMost(difference, tolerance * Math.max(1, Math.abs(value)), `element ${i} after step ${step}`)
    })
  )
}
