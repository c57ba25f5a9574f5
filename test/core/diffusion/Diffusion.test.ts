import { assert, describe, it } from "@effect/vitest"
import {
  addNoise,
  boundWeight,
  conversion,
  convert,
  forwardMarginal,
  forwardStep,
  type GaussianKernel,
  mixtureOf,
  type Parameterization,
  posterior,
  posteriorBetween,
  type PredictionType,
  predictionTypes
} from "@effusion/core/diffusion"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { anySchedule } from "../schedule/arbitraries.ts"

const value = fc.double({ min: -10, max: 10, noNaN: true })
const vector = fc.array(value, { minLength: 1, maxLength: 6 })
// A schedule, one of its timesteps, and some data with noise for it.
const noising = anySchedule.chain((schedule) =>
  fc.record({
    schedule: fc.constant(schedule),
    t: fc.nat(schedule.steps - 1),
    pairs: fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 6 })
  })
).map(({ pairs, schedule, t }) => ({ schedule, t, x0: pairs.map(([x]) => x), noise: pairs.map(([, n]) => n) }))

const assertAllClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  assert.strictEqual(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) assert.closeTo(actual[i]!, expected[i]!, tolerance)
}

/** Kullback-Leibler divergence of two Gaussians in one dimension, in nats. */
const divergence = (mean1: number, variance1: number, mean2: number, variance2: number): number =>
  0.5 * (Math.log(variance2 / variance1) + variance1 / variance2 - 1 + (mean1 - mean2) ** 2 / variance2)

// Noising, its inverse and the posterior by Bayes' rule are in the laws: see test/core/laws.
describe("the forward process", () => {
  it("keeps the variance of data of variance 1", () => {
    fc.assert(fc.property(noising, ({ schedule, t }) => {
      for (const { scale, variance } of [forwardStep(schedule, t), forwardMarginal(schedule, t)]) {
        assert.closeTo(scale ** 2 + variance, 1, 1e-14)
      }
    }))
  })

  it("refuses noise of another size than the data", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 3 }))
    assert.throws(() => addNoise(schedule, 0, [1, 2], [1]), RangeError, "2 and 1 elements")
    assert.throws(() => posterior(schedule, 0, [1], []), RangeError, "1 and 0 elements")
    assert.throws(() => addNoise(schedule, 3, [1], [1]), RangeError, "from 0 to 2")
  })
})

describe("the posterior between any two levels", () => {
  it("is the schedule's own between neighbours, and ends exactly at the data", () => {
    fc.assert(fc.property(noising, ({ noise: xt, schedule, t, x0 }) => {
      const to = t === 0 ? S.dataLevel : S.levelAt(schedule, t - 1)
      const between = posteriorBetween(S.levelAt(schedule, t), to)
      const { mean, variance } = posterior(schedule, t, x0, xt)
      assertAllClose(x0.map((x, i) => between.x0 * x + between.xt * xt[i]!), mean, 1e-7)
      assert.closeTo(between.variance, variance, 1e-12)
      assert.closeTo(between.forwardVariance, S.beta(schedule, t), 1e-12)
      if (t === 0) assert.deepStrictEqual([between.x0, between.xt, between.variance], [1, 0, 0])
    }))
  })

  it("composes over a level in between to the same posterior", () => {
    const level = fc.double({ min: 1e-3, max: 0.999, noNaN: true })
    fc.assert(fc.property(fc.uniqueArray(level, { minLength: 3, maxLength: 3 }), (signals) => {
      const [from, middle, to] = signals.toSorted((a, b) => a - b).map((signal, timestep) => ({
        timestep,
        signal,
        spread: Math.sqrt(1 - signal ** 2)
      }))
      const [first, second] = [posteriorBetween(from!, middle!), posteriorBetween(middle!, to!)]
      const direct = posteriorBetween(from!, to!)
      assert.closeTo(second.x0 + second.xt * first.x0, direct.x0, 1e-9)
      assert.closeTo(second.xt * first.xt, direct.xt, 1e-9)
      assert.closeTo(second.variance + second.xt ** 2 * first.variance, direct.variance, 1e-9)
    }))
  })
})

