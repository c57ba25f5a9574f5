import { assert, describe, it } from "@effect/vitest"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import fixture from "../../fixtures/schedule.json" with { type: "json" }
import { anySchedule, betas } from "./arbitraries.ts"

const assertRelative = (actual: number, expected: number, tolerance: number): void => {
  assert.closeTo(actual, expected, Math.abs(expected) * tolerance)
}

// Rebuilds a schedule from what a checkpoint would keep of it.
const rebuild = ({ config, name }: S.Schedule): S.Schedule => {
  const options = JSON.parse(JSON.stringify(config))
  switch (name) {
    case "linear":
      return Result.getOrThrow(S.linear(options))
    case "cosine":
      return Result.getOrThrow(S.cosine(options))
    default:
      return Result.getOrThrow(S.fromBetas(options.betas))
  }
}

describe("the tables", () => {
  it.each(fixture.tables.cases)("of $family $options are those of 60-digit arithmetic", (reference) => {
    const build = reference.family === "linear" ? S.linear : S.cosine
    const schedule = Result.getOrThrow(build(reference.options))
    assertRelative(schedule.beta.reduce((sum, beta) => sum + beta, 0), reference.sumOfBetas, 1e-13)
    for (const expected of reference.at) {
      assertRelative(S.beta(schedule, expected.t), expected.beta, 2e-11)
      assertRelative(S.alphaBar(schedule, expected.t), expected.alphaBar, 1e-12)
      assertRelative(S.snr(schedule, expected.t), expected.snr, 2e-11)
      assert.closeTo(S.logSnr(schedule, expected.t), expected.logSnr, 2e-11)
      assertRelative(S.posteriorVariance(schedule, expected.t), expected.posteriorVariance, 4e-11)
      assertRelative(S.posteriorMeanFactorOfX0(schedule, expected.t), expected.posteriorMeanFactorOfX0, 4e-11)
      assertRelative(S.posteriorMeanFactorOfXt(schedule, expected.t), expected.posteriorMeanFactorOfXt, 4e-11)
    }
  })

  it("are those of the reference implementations", () => {
    for (
      const [schedule, reference] of [
        [Result.getOrThrow(S.linear({ steps: 1000 })), fixture.published.linear],
        [Result.getOrThrow(S.cosine({ steps: 1000 })), fixture.published.cosine]
      ] as const
    ) {
      for (const [i, t] of reference.t.entries()) assertRelative(schedule.alphaBar[t]!, reference.alphaBar[i]!, 1e-7)
    }
    const { beta } = Result.getOrThrow(S.cosine({ steps: 10 }))
    for (const [t, expected] of fixture.published.cosine10.entries()) assertRelative(beta[t]!, expected, 2e-8)
  })
})

describe("every schedule", () => {
  it("has alphaBar strictly falling in (0, 1), and beta in (0, 1)", () => {
    fc.assert(fc.property(anySchedule, ({ alphaBar, beta, steps }) => {
      assert.strictEqual(alphaBar.length, steps)
      assert.strictEqual(beta.length, steps)
      assert.isTrue(beta.every((value) => value > 0 && value < 1))
      assert.isTrue(alphaBar.every((value, t) => value > 0 && value < (t === 0 ? 1 : alphaBar[t - 1]!)))
    }))
  })

  it("is determined, bit by bit, by its name and config as JSON", () => {
    fc.assert(fc.property(anySchedule, (schedule) => {
      assert.deepStrictEqual(rebuild(schedule), schedule)
    }))
  })

  it("has a falling signal-to-noise ratio alphaBar / (1 - alphaBar)", () => {
    fc.assert(fc.property(anySchedule, (schedule) => {
      const snr = S.table(schedule, S.snr)
      for (const [t, value] of snr.entries()) {
        const signal = S.sqrtAlphaBar(schedule, t)
        const noise = S.sqrtOneMinusAlphaBar(schedule, t)
        assert.closeTo(signal ** 2 + noise ** 2, 1, 1e-15)
        assertRelative(value, (signal / noise) ** 2, 1e-14)
        assert.closeTo(S.logSnr(schedule, t), 2 * Math.log(signal / noise), 1e-12)
        assert.isTrue(t === 0 || value < snr[t - 1]!)
      }
    }))
  })

  // Integrating x_t out of q(x_{t-1} | x_t, x_0) q(x_t | x_0) must leave q(x_{t-1} | x_0).
  it("has a posterior consistent with its marginals", () => {
    fc.assert(fc.property(anySchedule, (schedule) => {
      for (let t = 0; t < schedule.steps; t++) {
        const ofX0 = S.posteriorMeanFactorOfX0(schedule, t)
        const ofXt = S.posteriorMeanFactorOfXt(schedule, t)
        const previous = S.previousAlphaBar(schedule, t)
        assertRelative(ofX0 + ofXt * S.sqrtAlphaBar(schedule, t), Math.sqrt(previous), 1e-9)
        const variance = ofXt ** 2 * (1 - S.alphaBar(schedule, t)) + S.posteriorVariance(schedule, t)
        assert.closeTo(variance, 1 - previous, 1e-9 * (1 - previous))
      }
    }))
  })

  it("goes back to the data at t = 0 without noise, and elsewhere with less than it came with", () => {
    fc.assert(fc.property(anySchedule, (schedule) => {
      assert.strictEqual(S.previousAlphaBar(schedule, 0), 1)
      assert.strictEqual(S.posteriorVariance(schedule, 0), 0)
      assertRelative(S.posteriorMeanFactorOfX0(schedule, 0), 1, 1e-9)
      assert.strictEqual(S.posteriorMeanFactorOfXt(schedule, 0), 0)
      for (let t = 1; t < schedule.steps; t++) {
        assert.isAbove(S.posteriorVariance(schedule, t), 0)
        assert.isAtMost(S.posteriorVariance(schedule, t), S.beta(schedule, t))
        assertRelative(S.alpha(schedule, t), 1 - S.beta(schedule, t), 1e-12)
      }
    }))
  })

  it.each([-1, 10, 0.5, NaN])("has no timestep %d", (t) => {
    const schedule = Result.getOrThrow(S.linear({ steps: 10 }))
    for (const quantity of [S.alpha, S.alphaBar, S.beta, S.previousAlphaBar, S.posteriorVariance, S.snr]) {
      assert.throws(() => quantity(schedule, t), RangeError, `from 0 to 9, not ${t}`)
    }
  })
})

