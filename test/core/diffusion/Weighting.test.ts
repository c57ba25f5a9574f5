import { assert, describe, it } from "@effect/vitest"
import {
  boundWeight,
  boundWeighting,
  convert,
  edm,
  edmPreconditioning,
  edmWeighting,
  minSnrWeighting,
  mixtureOf,
  p2Weighting,
  type Parameterization,
  posterior,
  type PredictionType,
  predictionTypes,
  simpleWeighting,
  snrWeighting,
  softMinSnrWeighting,
  truncatedSnrWeighting,
  uniformWeighting,
  type Weighting,
  weightOf,
  weightTable
} from "@effusion/core/diffusion"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { anySchedule } from "../schedule/arbitraries.ts"

const flow: Parameterization = { name: "flow", mixture: () => ({ x0: -1, noise: 1 }) }
const edmHalf = Result.getOrThrow(edm({ sigmaData: 0.5 }))
const everyPrediction = [...predictionTypes, flow, edmHalf]

const positive = fc.double({ min: 0.05, max: 20, noNaN: true })

/** Weightings that say whose error they weigh: all but "simple". */
const anyWeighting: fc.Arbitrary<Weighting> = fc.oneof(
  fc.constantFrom(...everyPrediction).map(uniformWeighting),
  fc.constantFrom(snrWeighting, truncatedSnrWeighting, boundWeighting(), boundWeighting({ variance: "fixed-large" })),
  positive.map((gamma) => Result.getOrThrow(minSnrWeighting({ gamma }))),
  positive.map((gamma) => Result.getOrThrow(softMinSnrWeighting({ gamma }))),
  fc.tuple(fc.double({ min: 0, max: 3, noNaN: true }), positive).map(([gamma, k]) =>
    Result.getOrThrow(p2Weighting({ gamma, k }))
  ),
  positive.map((sigmaData) => Result.getOrThrow(edmWeighting({ sigmaData })))
)

const value = fc.double({ min: -3, max: 3, noNaN: true })
// A timestep that keeps enough signal for float64 to tell the data.
const place = anySchedule.chain((schedule) =>
  fc.record({ schedule: fc.constant(schedule), t: fc.nat(schedule.steps - 1) })
)
  .filter(({ schedule, t }) => S.alphaBar(schedule, t) > 1e-6)

const weightAt = (
  weighting: Weighting,
  schedule: S.Schedule,
  t: number,
  prediction: PredictionType | Parameterization
) => Result.getOrThrow(weightOf(weighting, schedule, t, prediction))

const assertRelative = (actual: number, expected: number, tolerance = 1e-9) =>
  assert.closeTo(actual, expected, tolerance * Math.abs(expected))

/** A schedule that ends without any signal, made by hand. */
const withoutSignal: S.Schedule = {
  name: "betas",
  config: {},
  steps: 2,
  beta: Float64Array.of(0.5, 1),
  alphaBar: Float64Array.of(0.5, 0)
}

describe("a weighting", () => {
  it("makes the same loss of the same errors, in whatever parameterisation they are stated", () => {
    const wrong = fc.tuple(fc.double({ min: 0.1, max: 3, noNaN: true }), fc.constantFrom(-1, 1))
      .map(([size, sign]) => sign * size)
    fc.assert(fc.property(place, anyWeighting, value, value, wrong, ({ schedule, t }, weighting, x0, noise, error) => {
      const { signal, spread } = S.levelAt(schedule, t)
      const xt = [signal * x0 + spread * noise]
      const losses = everyPrediction.map((type) => {
        const { noise: q, x0: p } = mixtureOf(S.levelAt(schedule, t), type)
        const [prediction] = convert(schedule, t, xt, [noise + error], { from: "epsilon", to: type })
        return weightAt(weighting, schedule, t, type) * (prediction! - (p * x0 + q * noise)) ** 2
      })
      for (const loss of losses.slice(1)) assertRelative(loss, losses[0]!, 1e-7)
    }))
  })

  it("has the ratios of squared errors between epsilon, x0 and v", () => {
    fc.assert(fc.property(place, anyWeighting, ({ schedule, t }, weighting) => {
      const snr = S.snr(schedule, t)
      const ofNoise = weightAt(weighting, schedule, t, "epsilon")
      assertRelative(weightAt(weighting, schedule, t, "sample"), ofNoise * snr)
      assertRelative(weightAt(weighting, schedule, t, "v_prediction"), ofNoise * snr / (snr + 1))
      assertRelative(weightAt(weighting, schedule, t, "score"), ofNoise * (1 - S.alphaBar(schedule, t)))
    }))
  })

  it("is finite and not negative at every timestep", () => {
    fc.assert(
      fc.property(anySchedule, anyWeighting, fc.constantFrom(...everyPrediction), (schedule, weighting, type) => {
        const weights = Result.getOrThrow(weightTable(weighting, schedule, type))
        assert.strictEqual(weights.length, schedule.steps)
        for (const weight of weights) assert.isTrue(weight >= 0 && weight < Infinity, String(weight))
      })
    )
  })

  it("that is simple is 1 whatever is predicted", () => {
    fc.assert(fc.property(anySchedule, fc.constantFrom(...everyPrediction), (schedule, type) => {
      for (const weighting of [simpleWeighting, uniformWeighting(type)]) {
        assert.deepStrictEqual(
          [...new Set(Result.getOrThrow(weightTable(weighting, schedule, type)))],
          [1]
        )
      }
    }))
  })
})

