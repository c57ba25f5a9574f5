import { assert, describe, it } from "@effect/vitest"
import { torchNormals } from "@effusion/core/random"
import fixture from "../../fixtures/torch-normals.json" with { type: "json" }

describe("torchNormals", () => {
  it.each(fixture.draws)("draws what PyTorch draws: $size elements, twice, from seed $seed", (expected) => {
    const randn = torchNormals(expected.seed)
    const [first, second] = [randn(expected.size), randn(expected.size)]
    const drawn = [...first.subarray(0, 3), ...first.subarray(-3), ...second.subarray(-3)]
    for (const [i, value] of [...expected.first, ...expected.last, ...expected.second].entries()) {
      assert.closeTo(drawn[i]!, value, 2e-6)
    }
  })

  it("refuses seeds and sizes that it has no numbers for", () => {
    for (const seed of [-1, 0.5, 2 ** 32, NaN]) assert.throws(() => torchNormals(seed), RangeError, String(seed))
    for (const size of [0, 15, 16.5, NaN]) assert.throws(() => torchNormals(0)(size), RangeError, String(size))
  })
})
