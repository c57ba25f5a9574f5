import { assert, describe, it } from "@effect/vitest"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import families from "../../fixtures/schedule-families.json" with { type: "json" }
import fixture from "../../fixtures/schedule.json" with { type: "json" }
import { assertRelative } from "../../support/close.ts"
import { anySchedule, betas } from "./arbitraries.ts"
import { scheduleOf } from "./families.ts"

interface TableCase {
  readonly family: string
  readonly options: { readonly steps: number }
  readonly zeroTerminalSnr?: boolean
  readonly sumOfBetas: number
  readonly at: ReadonlyArray<{
    readonly t: number
    readonly beta: number
    readonly alphaBar: number
    readonly snr: number
    readonly logSnr?: number
    readonly sigma?: number
    readonly posteriorVariance: number
    readonly posteriorMeanFactorOfX0: number
    readonly posteriorMeanFactorOfXt: number
  }>
}

describe("the tables", () => {
  it.each<TableCase>([
    ...fixture.tables.cases,
    ...families.tables.cases
  ])("of $family $options, zero at the end: $zeroTerminalSnr, are those of 60-digit arithmetic", (reference) => {
    const schedule = scheduleOf(reference)
    assert.strictEqual(schedule.steps, reference.options.steps)
    assertRelative(schedule.beta.reduce((sum, beta) => sum + beta, 0), reference.sumOfBetas, 1e-13)
    for (const expected of reference.at) {
      assertRelative(S.beta(schedule, expected.t), expected.beta, 2e-11)
      assertRelative(S.alphaBar(schedule, expected.t), expected.alphaBar, 1e-12)
      assertRelative(S.snr(schedule, expected.t), expected.snr, 2e-11)
      if (expected.logSnr === undefined) assert.strictEqual(S.logSnr(schedule, expected.t), -Infinity)
      else assert.closeTo(S.logSnr(schedule, expected.t), expected.logSnr, 2e-11)
      if (expected.sigma !== undefined) assertRelative(S.sigma(schedule, expected.t), expected.sigma, 2e-11)
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

  it.each(families.published.cases)("of $family are those that are published", (reference) => {
    const schedule = scheduleOf(reference)
    for (const [i, t] of reference.t.entries()) assertRelative(schedule.alphaBar[t]!, reference.alphaBar[i]!, 1e-7)
    if (reference.sumOfBetas !== undefined) {
      assertRelative(schedule.beta.reduce((sum, beta) => sum + beta, 0), reference.sumOfBetas, 1e-9)
    }
    for (const [t, beta] of Object.entries(reference.beta ?? {})) assertRelative(schedule.beta[Number(t)]!, beta, 1e-7)
  })

  it.each(families.openai.betas)(
    "of $schedule over $T steps have the betas of OpenAI's code",
    ({ T, betas, schedule }) => {
      const { beta } = scheduleOf({ family: schedule, options: { steps: T } })
      for (const [t, expected] of betas.entries()) assertRelative(beta[t]!, expected, 1e-15)
    }
  )
})

// What holds for every schedule is in the laws: see test/core/laws.
describe("every schedule", () => {
  it("has an alpha of 1 - beta, none before the first step, and a sigma of noise to data", () => {
    fc.assert(fc.property(anySchedule, (schedule) => {
      assert.strictEqual(S.previousAlphaBar(schedule, 0), 1)
      for (let t = 0; t < schedule.steps; t++) {
        assertRelative(S.alpha(schedule, t), 1 - S.beta(schedule, t), 1e-12)
        const ratio = S.sqrtOneMinusAlphaBar(schedule, t) / S.sqrtAlphaBar(schedule, t)
        assertRelative(S.sigma(schedule, t), ratio, 1e-14)
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
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        (steps, maximumBeta) => {
          const { beta } = Result.getOrThrow(S.cosine({ steps, maximumBeta }))
          assert.isTrue(beta.every((value) => value <= maximumBeta))
          assert.strictEqual(beta[steps - 1], maximumBeta)
        }
      )
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

describe("linear and its rescaling", () => {
  it("rescales both ends by referenceSteps / steps, as OpenAI's code does for 1000", () => {
    fc.assert(fc.property(fc.integer({ min: 21, max: 3000 }), (steps) => {
      const { beta } = Result.getOrThrow(S.linear({ steps, referenceSteps: 1000 }))
      assertRelative(beta[0]!, 0.1 / steps, 1e-15)
      assertRelative(beta[steps - 1]!, 20 / steps, 1e-15)
    }))
    const plain = Result.getOrThrow(S.linear({ steps: 1000 }))
    const rescaled = Result.getOrThrow(S.linear({ steps: 1000, referenceSteps: 1000 }))
    assert.deepStrictEqual(rescaled.alphaBar, plain.alphaBar)
  })

  it("says how many steps a rescaled schedule takes at least, and that many are enough", () => {
    const options = fc.record({
      end: fc.double({ min: 1e-3, max: 0.9, noNaN: true }),
      referenceSteps: fc.integer({ min: 1, max: 2000 })
    })
    fc.assert(
      fc.property(options, ({ end, referenceSteps }) => {
        const refused = S.linear({ steps: 1, start: 1e-4, end, referenceSteps })
        if (Result.isSuccess(refused)) return assert.isBelow(end * referenceSteps, 1)
        const least = Number(/take at least (\d+) steps/.exec(refused.failure.message)![1])
        const enough = S.linear({ steps: least, start: 1e-4, end, referenceSteps })
        // So many steps of large betas may leave no alphaBar above 0 in float64, which is another matter.
        if (Result.isFailure(enough)) assert.include(enough.failure.message, "alphaBar goes from")
        if (least > 1) {
          assert.isTrue(Result.isFailure(S.linear({ steps: least - 1, start: 1e-4, end, referenceSteps })))
        }
      }),
      { examples: [[{ end: 0.02, referenceSteps: 1000 }]] }
    )
    const { failure } = S.linear({ steps: 10, referenceSteps: 1000 }) as Result.Failure<S.Schedule, S.InvalidSchedule>
    assert.include(failure.message, "a beta of 2; a beta is below 1: take at least 21 steps")
  })
})

describe("exponential", () => {
  it("has one beta, and ends at exp(-rate)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.double({ min: 0.1, max: 6, noNaN: true }), (steps, rate) => {
        const { alphaBar, beta } = Result.getOrThrow(S.exponential({ steps, rate }))
        for (const value of beta) assertRelative(value, -Math.expm1(-rate / steps), 1e-11)
        assertRelative(alphaBar[steps - 1]!, Math.exp(-rate), 1e-11)
      })
    )
  })
})

describe("laplace", () => {
  it("has log-SNR where a Laplace distribution has its quantiles", () => {
    const parameters = fc.record({
      location: fc.double({ min: -2, max: 2, noNaN: true }),
      scale: fc.double({ min: 0.2, max: 1, noNaN: true })
    })
    fc.assert(fc.property(parameters, ({ location, scale }) => {
      const steps = 64
      const schedule = Result.getOrThrow(S.laplace({ steps, location, scale }))
      for (let t = 0; t < steps - 1; t++) {
        const x = (S.logSnr(schedule, t) - location) / scale
        const cumulative = x < 0 ? Math.exp(x) / 2 : 1 - Math.exp(-x) / 2
        assert.closeTo(cumulative, 1 - (t + 1) / steps, 1e-9)
      }
    }))
  })
})

describe("fromAlphaBar", () => {
  it("is the family whose curve it is given", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0.1, max: 1, noNaN: true }), (steps, factor) => {
        const curve = (u: number) => factor * Math.cos((u + 0.008) / 1.008 * Math.PI / 2) ** 2
        const own = Result.getOrThrow(S.fromAlphaBar(curve, { steps }))
        const { alphaBar } = Result.getOrThrow(S.cosine({ steps }))
        for (const [t, value] of alphaBar.entries()) assertRelative(own.alphaBar[t]!, value, 1e-12)
      })
    )
  })

  it("follows the curve up to where beta is bounded", () => {
    const schedule = Result.getOrThrow(S.fromAlphaBar((u) => (1 - u) ** 2, { steps: 100 }))
    for (let t = 0; t < 99; t++) assertRelative(schedule.alphaBar[t]!, (1 - (t + 1) / 100) ** 2, 1e-12)
    assertRelative(schedule.alphaBar[99]!, 1e-3 * 1e-4, 1e-12)
  })
})

describe("fromAlphaBars", () => {
  it("has what it is given, and betas that lead there", () => {
    fc.assert(fc.property(anySchedule, ({ alphaBar, beta }) => {
      const schedule = Result.getOrThrow(S.fromAlphaBars(alphaBar))
      assert.deepStrictEqual(schedule.alphaBar, alphaBar)
      for (const [t, value] of schedule.beta.entries()) assert.closeTo(value, beta[t]!, 1e-15)
    }))
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
    ["a scaled beta of 1", S.linear({ steps: 20, referenceSteps: 1000 }), "linear", "take at least 21 steps"],
    ["a reference of no steps", S.linear({ steps: 20, referenceSteps: 0 }), "linear", "\"referenceSteps\" is 0"],
    ["a beta of 0 scaled", S.scaledLinear({ steps: 10, start: 0 }), "scaled-linear", "\"start\" is 0"],
    ["no steps scaled", S.scaledLinear({ steps: 0 }), "scaled-linear", "\"steps\" is 0"],
    ["a sigmoid's beta of 2", S.sigmoidBeta({ steps: 10, end: 2 }), "sigmoid-beta", "\"end\" is 2"],
    [
      "a sigmoid that rises",
      S.sigmoidAlphaBar({ steps: 10, start: 3, end: -3 }),
      "sigmoid-alpha-bar",
      "above \"start\""
    ],
    [
      "a sigmoid without a start",
      S.sigmoidAlphaBar({ steps: 10, start: NaN }),
      "sigmoid-alpha-bar",
      "\"start\" is NaN"
    ],
    ["a cold sigmoid", S.sigmoidAlphaBar({ steps: 10, tau: 0 }), "sigmoid-alpha-bar", "\"tau\" is 0"],
    ["a level sigmoid", S.sigmoidAlphaBar({ steps: 10, start: 50, end: 60 }), "sigmoid-alpha-bar", "beta at t = 0"],
    ["a rate of 0", S.exponential({ steps: 10, rate: 0 }), "exponential", "\"rate\" is 0"],
    ["a rate too small for float64", S.exponential({ steps: 10, rate: 1e-20 }), "exponential", "beta at t = 0"],
    ["a Laplace without spread", S.laplace({ steps: 10, scale: 0 }), "laplace", "\"scale\" is 0"],
    ["a Laplace nowhere", S.laplace({ steps: 10, location: Infinity }), "laplace", "\"location\" is Infinity"],
    [
      "a curve that rises",
      S.fromAlphaBar((u) => 1 + u, { steps: 10 }),
      "fromAlphaBar",
      "alphaBar(0.1) is 1.1, after 1"
    ],
    [
      "a curve that rests",
      S.fromAlphaBar((u) => u < 0.25 ? 0.9 : 0.8, { steps: 10 }),
      "fromAlphaBar",
      "alphaBar(0.1) is 0.9, after 0.9"
    ],
    ["a curve that ends early", S.fromAlphaBar((u) => 0.5 - u, { steps: 10 }), "fromAlphaBar", "alphaBar(0.5) is 0"],
    ["a curve that is no number", S.fromAlphaBar(() => NaN, { steps: 10 }), "fromAlphaBar", "alphaBar(0) is NaN"],
    ["a curve over no steps", S.fromAlphaBar((u) => 1 - u, { steps: 0 }), "fromAlphaBar", "\"steps\" is 0"],
    ["no alphaBar", S.fromAlphaBars([]), "alpha-bar", "at least one"],
    ["an alphaBar of 1", S.fromAlphaBars([1, 0.5]), "alpha-bar", "from 1 to 1 at t = 0"],
    ["alphaBar that rise", S.fromAlphaBars([0.5, 0.6]), "alpha-bar", "from 0.5 to 0.6 at t = 1"],
    ["an alphaBar of 0", S.fromAlphaBars([0.5, 0]), "alpha-bar", "use rescaleZeroTerminalSnr"],
    ["an alphaBar that is no number", S.fromAlphaBars([0.5, NaN]), "alpha-bar", "to NaN at t = 1"],
    ["a last beta of 1", S.fromBetas([0.5, 1]), "betas", "use rescaleZeroTerminalSnr"],
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