describe("published weightings", () => {
  const linear = Result.getOrThrow(S.linear({ steps: 1000 }))

  it("have their published forms, for epsilon, x0 and v", () => {
    fc.assert(fc.property(place, positive, ({ schedule, t }, gamma) => {
      const snr = S.snr(schedule, t)
      const sigma = 1 / Math.sqrt(snr)
      const check = (weighting: Weighting, prediction: PredictionType, expected: number) =>
        assertRelative(weightAt(weighting, schedule, t, prediction), expected)
      // Hang et al. 2023.
      const minSnr = Result.getOrThrow(minSnrWeighting({ gamma }))
      check(minSnr, "epsilon", Math.min(snr, gamma) / snr)
      check(minSnr, "sample", Math.min(snr, gamma))
      check(minSnr, "v_prediction", Math.min(snr, gamma) / (snr + 1))
      // Crowson et al. 2024.
      check(Result.getOrThrow(softMinSnrWeighting({ gamma })), "sample", 1 / (sigma ** 2 + 1 / gamma))
      // Choi et al. 2022.
      check(Result.getOrThrow(p2Weighting({ gamma, k: 1 })), "epsilon", 1 / (1 + snr) ** gamma)
      // Salimans and Ho 2022.
      check(snrWeighting, "sample", snr)
      check(truncatedSnrWeighting, "sample", Math.max(snr, 1))
      check(truncatedSnrWeighting, "epsilon", Math.max(1, 1 / snr))
      check(uniformWeighting("v_prediction"), "sample", snr + 1)
      // Karras et al. 2022.
      const lambda = (sigma ** 2 + gamma ** 2) / (sigma * gamma) ** 2
      check(Result.getOrThrow(edmWeighting({ sigmaData: gamma })), "sample", lambda)
    }))
  })

  it("have their values on the linear schedule of 1000 steps", () => {
    // alphaBar at t = 500 is 0.0777966584 (float64, of the published table).
    const snr = 0.0777966584 / (1 - 0.0777966584)
    const at = (weighting: Weighting, type: PredictionType) => weightAt(weighting, linear, 500, type)
    assertRelative(at(snrWeighting, "sample"), snr, 1e-8)
    assertRelative(at(Result.getOrThrow(p2Weighting()), "epsilon"), 1 - 0.0777966584, 1e-8)
    assertRelative(at(Result.getOrThrow(minSnrWeighting()), "v_prediction"), 0.0777966584, 1e-8)
    assertRelative(weightAt(Result.getOrThrow(minSnrWeighting()), linear, 0, "epsilon"), 5 / 9999, 1e-8)
    assertRelative(weightAt(Result.getOrThrow(minSnrWeighting()), linear, 0, "v_prediction"), 5 / 10000, 1e-8)
  })

  it("of min-SNR never exceeds the loss that it damps, and the soft one never exceeds it", () => {
    fc.assert(fc.property(place, positive, fc.constantFrom(...everyPrediction), ({ schedule, t }, gamma, type) => {
      const hard = weightAt(Result.getOrThrow(minSnrWeighting({ gamma })), schedule, t, type)
      const soft = weightAt(Result.getOrThrow(softMinSnrWeighting({ gamma })), schedule, t, type)
      const full = weightAt(snrWeighting, schedule, t, type)
      const slack = 1 + 1e-12
      assert.isTrue(hard <= full * slack && soft <= hard * slack && soft >= hard / 2 / slack)
    }))
  })

  it("of EDM counts every error of its network the same", () => {
    fc.assert(fc.property(place, positive, ({ schedule, t }, sigmaData) => {
      const weighting = Result.getOrThrow(edmWeighting({ sigmaData }))
      assertRelative(weightAt(weighting, schedule, t, Result.getOrThrow(edm({ sigmaData }))), 1, 1e-9)
      const { out } = edmPreconditioning(S.sigmaOf(S.levelAt(schedule, t)), sigmaData)
      assertRelative(weightAt(weighting, schedule, t, "sample") * out ** 2, 1, 1e-9)
    }))
  })

  it("of the bound is the weight of equation 12, and half the fall of the SNR", () => {
    fc.assert(fc.property(place.filter(({ t }) => t > 0), ({ schedule, t }) => {
      assertRelative(weightAt(boundWeighting(), schedule, t, "epsilon"), boundWeight(schedule, t), 1e-8)
      assertRelative(
        weightAt(boundWeighting({ variance: "fixed-large" }), schedule, t, "epsilon"),
        boundWeight(schedule, t, S.beta(schedule, t)),
        1e-8
      )
      const before = S.snr(schedule, t - 1)
      const fall = (before - S.snr(schedule, t)) / 2
      assert.closeTo(weightAt(boundWeighting(), schedule, t, "sample"), fall, 1e-9 * before)
    }))
  })

  it("of the bound at t = 0 is that of the density of the data", () => {
    fc.assert(fc.property(anySchedule.filter(({ steps }) => steps > 1), value, value, (schedule, x0, estimate) => {
      const { mean } = posterior(schedule, 0, [estimate], [7])
      const variance = S.posteriorVariance(schedule, 1)
      const negativeLogDensity = (at: number) => (x0 - at) ** 2 / (2 * variance)
      const loss = weightAt(boundWeighting(), schedule, 0, "sample") * (x0 - estimate) ** 2
      assert.closeTo(loss, negativeLogDensity(mean[0]!), 1e-9 * (1 + loss))
    }))
    const single = Result.getOrThrow(S.fromBetas([0.25]))
    assert.closeTo(weightAt(boundWeighting(), single, 0, "sample"), 2, 1e-14)
  })
})

