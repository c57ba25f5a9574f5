import { assert, describe, it } from "@effect/vitest"
import { LearningRate } from "@effusion/core/optimizer"
import * as fc from "fast-check"

const options = fc.record({
  peak: fc.constantFrom(1e-4, 2e-4, 1),
  warmUp: fc.integer({ min: 0, max: 50 }),
  decaying: fc.integer({ min: 1, max: 200 }),
  final: fc.constantFrom(0, 1e-5)
}).map(({ decaying, ...rest }) => ({ ...rest, steps: rest.warmUp + decaying }))

describe("LearningRate.cosine", () => {
  it("gives what diffusers' get_scheduler gives: a warm-up of 500 in 10,000 steps", () => {
    const rate = LearningRate.cosine({ peak: 1, steps: 10_000, warmUp: 500 })
    const golden: ReadonlyArray<readonly [number, number]> = [
      [0, 0],
      [250, 0.5],
      [500, 1],
      [2875, 0.85355339],
      [5250, 0.5],
      [10_000, 0]
    ]
    for (const [step, expected] of golden) assert.closeTo(rate(step), expected, 5e-9, `step ${step}`)
  })
})

describe("LearningRate.linear", () => {
  it("is a straight line to the end of the run", () => {
    const rate = LearningRate.linear({ peak: 8, steps: 10, warmUp: 2 })
    assert.deepStrictEqual(Array.from({ length: 12 }, (_, step) => rate(step)), [0, 4, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0])
  })
})

describe("LearningRate.constant", () => {
  it("is the rate, after a linear warm-up", () => {
    const rate = LearningRate.constant(3, { warmUp: 3 })
    assert.deepStrictEqual([0, 1, 2, 3, 1e9].map(rate), [0, 1, 2, 3, 3])
    assert.deepStrictEqual([0, 7].map(LearningRate.constant(0.5)), [0.5, 0.5])
  })
})

describe("every decaying schedule", () => {
  for (const [name, make] of Object.entries({ cosine: LearningRate.cosine, linear: LearningRate.linear })) {
    it(`${name}: rises to the peak, falls to the final rate, and stays there`, () => {
      fc.assert(fc.property(options, (options) => {
        const { final, peak, steps, warmUp } = options
        const rate = make(options)
        for (let step = 0; step < warmUp; step++) assert.isBelow(rate(step), rate(step + 1))
        for (let step = warmUp; step < steps; step++) assert.isAbove(rate(step), rate(step + 1))
        assert.strictEqual(rate(warmUp), peak)
        assert.closeTo(rate(steps), final, 1e-15)
        assert.strictEqual(rate(steps + 1000), rate(steps))
      }))
    })

    it(`${name}: refuses a warm-up as long as the run, and numbers that are no rates or steps`, () => {
      assert.throws(() => make({ peak: 1, steps: 10, warmUp: 10 }), RangeError, "leaves none of the run's 10 to decay")
      assert.throws(() => make({ peak: -1, steps: 10 }), RangeError)
      assert.throws(() => make({ peak: Number.NaN, steps: 10 }), RangeError)
      assert.throws(() => make({ peak: 1, steps: 2.5 }), RangeError)
    })
  }
})