describe("linear", () => {
  it("spaces beta evenly between its ends, which are exact", () => {
    const end = fc.double({ min: 1e-5, max: 0.9, noNaN: true })
    fc.assert(fc.property(fc.integer({ min: 2, max: 50 }), end, end, (steps, start, end) => {
      const { beta } = Result.getOrThrow(S.linear({ steps, start, end }))
      assert.strictEqual(beta[0], start)
      assert.strictEqual(beta[steps - 1], end)
      for (let t = 1; t < steps; t++) {
        assert.closeTo(beta[t]! - beta[t - 1]!, (end - start) / (steps - 1), 1e-15)
      }
    }))
    assert.strictEqual(Result.getOrThrow(S.linear({ steps: 1, start: 0.1 })).beta[0], 0.1)
  })
})

describe("cosine", () => {
  it("keeps beta at most at its bound", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0.01, max: 0.99 }), (steps, maximumBeta) => {
        const { beta } = Result.getOrThrow(S.cosine({ steps, maximumBeta }))
        assert.isTrue(beta.every((value) => value <= maximumBeta))
        assert.strictEqual(beta[steps - 1], maximumBeta)
      })
    )
  })
})

describe("fromBetas", () => {
  it("multiplies alpha up to and including t", () => {
    fc.assert(fc.property(betas, (betas) => {
      const schedule = Result.getOrThrow(S.fromBetas(betas))
      assert.deepStrictEqual(Array.from(schedule.beta), betas)
      for (const t of betas.keys()) {
        const logarithm = betas.slice(0, t + 1).reduce((sum, beta) => sum + Math.log1p(-beta), 0)
        assert.closeTo(Math.log(S.alphaBar(schedule, t)), logarithm, 1e-12)
      }
    }))
  })

  it("does not keep hold of the caller's array", () => {
    const given = Float64Array.of(0.1, 0.3)
    const schedule = Result.getOrThrow(S.fromBetas(given))
    given[0] = 0.9
    assert.strictEqual(schedule.beta[0], 0.1)
  })
})

describe("what is out of range", () => {
  const tiny = 2 ** -60
  it.each<[string, Result.Result<S.Schedule, S.InvalidSchedule>, string, string]>([
    ["no steps", S.linear({ steps: 0 }), "linear", "\"steps\" is 0"],
    ["negative steps", S.cosine({ steps: -3 }), "cosine", "\"steps\" is -3"],
    ["half a step", S.linear({ steps: 1.5 }), "linear", "\"steps\" is 1.5"],
    ["steps that are no number", S.cosine({ steps: NaN }), "cosine", "\"steps\" is NaN"],
    ["steps beyond memory", S.linear({ steps: 1e9 }), "linear", "1000000000"],
    ["a beta of 0", S.linear({ steps: 10, start: 0 }), "linear", "\"start\" is 0"],
    ["a beta of 1", S.linear({ steps: 10, end: 1 }), "linear", "\"end\" is 1"],
    ["a beta that is no number", S.linear({ steps: 10, end: NaN }), "linear", "\"end\" is NaN"],
    ["a negative offset", S.cosine({ steps: 10, offset: -0.1 }), "cosine", "\"offset\" is -0.1"],
    ["an infinite offset", S.cosine({ steps: 10, offset: Infinity }), "cosine", "\"offset\" is Infinity"],
    ["an offset that leaves no cosine", S.cosine({ steps: 10, offset: 1e300 }), "cosine", "beta at t = 0"],
    ["a bound of 1", S.cosine({ steps: 10, maximumBeta: 1 }), "cosine", "\"maximumBeta\" is 1"],
    ["no betas", S.fromBetas([]), "betas", "at least one"],
    ["a negative beta", S.fromBetas([0.1, -0.1]), "betas", "beta at t = 1 is -0.1"],
    ["betas too small for float64", S.fromBetas([0.1, tiny]), "betas", "larger betas"],
    ["betas too many for float64", S.fromBetas(Array.from({ length: 200 }, () => 0.999)), "betas", "fewer betas"],
    ["one beta too many for float64", S.fromBetas(Array.from({ length: 108 }, () => 0.999)), "betas", "fewer betas"]
  ])("%s: fails with InvalidSchedule", (_, result, schedule, named) => {
    assert.isTrue(Result.isFailure(result))
    const error = Result.getOrThrow(Result.flip(result))
    assert.instanceOf(error, S.InvalidSchedule)
    assert.strictEqual(error.schedule, schedule)
    assert.include(error.message, named)
  })
})