describe("predictions", () => {
  // Far from alphaBar = 0 and 1, where one of data and noise cannot be told from x_t in float64.
  const tellable = noising.filter(({ schedule, t }) => S.alphaBar(schedule, t) > 1e-6)
  const tolerance = 1e-7

  it("may be any other mixture: one that is a named one says the same", () => {
    fc.assert(fc.property(tellable, ({ noise: prediction, schedule, t, x0: xt }) => {
      for (const name of predictionTypes) {
        const nameless: Parameterization = { name: "mine", mixture: (level) => mixtureOf(level, name) }
        for (const other of predictionTypes) {
          const scale = Math.abs(1 / (mixtureOf(S.levelAt(schedule, t), name).noise || 1))
          const close = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
            assertAllClose(actual, expected, tolerance * Math.max(1, scale, ...Array.from(expected, Math.abs)))
          close(
            convert(schedule, t, xt, prediction, { from: nameless, to: other }),
            convert(schedule, t, xt, prediction, { from: name, to: other })
          )
          close(
            convert(schedule, t, xt, prediction, { from: other, to: nameless }),
            convert(schedule, t, xt, prediction, { from: other, to: name })
          )
        }
      }
    }))
  })

  it("survive the way there and back, also when they are wrong", () => {
    fc.assert(fc.property(tellable, ({ noise: prediction, schedule, t, x0: xt }) => {
      for (const from of predictionTypes) {
        for (const to of predictionTypes) {
          const there = convert(schedule, t, xt, prediction, { from, to })
          assertAllClose(convert(schedule, t, xt, there, { from: to, to: from }), prediction, tolerance)
        }
      }
    }))
  })

  // Salimans and Ho 2022, appendix D; SNR = alphaBar / (1 - alphaBar).
  it("have errors in proportions that the signal-to-noise ratio gives", () => {
    fc.assert(fc.property(tellable, ({ schedule, t }) => {
      const snr = S.snr(schedule, t)
      const squared = (from: PredictionType, to: PredictionType) =>
        conversion(schedule, t, { from, to }).prediction ** 2
      assert.closeTo(squared("epsilon", "sample") * snr, 1, 1e-9)
      assert.closeTo(squared("v_prediction", "sample") * (snr + 1), 1, 1e-9)
      assert.closeTo(squared("v_prediction", "epsilon") * (snr + 1) / snr, 1, 1e-9)
    }))
  })

  it("of their own type stay as they are", () => {
    fc.assert(fc.property(noising, ({ noise, schedule, t, x0 }) => {
      for (const type of predictionTypes) {
        assert.deepStrictEqual(
          Array.from(convert(schedule, t, x0, noise, { from: type, to: type }), (x) => x + 0),
          noise.map((x) => x + 0)
        )
      }
    }))
  })
})

