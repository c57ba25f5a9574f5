import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { cosine, logOfCell, sine } from "../../../packages/core/src/random/internal/elementary.ts"

// Words of every magnitude: the logarithm is delicate near 0 and near 2^32.
const word = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fc.integer({ min: 0, max: 31 }).map((bit) => 2 ** bit),
  fc.nat(1000),
  fc.nat(1000).map((n) => 2 ** 32 - 1 - n)
)
const angle = fc.double({ min: -Math.PI / 4, max: Math.PI / 4, noNaN: true })

// Both sides err by about a unit in the last place.
const units = 4 * 2 ** -53

describe("elementary functions", () => {
  it("logOfCell is the logarithm of a cell's centre", () => {
    fc.assert(
      fc.property(word, (word) => {
        const expected = Math.log((word + 0.5) / 2 ** 32)
        assert.closeTo(logOfCell(word), expected, -expected * units)
      }),
      { numRuns: 20_000, examples: [[0], [1], [2 ** 31], [2 ** 32 - 1]] }
    )
  })

  it("cosine and sine are those of small angles", () => {
    fc.assert(
      fc.property(angle, (angle) => {
        assert.closeTo(cosine(angle), Math.cos(angle), units)
        assert.closeTo(sine(angle), Math.sin(angle), Math.abs(angle) * units)
      }),
      { numRuns: 20_000, examples: [[0], [Math.PI / 4], [-Math.PI / 4]] }
    )
  })
})
