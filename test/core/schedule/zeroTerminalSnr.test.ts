import { assert, describe, it } from "@effect/vitest"
import { addNoise, convert } from "@effusion/core/diffusion"
import { ddim, UndefinedEstimate } from "@effusion/core/sampling"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { anySchedule, zeroTerminalSchedule } from "./arbitraries.ts"

const quantities = {
  alpha: S.alpha,
  alphaBar: S.alphaBar,
  beta: S.beta,
  logSnr: S.logSnr,
  posteriorMeanFactorOfX0: S.posteriorMeanFactorOfX0,
  posteriorMeanFactorOfXt: S.posteriorMeanFactorOfXt,
  posteriorVariance: S.posteriorVariance,
  previousAlphaBar: S.previousAlphaBar,
  sigma: S.sigma,
  snr: S.snr,
  sqrtAlphaBar: S.sqrtAlphaBar,
  sqrtOneMinusAlphaBar: S.sqrtOneMinusAlphaBar
}

describe("rescaleZeroTerminalSnr", () => {
  it("ends in noise alone and begins where it did", () => {
    fc.assert(fc.property(zeroTerminalSchedule, (schedule) => {
      const last = schedule.steps - 1
      assert.strictEqual(schedule.alphaBar[last], 0)
      assert.strictEqual(schedule.beta[last], 1)
      assert.isTrue(schedule.alphaBar.every((value, t) => value < (t === 0 ? 1 : schedule.alphaBar[t - 1]!)))
      assert.isTrue(schedule.alphaBar.every((value, t) => t === last || value > 0))
    }))
    fc.assert(fc.property(anySchedule.filter(({ steps }) => steps > 1), (schedule) => {
      const rescaled = S.rescaleZeroTerminalSnr(schedule)
      fc.pre(Result.isSuccess(rescaled))
      assert.strictEqual(rescaled.success.alphaBar[0], schedule.alphaBar[0])
    }))
  })

  // Algorithm 1 is linear in sqrt(alphaBar): differences keep their proportions.
  it("scales the differences of sqrt(alphaBar) by one factor", () => {
    fc.assert(fc.property(anySchedule.filter(({ steps }) => steps > 2), (schedule) => {
      const result = S.rescaleZeroTerminalSnr(schedule)
      fc.pre(Result.isSuccess(result))
      const [before, after] = [schedule, result.success].map((s) => S.table(s, S.sqrtAlphaBar))
      const last = schedule.steps - 1
      const factor = after![0]! / (before![0]! - before![last]!)
      for (let t = 0; t < last; t++) {
        assert.closeTo(after![t]! - after![t + 1]!, factor * (before![t]! - before![t + 1]!), 1e-12)
      }
    }))
  })

  it("leaves a schedule that ends at 0 as it is", () => {
    fc.assert(fc.property(zeroTerminalSchedule, (schedule) => {
      assert.strictEqual(Result.getOrThrow(S.rescaleZeroTerminalSnr(schedule)), schedule)
    }))
  })

  it("leaves no derived quantity undefined", () => {
    fc.assert(fc.property(zeroTerminalSchedule, (schedule) => {
      for (const [name, quantity] of Object.entries(quantities)) {
        for (let t = 0; t < schedule.steps; t++) assert.isNotNaN(quantity(schedule, t), `${name} at ${t}`)
      }
      const last = schedule.steps - 1
      assert.strictEqual(S.alpha(schedule, last), 0)
      assert.strictEqual(S.snr(schedule, last), 0)
      assert.strictEqual(S.logSnr(schedule, last), -Infinity)
      assert.strictEqual(S.sigma(schedule, last), Infinity)
      assert.strictEqual(S.sqrtAlphaBar(schedule, last), 0)
      assert.strictEqual(S.sqrtOneMinusAlphaBar(schedule, last), 1)
      // x_T says nothing of x_{T-1}: the posterior is the marginal.
      assert.strictEqual(S.posteriorMeanFactorOfXt(schedule, last), 0)
      assert.strictEqual(S.posteriorMeanFactorOfX0(schedule, last), Math.sqrt(S.previousAlphaBar(schedule, last)))
      assert.strictEqual(S.posteriorVariance(schedule, last), 1 - S.previousAlphaBar(schedule, last))
    }))
  })

  it("can be respaced, and ends at 0 where its last timestep is kept", () => {
    const schedule = Result.getOrThrow(Result.flatMap(S.cosine({ steps: 50 }), S.rescaleZeroTerminalSnr))
    for (const spacing of [S.Timesteps.trailing, S.Timesteps.linspaced]) {
      const timesteps = Result.getOrThrow(spacing({ steps: 50, count: 7 }))
      const shorter = Result.getOrThrow(S.respace(schedule, timesteps))
      assert.strictEqual(shorter.alphaBar[6], 0)
      assert.strictEqual(shorter.beta[6], 1)
      assert.isNotNaN(S.posteriorVariance(shorter, 6))
    }
  })

  it("takes predictions that say something of the data at its end, and no others", () => {
    const schedule = Result.getOrThrow(Result.flatMap(S.linear({ steps: 9 }), S.rescaleZeroTerminalSnr))
    const [x0, noise] = [[0.5, -1], [0.3, 2]]
    const xt = addNoise(schedule, 8, x0, noise)
    assert.deepStrictEqual(Array.from(xt), noise)
    for (const type of ["epsilon", "score"] as const) {
      assert.throws(
        () => convert(schedule, 8, xt, noise, { from: type, to: "sample" }),
        RangeError,
        `a prediction of type "${type}" does not determine "sample" at timestep 8, where the signal-to-noise ratio is 0`
      )
    }
    const v = convert(schedule, 8, xt, x0, { from: "sample", to: "v_prediction" })
    assert.deepStrictEqual(Array.from(convert(schedule, 8, xt, v, { from: "v_prediction", to: "sample" })), x0)
    assert.deepStrictEqual(Array.from(convert(schedule, 8, xt, v, { from: "v_prediction", to: "epsilon" })), noise)
    const undefinedThere = ddim().plan(schedule, { steps: 3, predictionType: "epsilon", spacing: "trailing" })
    assert.instanceOf(Result.getOrThrow(Result.flip(undefinedThere)), UndefinedEstimate)
    assert.isTrue(
      Result.isSuccess(ddim().plan(schedule, { steps: 3, predictionType: "v_prediction", spacing: "trailing" }))
    )
  })

  it("refuses a schedule of one timestep", () => {
    const error = Result.getOrThrow(Result.flip(Result.flatMap(S.linear({ steps: 1 }), S.rescaleZeroTerminalSnr)))
    assert.instanceOf(error, S.InvalidSchedule)
    assert.include(error.message, "it has one timestep")
  })
})
