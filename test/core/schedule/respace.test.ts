import { assert, describe, it } from "@effect/vitest"
import { fromBetas, InvalidTimesteps, respace, Timesteps } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { anySchedule } from "./arbitraries.ts"

const respaced = anySchedule.chain((schedule) =>
  fc.record({
    schedule: fc.constant(schedule),
    timesteps: fc.shuffledSubarray(Array.from(schedule.beta.keys()), { minLength: 1 })
  })
)

describe("respace", () => {
  it("keeps alphaBar at the timesteps that it keeps, bit by bit", () => {
    fc.assert(fc.property(respaced, ({ schedule, timesteps }) => {
      const rising = timesteps.toSorted((a, b) => a - b)
      const shorter = Result.getOrThrow(respace(schedule, timesteps))
      assert.strictEqual(shorter.steps, timesteps.length)
      assert.deepStrictEqual(Array.from(shorter.timesteps), rising)
      assert.deepStrictEqual(Array.from(shorter.alphaBar), rising.map((t) => schedule.alphaBar[t]!))
    }))
  })

  it("has betas whose schedule has these alphaBar", () => {
    fc.assert(fc.property(respaced, ({ schedule, timesteps }) => {
      const { alphaBar, beta } = Result.getOrThrow(respace(schedule, timesteps))
      let product = 1
      for (const [i, value] of beta.entries()) {
        assert.isTrue(value > 0 && value <= 1)
        product *= 1 - value
        // 1 - beta cannot be told from 0 more finely than float64 tells numbers near 1 apart.
        assert.closeTo(product, alphaBar[i]!, 1e-12)
        product = alphaBar[i]!
      }
    }))
  })

  it("over all timesteps changes nothing but the rounding of beta", () => {
    fc.assert(fc.property(anySchedule, (schedule) => {
      const same = Result.getOrThrow(respace(schedule, Array.from(schedule.beta.keys())))
      assert.deepStrictEqual(same.alphaBar, schedule.alphaBar)
      for (const [t, beta] of same.beta.entries()) assert.closeTo(beta, schedule.beta[t]!, 1e-15)
    }))
  })

  it("twice is once over the timesteps that are left", () => {
    const twice = respaced.chain(({ schedule, timesteps }) =>
      fc.record({
        schedule: fc.constant(schedule),
        timesteps: fc.constant(timesteps),
        again: fc.subarray(Array.from(timesteps.keys()), { minLength: 1 })
      })
    )
    fc.assert(fc.property(twice, ({ again, schedule, timesteps }) => {
      const first = Result.getOrThrow(respace(schedule, timesteps))
      const second = Result.getOrThrow(respace(first, again))
      const direct = Result.getOrThrow(respace(schedule, again.map((i) => first.timesteps[i]!)))
      assert.deepStrictEqual(second.alphaBar, direct.alphaBar)
      assert.deepStrictEqual(second.beta, direct.beta)
    }))
  })

  it("says what it was made from", () => {
    const schedule = Result.getOrThrow(fromBetas([0.1, 0.3, 0.5]))
    assert.deepStrictEqual(Result.getOrThrow(respace(schedule, [2, 0])).config, {
      of: { name: "betas", betas: [0.1, 0.3, 0.5] },
      timesteps: [0, 2]
    })
  })

  it.each<[string, ReadonlyArray<number>, string]>([
    ["no timesteps", [], "at least one"],
    ["a timestep beyond the last", [0, 3], "3 is not a timestep"],
    ["a negative timestep", [-1, 2], "-1 is not a timestep"],
    ["a fractional timestep", [0.5], "0.5 is not a timestep"],
    ["a timestep that is no number", [NaN], "NaN is not a timestep"],
    ["a timestep twice", [2, 1, 2], "2 is given twice"]
  ])("refuses %s", (_, timesteps, named) => {
    const schedule = Result.getOrThrow(fromBetas([0.1, 0.3, 0.5]))
    const error = Result.getOrThrow(Result.flip(respace(schedule, timesteps)))
    assert.instanceOf(error, InvalidTimesteps)
    assert.include(error.message, named)
  })

  it("takes what Timesteps gives", () => {
    const schedule = Result.getOrThrow(fromBetas(Array.from({ length: 100 }, () => 0.01)))
    const result = Timesteps.trailing({ steps: 100, count: 7 }).pipe(
      Result.flatMap((timesteps) => respace(schedule, timesteps))
    )
    assert.strictEqual(Result.getOrThrow(result).timesteps[6], 99)
  })
})
