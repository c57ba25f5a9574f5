/**
 * Mixtures of latents.
 */
import { lerp, slerp } from "@effusion/core/sampling"
import { float32 } from "@effusion/core/tensor"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"

const vectors = fc
  .tuple(
    fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 4, maxLength: 4 }),
    fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 4, maxLength: 4 })
  )
  .filter(([a, b]) => a.some((x) => x !== 0) && b.some((x) => x !== 0))
  .map(([a, b]) => [float32([2, 2], a), float32([2, 2], b)] as const)

const length = (values: ArrayLike<number>) => Math.hypot(...Array.from(values))

describe.each([["lerp", lerp], ["slerp", slerp]] as const)("%s", (_, between) => {
  it("begins at the one and ends at the other", () => {
    fc.assert(fc.property(vectors, ([a, b]) => {
      const { data, shape } = between(a, b, [0, 1])
      assert.deepStrictEqual(shape, [2, 2, 2])
      for (const [i, value] of [...a.data, ...b.data].entries()) assert.closeTo(data[i]!, value, 1e-5)
    }))
  })

  it("mixes tensors of one shape only", () => {
    assert.throws(() => between(float32([2], [1, 2]), float32([1], [1]), [0.5]), RangeError, "[2] and [1]")
  })
})

describe("slerp", () => {
  it("keeps the length of tensors of one length, at even angles", () => {
    fc.assert(fc.property(vectors, ([a, b]) => {
      const scaled = float32([2, 2], b.data.map((value) => value * length(a.data) / length(b.data)))
      const cosine = a.data.reduce((sum, value, i) => sum + value * scaled.data[i]!, 0) / length(a.data) ** 2
      fc.pre(Math.abs(cosine) < 0.999)
      const rows = [0.25, 0.5, 0.75].map((w) => slerp(a, scaled, [w]).data)
      for (const [i, row] of rows.entries()) {
        assert.closeTo(length(row), length(a.data), 1e-4 * length(a.data))
        const angle = Math.acos(a.data.reduce((sum, value, k) => sum + value * row[k]!, 0) / length(a.data) ** 2)
        assert.closeTo(angle, Math.acos(cosine) * (i + 1) / 4, 1e-3)
      }
    }))
  })

  it("goes along the line where there is no arc", () => {
    const a = float32([2], [1, 2])
    const b = float32([2], [2, 4])
    assert.deepStrictEqual(slerp(a, b, [0.5]), lerp(a, b, [0.5]))
  })
})