describe("a weighting where no signal is left", () => {
  const last = (weighting: Weighting, type: PredictionType) => weightOf(weighting, withoutSignal, 1, type)
  const of = (result: Result.Result<Weighting, unknown>) => Result.getOrThrow(result as Result.Result<Weighting, Error>)

  it("is what it tends to, where it tends to anything", () => {
    const expected: ReadonlyArray<readonly [Weighting, PredictionType, number]> = [
      [simpleWeighting, "epsilon", 1],
      [snrWeighting, "epsilon", 1],
      [snrWeighting, "sample", 0],
      [snrWeighting, "v_prediction", 0],
      [truncatedSnrWeighting, "sample", 1],
      [truncatedSnrWeighting, "v_prediction", 1],
      [of(minSnrWeighting()), "epsilon", 1],
      [of(minSnrWeighting()), "sample", 0],
      [of(softMinSnrWeighting()), "epsilon", 1],
      [of(p2Weighting({ k: 2 })), "epsilon", 0.5],
      [of(edmWeighting({ sigmaData: 0.5 })), "sample", 4],
      [of(edmWeighting({ sigmaData: 0.5 })), "v_prediction", 4],
      // The SNR falls from 1 to 0.
      [boundWeighting(), "v_prediction", 0.5]
    ]
    for (const [weighting, type, weight] of expected) {
      assert.closeTo(Result.getOrThrow(last(weighting, type)), weight, 1e-14, `${weighting.name} of ${type}`)
    }
    assert.strictEqual(Result.getOrThrow(weightOf(of(edmWeighting()), withoutSignal, 1, edmHalf)), 1)
  })

  it("is an error that says why, where it tends to nothing", () => {
    for (const weighting of [truncatedSnrWeighting, of(edmWeighting()), boundWeighting(), uniformWeighting("sample")]) {
      const result = last(weighting, "epsilon")
      assert.isTrue(Result.isFailure(result), weighting.name)
      if (!Result.isFailure(result)) continue
      assert.strictEqual(result.failure._tag, "UndefinedWeight")
      assert.include(result.failure.message, `"${weighting.name}" of predictions of type "epsilon" is Infinity`)
      assert.include(result.failure.message, "at t = 1, where the signal-to-noise ratio is 0")
      assert.isTrue(Result.isFailure(weightTable(weighting, withoutSignal, "epsilon")))
    }
  })
})

