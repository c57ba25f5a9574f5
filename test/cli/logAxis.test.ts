/**
 * The marks of logarithmic axes.
 */
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { logAxis, logTicks } from "../../packages/cli/src/picture/logAxis.ts"

/** Ends of an axis: from a thousandth of a value apart to 24 decades. */
const ends = fc.record({
  min: fc.double({ min: -12, max: 12, noNaN: true }).map((power) => 10 ** power),
  ratio: fc.double({ min: -3, max: 1.4, noNaN: true }).map((power) => 10 ** 10 ** power)
}).map(({ min, ratio }) => [min, min * ratio] as const)

const roundest = /^[125]e[+-]\d+$/

describe("marks of a logarithmic axis", () => {
  it("are three to eight values in order, from one end to the other", () => {
    fc.assert(
      fc.property(ends, ([min, max]) => {
        const ticks = logTicks(min, max)
        assert.isAtLeast(ticks.length, 3)
        assert.isAtMost(ticks.length, 8)
        assert.isTrue(ticks.every((tick) => tick >= min && tick <= max), String(ticks))
        assert.isTrue(ticks.every((tick, i) => i === 0 || tick > ticks[i - 1]!), String(ticks))
      }),
      { seed: 1, numRuns: 500 }
    )
  })

  it("are as far from each other as it takes, and no farther: an end is no farther from a mark than two marks", () => {
    fc.assert(
      fc.property(ends, ([min, max]) => {
        const ticks = logTicks(min, max)
        const gaps = ticks.slice(1).map((tick, i) => Math.log(tick / ticks[i]!))
        const widest = Math.max(...gaps)
        assert.isAtMost(Math.log(ticks[0]! / min), 2 * widest)
        assert.isAtMost(Math.log(max / ticks.at(-1)!), 2 * widest)
      }),
      { seed: 2, numRuns: 500 }
    )
  })

  it("are 1, 2 and 5 of every decade, powers of ten of many, and more of one or of a part of one", () => {
    assert.deepStrictEqual(logTicks(0.17, 1), [0.2, 0.5, 1])
    assert.deepStrictEqual(logTicks(0.9, 60), [1, 2, 5, 10, 20, 50])
    assert.deepStrictEqual(logTicks(1e-5, 1), [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1])
    assert.deepStrictEqual(logTicks(1e-4, 1e9), [1e-4, 1e-2, 1, 100, 1e4, 1e6, 1e8])
    assert.deepStrictEqual(logTicks(0.21, 1.1), [0.3, 0.5, 0.7, 1])
    assert.deepStrictEqual(logTicks(0.27, 0.43), [0.3, 0.35, 0.4])
    for (const tick of logTicks(3e-4, 0.02)) assert.match(tick.toExponential(), roundest)
  })
})

describe("a logarithmic axis", () => {
  const axis = (values: ReadonlyArray<number>, ends: "decades" | "values") => logAxis(values, { ends, format: String })

  it("has all values between its ends, of one size or of many, and can be made for none", () => {
    const value = fc.oneof(
      fc.double({ min: 1e-12, max: 1e12, noNaN: true }),
      fc.constantFrom(0, -1, Infinity, Number.NaN)
    )
    fc.assert(
      fc.property(fc.array(value), fc.constantFrom("decades" as const, "values" as const), (values, ends) => {
        const { max, min } = axis(values, ends)
        assert.isTrue(min > 0 && max > min && Number.isFinite(max))
        for (const value of values) {
          if (value > 0 && Number.isFinite(value)) assert.isTrue(value >= min * 0.9999 && value <= max * 1.0001)
        }
      }),
      { seed: 3, numRuns: 200 }
    )
    assert.deepStrictEqual(axis([1, 1], "decades").axisTick.customValues, [1, 2, 5, 10])
  })
})
