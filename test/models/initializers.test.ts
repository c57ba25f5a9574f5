/** Initializers: ranges, moments, and that they are functions of the key. */
import { assert, describe, it } from "@effect/vitest"
import { Key } from "@effusion/core/random"
import { sizeOf } from "@effusion/core/tensor"
import { Initializers } from "@effusion/models"
import * as fc from "fast-check"

const axis = fc.integer({ min: 1, max: 12 })
const shapes = fc.oneof(fc.tuple(axis, axis), fc.tuple(axis, axis, fc.constantFrom(1, 3), fc.constantFrom(1, 3)))

describe("varianceScaling", () => {
  it("is a function of the key and the shape, within ±√(3 · scale / mean fan)", () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), shapes, fc.constantFrom(0.5, 1, 2), (seed, shape, scale) => {
        const fill = Initializers.varianceScaling(scale)
        const weights = fill(Key.make(seed), shape)
        assert.strictEqual(weights.length, sizeOf(shape))
        assert.deepStrictEqual(fill(Key.make(seed), shape), weights)
        const [outputs, inputs, height = 1, width = 1] = shape
        const limit = Math.sqrt((3 * scale) / ((height * width * (inputs + outputs)) / 2))
        assert.isTrue(weights.every((weight) => Math.abs(weight) <= limit * (1 + 1e-6)))
      })
    )
  })

  it("has mean 0 and variance 2 · scale / (fanIn + fanOut)", () => {
    const weights = Array.from(Initializers.varianceScaling(1)(Key.make(1), [64, 32, 3, 3]))
    const variance = 2 / (9 * 96)
    const mean = weights.reduce((a, b) => a + b, 0) / weights.length
    const square = weights.reduce((sum, weight) => sum + weight ** 2, 0) / weights.length
    // Five standard deviations: of the mean √(variance / n); of the square, for a uniform distribution, √(0.8 / n).
    assert.approximately(mean, 0, 5 * Math.sqrt(variance / weights.length))
    assert.approximately(square / variance, 1, 5 * Math.sqrt(0.8 / weights.length))
  })

  it("refuses a shape without fans", () => {
    assert.throws(() => Initializers.fans([8]), /a weight of shape \[8\] has no fans/u)
  })
})

describe("zeros and ones", () => {
  it("fill the shape", () => {
    assert.deepStrictEqual(Initializers.zeros(Key.make(0), [2, 2]), Float32Array.of(0, 0, 0, 0))
    assert.deepStrictEqual(Initializers.ones(Key.make(0), [3]), Float32Array.of(1, 1, 1))
  })
})
