import { lambdaOf, levelAt, levelOfSigma, linear, logSnr, sigmaOf } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { anySchedule } from "./arbitraries.ts"

describe("a level of noise", () => {
  it("is that of its timestep, and keeps the variance", () => {
    fc.assert(fc.property(anySchedule, fc.nat(), (schedule, n) => {
      const t = n % schedule.steps
      const level = levelAt(schedule, t)
      assert.strictEqual(level.timestep, t)
      assert.closeTo(level.signal ** 2, schedule.alphaBar[t]!, 1e-15)
      assert.closeTo(level.signal ** 2 + level.spread ** 2, 1, 1e-15)
      assert.closeTo(2 * lambdaOf(level), logSnr(schedule, t), 1e-9)
    }))
  })

  it("is told by its sigma as well", () => {
    fc.assert(fc.property(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (sigma) => {
      const level = levelOfSigma(sigma, 12.5)
      assert.closeTo(level.signal ** 2 + level.spread ** 2, 1, 1e-14)
      assert.closeTo(sigmaOf(level), sigma, 1e-14 * sigma)
      assert.closeTo(lambdaOf(level), -Math.log(sigma), 1e-12)
    }))
  })

  it("has the sigmas of diffusers' linear schedule at its ends", () => {
    const schedule = Result.getOrThrow(linear({ steps: 1000 }))
    assert.closeTo(sigmaOf(levelAt(schedule, 999)), 157.4073, 1e-3)
    assert.closeTo(sigmaOf(levelAt(schedule, 0)), 0.01000133, 1e-6)
  })
})