describe("a weighting that is none", () => {
  it("is an error", () => {
    for (const weight of [-1, NaN, Infinity]) {
      const mine: Weighting = { name: "mine", config: {}, of: "prediction", weight: () => weight }
      const result = weightOf(mine, withoutSignal, 0, "sample")
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) assert.include(result.failure.message, `is ${weight} at t = 0`)
    }
  })
})

describe("options out of range", () => {
  it("are errors that name them", () => {
    const wrong = fc.constantFrom(0, -1, NaN, Infinity)
    fc.assert(fc.property(wrong, (value) => {
      for (
        const [name, option, result] of [
          ["min-snr", "gamma", minSnrWeighting({ gamma: value })],
          ["soft-min-snr", "gamma", softMinSnrWeighting({ gamma: value })],
          ["p2", "k", p2Weighting({ k: value })],
          ["edm", "sigmaData", edmWeighting({ sigmaData: value })],
          ["edm", "sigmaData", edm({ sigmaData: value })]
        ] as const
      ) {
        assert.isTrue(Result.isFailure<unknown, unknown>(result))
        if (Result.isSuccess<unknown, { readonly message: string }>(result)) continue
        assert.strictEqual(
          result.failure.message,
          `no "${name}" like that: "${option}" is ${value}; it is a number above 0`
        )
      }
    }))
    assert.isTrue(Result.isFailure(p2Weighting({ gamma: -0.5 })))
    assert.isTrue(Result.isSuccess(p2Weighting({ gamma: 0 })))
  })
})

describe("the preconditioning of EDM", () => {
  const level = fc.double({ min: 1e-3, max: 1, noNaN: true }).map((signal): S.NoiseLevel => ({
    timestep: 3,
    signal,
    spread: Math.sqrt(1 - signal ** 2)
  })).filter(({ spread }) => spread > 1e-3)

  it("with data of deviation 1 predicts -v of an x_t that is not scaled", () => {
    const unit = Result.getOrThrow(edm({ sigmaData: 1 }))
    fc.assert(fc.property(level, (level) => {
      const v = mixtureOf(level, "v_prediction")
      const { noise, x0 } = mixtureOf(level, unit)
      assert.closeTo(x0, -v.x0, 1e-12)
      assert.closeTo(noise, -v.noise, 1e-12)
      assert.closeTo(unit.inputScale!(level), 1, 1e-12)
    }))
  })

  it("is that of the paper, written for data plus noise", () => {
    fc.assert(fc.property(level, positive, value, value, (level, sigmaData, x0, noise) => {
      const parameterization = Result.getOrThrow(edm({ sigmaData }))
      const sigma = S.sigmaOf(level)
      const y = x0 + sigma * noise
      const c = edmPreconditioning(sigma, sigmaData)
      const total = Math.sqrt(sigma ** 2 + sigmaData ** 2)
      assertRelative(c.skip, sigmaData ** 2 / total ** 2)
      assertRelative(c.out, sigma * sigmaData / total)
      assertRelative(c.in, 1 / total)
      const mixture = mixtureOf(level, parameterization)
      const target = mixture.x0 * x0 + mixture.noise * noise
      assert.closeTo(target, (x0 - c.skip * y) / c.out, 1e-9 * (1 + Math.abs(y) / c.out))
      const xt = level.signal * x0 + level.spread * noise
      assert.closeTo(parameterization.inputScale!(level) * xt, c.in * y, 1e-9 * (1 + Math.abs(y)))
    }))
  })

  it("shows and asks numbers of variance 1, for data of its deviation", () => {
    fc.assert(fc.property(level, positive, (level, sigmaData) => {
      const parameterization = Result.getOrThrow(edm({ sigmaData }))
      const { noise, x0 } = parameterization.mixture(level)
      assertRelative((x0 * sigmaData) ** 2 + noise ** 2, 1)
      const shown = parameterization.inputScale!(level) ** 2 * ((level.signal * sigmaData) ** 2 + level.spread ** 2)
      assertRelative(shown, 1)
    }))
  })

  it("is finite where no signal is left", () => {
    const level = { timestep: 9, signal: 0, spread: 1 }
    assert.deepStrictEqual(edmHalf.mixture(level), { x0: 2, noise: -0 })
    assert.strictEqual(edmHalf.inputScale!(level), 1)
    assert.deepStrictEqual(edmPreconditioning(Infinity, 0.5), { skip: 0, out: 0.5, in: 0, noise: Infinity })
  })
})