describe("the posterior", () => {
  it("has the mode and the curvature of that product", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 10, start: 0.05, end: 0.4 }))
    const logDensity = (x: number, { scale, variance }: GaussianKernel, given: number) =>
      -((x - scale * given) ** 2) / (2 * variance)
    fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), value, value, (t, x0, xt) => {
      const joint = (x: number) =>
        logDensity(xt, forwardStep(schedule, t), x) + logDensity(x, forwardMarginal(schedule, t - 1), x0)
      const { mean: [mean], variance } = posterior(schedule, t, [x0], [xt])
      const h = 0.125
      assert.closeTo((joint(mean! + h) - joint(mean! - h)) / (2 * h), 0, 1e-8)
      assert.closeTo((joint(mean! + h) - 2 * joint(mean!) + joint(mean! - h)) / h ** 2 * variance, -1, 1e-8)
    }))
  })

  it("at t = 0 is the data", () => {
    fc.assert(fc.property(anySchedule, vector, (schedule, x0) => {
      const { mean, variance } = posterior(schedule, 0, x0, x0.map((x) => 3 * x + 1))
      assertAllClose(mean, x0, 1e-9)
      assert.strictEqual(variance, 0)
    }))
  })

  it("of a respaced schedule spans the steps between", () => {
    fc.assert(fc.property(anySchedule.filter(({ steps }) => steps > 2), value, value, (schedule, x0, noise) => {
      const last = schedule.steps - 1
      const respaced = Result.getOrThrow(S.respace(schedule, [0, last]))
      const xt = addNoise(schedule, last, [x0], [noise])
      assert.deepStrictEqual(addNoise(respaced, 1, [x0], [noise]), xt)
      // Bayes over the whole jump: q(x_last | x_0th) has the mean and variance that the marginals imply.
      const jump = S.alphaBar(schedule, last) / S.alphaBar(schedule, 0)
      const prior = forwardMarginal(schedule, 0)
      const precision = jump / (1 - jump) + 1 / prior.variance
      const expected = (Math.sqrt(jump) / (1 - jump) * xt[0]! + prior.scale / prior.variance * x0) / precision
      const { mean, variance } = posterior(respaced, 1, [x0], xt)
      assert.closeTo(mean[0]!, expected, 1e-9)
      assert.closeTo(variance * precision, 1, 1e-9)
    }))
  })
})

describe("the weight of the bound", () => {
  const later = noising.filter(({ schedule, t }) => t > 0 && S.alphaBar(schedule, t) > 1e-6)

  it("makes the divergence of the posteriors out of the squared error of the noise", () => {
    fc.assert(fc.property(later, value, ({ noise, schedule, t, x0 }, error) => {
      const xt = addNoise(schedule, t, x0, noise)
      const predicted = noise.map((n) => n + error / 10)
      const predictedX0 = convert(schedule, t, xt, predicted, { from: "epsilon", to: "sample" })
      const truth = posterior(schedule, t, x0, xt)
      const model = posterior(schedule, t, predictedX0, xt)
      const squaredError = noise.reduce((sum, n, i) => sum + (n - predicted[i]!) ** 2, 0)
      const bound = truth.mean.reduce(
        (sum, mean, i) => sum + divergence(mean, truth.variance, model.mean[i]!, model.variance),
        0
      )
      assert.closeTo(boundWeight(schedule, t) * squaredError, bound, 1e-6 * bound + 1e-9)
    }))
  })

  it("for another variance does so up to a constant", () => {
    fc.assert(fc.property(later, value, ({ noise, schedule, t, x0 }, error) => {
      const variance = S.beta(schedule, t)
      const xt = addNoise(schedule, t, x0, noise)
      const predicted = noise.map((n) => n + error / 10)
      const truth = posterior(schedule, t, x0, xt)
      const modelMean = (epsilon: ReadonlyArray<number>) =>
        posterior(schedule, t, convert(schedule, t, xt, epsilon, { from: "epsilon", to: "sample" }), xt).mean
      const bound = (epsilon: ReadonlyArray<number>) => {
        const means = modelMean(epsilon)
        return truth.mean.reduce((sum, mean, i) => sum + divergence(mean, truth.variance, means[i]!, variance), 0)
      }
      const squaredError = noise.reduce((sum, n, i) => sum + (n - predicted[i]!) ** 2, 0)
      const difference = bound(predicted) - bound(noise)
      assert.closeTo(boundWeight(schedule, t, variance) * squaredError, difference, 1e-6 * Math.abs(difference) + 1e-6)
    }))
  })

  it("is refused at t = 0, and for a variance that is none", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 10 }))
    assert.throws(() => boundWeight(schedule, 0), RangeError, "t = 0")
    assert.throws(() => boundWeight(schedule, 10), RangeError, "from 0 to 9")
    for (const variance of [0, -1, NaN]) assert.throws(() => boundWeight(schedule, 3, variance), RangeError, "positive")
  })
})
