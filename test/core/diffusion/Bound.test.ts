/**
 * The variational bound on the host: its parts against their definitions, and what holds between them.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  addNoise,
  bitsPerDimension,
  boundConstant,
  boundTerm,
  boundWeight,
  convert,
  type Decoder,
  discretizedGaussianLogLikelihood,
  discretizedGaussianLogLikelihoodTanh,
  fixedLogVariance,
  gaussianLogLikelihood,
  kl,
  learnedRangeLogVariance,
  type ModelOptions,
  posterior,
  posteriorLogVariance,
  predictionTypes,
  priorTerm,
  reverseStep,
  type VarianceType,
  variationalBound
} from "@effusion/core/diffusion"
import { Distribution, draw, Key } from "@effusion/core/random"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { assertRelative } from "../../support/close.ts"
import { anySchedule } from "../schedule/arbitraries.ts"
import { bestEstimate, entropy, expectedBound, type GaussianData, remainingVariance } from "./gaussianBound.ts"

const value = fc.double({ min: -3, max: 3, noNaN: true })
const logVariance = fc.double({ min: -12, max: 4, noNaN: true })
const sum = (values: Float64Array): number => values.reduce((total, x) => total + x, 0)

describe("the divergence of Gaussians", () => {
  it("is 0 of a Gaussian from itself, and positive from any other", () => {
    fc.assert(fc.property(value, logVariance, value, logVariance, (mean, logVariance, other, otherLogVariance) => {
      const p = { mean: [mean], logVariance }
      assert.strictEqual(kl(p, p)[0], 0)
      const divergence = kl(p, { mean: [other], logVariance: otherLogVariance })[0]!
      if (mean !== other && Math.abs(mean - other) > 1e-100) assert.isAbove(divergence, 0)
      else assert.isAtLeast(divergence, 0)
    }))
  })

  it("is the expectation of the difference of the log-densities", () => {
    // Gauss-Hermite quadrature of three nodes is exact for what is quadratic in x.
    const nodes = [[0, 2 / 3], [Math.sqrt(3), 1 / 6], [-Math.sqrt(3), 1 / 6]] as const
    fc.assert(fc.property(value, logVariance, value, logVariance, (mean, logVariance, other, otherLogVariance) => {
      const p = { mean: [mean], logVariance }
      const q = { mean: [other], logVariance: otherLogVariance }
      const expected = nodes.reduce((sum, [z, weight]) => {
        const x = [mean + Math.exp(logVariance / 2) * z]
        return sum + weight * (gaussianLogLikelihood(x, p)[0]! - gaussianLogLikelihood(x, q)[0]!)
      }, 0)
      assert.closeTo(kl(p, q)[0]!, expected, 1e-9 * (1 + Math.abs(expected)))
    }))
  })

  it("does not lose a difference of variances that float64 can tell", () => {
    const divergence = kl({ mean: [0], logVariance: 1e-9 }, { mean: [0], logVariance: 0 })[0]!
    assertRelative(divergence, 2.5e-19, 1e-8)
  })

  it("adds up over elements, and takes one log-variance for all", () => {
    const mean = [0.1, -0.4]
    const both = kl({ mean, logVariance: -1 }, { mean: [0, 0], logVariance: [-1, 0.5] })
    const each = mean.map((mean, i) =>
      kl({ mean: [mean], logVariance: [-1] }, { mean: [0], logVariance: [-1, 0.5][i]! })[0]
    )
    assert.deepStrictEqual([...both], each)
    assert.throws(() => kl({ mean, logVariance: 0 }, { mean: [0], logVariance: 0 }), RangeError, "1 elements")
    assert.throws(() => kl({ mean, logVariance: [0] }, { mean, logVariance: 0 }), RangeError, "1 elements")
  })
})

const levelsOf = (levels: number) => Array.from({ length: levels }, (_, i) => 2 * i / (levels - 1) - 1)
const decoders = { exact: discretizedGaussianLogLikelihood, tanh: discretizedGaussianLogLikelihoodTanh }

describe.each(Object.entries(decoders))("the discretised Gaussian (%s)", (_, likelihood) => {
  it("gives probabilities that add up to 1 over all values", () => {
    const levels = fc.constantFrom(2, 3, 16, 256, 1000)
    fc.assert(fc.property(levels, value, logVariance, (levels, mean, logVariance) => {
      const x = levelsOf(levels)
      const logs = likelihood(x, { mean: x.map(() => mean), logVariance }, { levels, minimumProbability: 0 })
      assert.closeTo(sum(logs.map((log) => Math.exp(log))), 1, 1e-9)
    }))
  })

  it("is symmetric", () => {
    fc.assert(fc.property(fc.nat(255), value, logVariance, (i, mean, logVariance) => {
      const x = levelsOf(256)
      const [log] = likelihood([x[i]!], { mean: [mean], logVariance })
      const [mirrored] = likelihood([x[255 - i]!], { mean: [-mean], logVariance })
      assert.closeTo(log!, mirrored!, 1e-9 * Math.abs(log!))
    }))
  })

  it("never falls below the least probability", () => {
    const [log] = likelihood([0], { mean: [3], logVariance: -12 })
    assert.strictEqual(log, Math.log(1e-12))
    const [other] = likelihood([0], { mean: [3], logVariance: -12 }, { minimumProbability: 1e-6 })
    assert.strictEqual(other, Math.log(1e-6))
  })

  it("takes the bins of its number of levels", () => {
    // A wide Gaussian is flat over a bin: its probability is the density times the width, 2 / (levels - 1).
    const gaussian = { mean: [0.2], logVariance: 0 }
    const density = gaussianLogLikelihood([0], gaussian)[0]!
    for (const levels of [65, 129, 1025]) {
      const [log] = likelihood([0], gaussian, { levels })
      assert.closeTo(log!, density + Math.log(2 / (levels - 1)), 1e-3)
    }
  })

  it("refuses what makes no sense", () => {
    const gaussian = { mean: [0], logVariance: 0 }
    assert.throws(() => likelihood([0], gaussian, { levels: 1 }), RangeError, "at least 2 levels")
    assert.throws(() => likelihood([0, 1], gaussian), RangeError, "2 elements")
  })
})

describe("the discretised Gaussian", () => {
  it("is exact far out, where a difference of two numbers near 1 would be 0", () => {
    // The bin is as wide as 0.2 standard deviations, 30 of them away.
    const sigma = 1 / (255 * 0.1)
    const [log] = discretizedGaussianLogLikelihood([0], { mean: [30 * sigma], logVariance: 2 * Math.log(sigma) }, {
      minimumProbability: 0
    })
    assert.closeTo(log!, logOfInterval30, 1e-10)
  })

  it("and its approximation differ by less than 1.8e-4 of a probability for each bound of the bin", () => {
    fc.assert(fc.property(fc.nat(255), value, logVariance, (i, mean, logVariance) => {
      const x = [levelsOf(256)[i]!]
      const [exact, tanh] = Object.values(decoders).map((likelihood) =>
        Math.exp(likelihood(x, { mean: [mean], logVariance }, { minimumProbability: 0 })[0]!)
      )
      assert.closeTo(exact!, tanh!, 2 * 1.8e-4)
    }))
  })
})

// The logarithm of the standard normal probability of [29.9, 30.1].
const logOfInterval30 = -451.3253778133609

// A schedule, one of its timesteps, and some data with noise and errors of a model.
const noising = anySchedule.filter((schedule) => schedule.steps > 1).chain((schedule) =>
  fc.record({
    schedule: fc.constant(schedule),
    t: fc.integer({ min: 1, max: schedule.steps - 1 }),
    triples: fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 6 })
  })
).map(({ schedule, t, triples }) => ({
  schedule,
  t,
  x0: triples.map(([x]) => x),
  noise: triples.map(([, noise]) => noise),
  error: triples.map(([, , error]) => error / 10)
})).filter(({ schedule, t }) => S.alphaBar(schedule, t) > 1e-6)

const variances: ReadonlyArray<VarianceType> = ["fixed-small", "fixed-large", "learned-range"]

describe("the variance of a step", () => {
  it("lies between that of the posterior and beta, where an output between -1 and 1 says", () => {
    fc.assert(fc.property(noising, fc.double({ min: -1, max: 1, noNaN: true }), ({ schedule, t }, output) => {
      const small = fixedLogVariance(schedule, t, "fixed-small")
      const large = fixedLogVariance(schedule, t, "fixed-large")
      const learned = learnedRangeLogVariance(schedule, t, output)
      assertRelative(Math.exp(small), S.posteriorVariance(schedule, t), 1e-12)
      assertRelative(Math.exp(large), S.beta(schedule, t), 1e-12)
      assert.isAtLeast(learned, small - 1e-9)
      assert.isAtMost(learned, large + 1e-9)
      assert.closeTo(learnedRangeLogVariance(schedule, t, -1), small, 1e-12)
      assert.closeTo(learnedRangeLogVariance(schedule, t, 1), large, 1e-12)
    }))
  })

  it("at t = 0 is the posterior's of t = 1, for both fixed types", () => {
    fc.assert(fc.property(anySchedule.filter(({ steps }) => steps > 1), (schedule) => {
      const expected = Math.log(S.posteriorVariance(schedule, 1))
      assert.strictEqual(posteriorLogVariance(schedule, 0), expected)
      assert.strictEqual(fixedLogVariance(schedule, 0, "fixed-small"), expected)
      assert.strictEqual(fixedLogVariance(schedule, 0, "fixed-large"), expected)
      assert.closeTo(learnedRangeLogVariance(schedule, 0, 1), Math.log(S.beta(schedule, 0)), 1e-12)
    }))
  })

  it("of a schedule of one timestep is its beta", () => {
    const schedule = Result.getOrThrow(S.fromBetas([0.25]))
    assert.strictEqual(fixedLogVariance(schedule, 0, "fixed-small"), Math.log(0.25))
  })
})

describe("a term of the bound", () => {
  // Ho et al. 2020, equation 12, with its constant: the law that docs/objective.md derives.
  it("is the weighted squared error of the noise, plus a constant of the variance", () => {
    fc.assert(fc.property(
      noising,
      fc.constantFrom(...variances),
      fc.double({ min: -1.5, max: 1.5, noNaN: true }),
      fc.constantFrom(...predictionTypes),
      ({ error, noise, schedule, t, x0 }, variance, v, predictionType) => {
        const xt = addNoise(schedule, t, x0, noise)
        const predicted = noise.map((n, i) => n + error[i]!)
        const prediction = convert(schedule, t, xt, predicted, { from: "epsilon", to: predictionType })
        const options: ModelOptions = { predictionType, variance, clip: "none" }
        const output = { prediction, variance: x0.map(() => v) }
        const { nats, noiseError } = boundTerm(schedule, t, { x0, xt }, output, options)
        const variance_t = Math.exp(
          variance === "learned-range"
            ? learnedRangeLogVariance(schedule, t, v)
            : fixedLogVariance(schedule, t, variance)
        )
        const weight = boundWeight(schedule, t, variance_t)
        const constant = boundConstant(schedule, t, variance_t)
        error.forEach((e, i) => {
          const expected = weight * e ** 2 + constant
          assert.closeTo(nats[i]!, expected, 1e-6 * expected + 1e-8)
        })
        const meanSquaredError = error.reduce((sum, e) => sum + e ** 2, 0) / error.length
        assert.closeTo(noiseError, meanSquaredError, 1e-6 * meanSquaredError + 1e-10)
      }
    ))
  })

  it("has a constant of 0 for the posterior variance, and a larger one for any other", () => {
    fc.assert(fc.property(noising, fc.double({ min: -5, max: 5, noNaN: true }), ({ schedule, t }, logFactor) => {
      const variance = S.posteriorVariance(schedule, t)
      assert.strictEqual(boundConstant(schedule, t, variance), 0)
      const other = boundConstant(schedule, t, variance * Math.exp(logFactor))
      assert.isAtLeast(other, 0)
      if (Math.abs(logFactor) > 1e-6) assert.isAbove(other, 0)
    }))
    const schedule = Result.getOrThrow(S.linear({ steps: 10 }))
    assert.throws(() => boundConstant(schedule, 0, 0.1), RangeError, "t = 0")
    assert.throws(() => boundConstant(schedule, 3, -1), RangeError, "positive")
  })

  it("is 0 for a model that knows the data, but for its decoder", () => {
    fc.assert(fc.property(noising, ({ noise, schedule, t, x0 }) => {
      const xt = addNoise(schedule, t, x0, noise)
      const options: ModelOptions = { predictionType: "sample", clip: "none" }
      const { dataError, nats, noiseError } = boundTerm(schedule, t, { x0, xt }, { prediction: x0 }, options)
      assert.deepStrictEqual([sum(nats), dataError, noiseError], [0, 0, 0])
    }))
  })

  it("at t = 0 is the negative log-likelihood of the data under the step", () => {
    const likelihoods: { readonly [Name in Decoder]: typeof gaussianLogLikelihood } = {
      "discretized-gaussian": discretizedGaussianLogLikelihood,
      "discretized-gaussian-tanh": discretizedGaussianLogLikelihoodTanh,
      gaussian: gaussianLogLikelihood
    }
    fc.assert(fc.property(noising, ({ error, noise, schedule, x0 }) => {
      const xt = addNoise(schedule, 0, x0, noise)
      const prediction = x0.map((x, i) => x + error[i]!)
      const options: ModelOptions = { predictionType: "sample" }
      const model = reverseStep(schedule, 0, xt, { prediction }, options)
      assert.deepStrictEqual(model.x0, Float64Array.from(prediction, (x) => Math.min(Math.max(x, -1), 1)))
      model.mean.forEach((mean, i) => assert.closeTo(mean, model.x0[i]!, 1e-9))
      for (const [decoder, likelihood] of Object.entries(likelihoods)) {
        const { nats } = boundTerm(schedule, 0, { x0, xt }, { prediction }, { ...options, decoder: decoder as Decoder })
        assert.deepStrictEqual(nats, likelihood(x0, model).map((log) => -log))
      }
    }))
  })

  it("has the mean of the posterior with the clipped estimate", () => {
    fc.assert(fc.property(noising, ({ error, noise, schedule, t, x0 }) => {
      const xt = addNoise(schedule, t, x0, noise)
      const prediction = x0.map((x, i) => x + error[i]!)
      const { mean } = reverseStep(schedule, t, xt, { prediction }, { predictionType: "sample", clip: 0.5 })
      const clipped = prediction.map((x) => Math.min(Math.max(x, -0.5), 0.5))
      assert.deepStrictEqual(mean, posterior(schedule, t, clipped, xt).mean)
    }))
  })

  it("refuses outputs that say nothing of the data", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 10 }))
    const none = Result.getOrThrow(S.rescaleZeroTerminalSnr(schedule))
    const given = { x0: [0.5], xt: [0.1] }
    assert.throws(
      () => boundTerm(none, 9, given, { prediction: [0.1] }, { predictionType: "epsilon" }),
      RangeError,
      "does not determine \"sample\" at timestep 9"
    )
    assert.isFinite(boundTerm(none, 9, given, { prediction: [0.1] }, { predictionType: "v_prediction" }).nats[0])
    assert.throws(
      () =>
        boundTerm(schedule, 3, given, { prediction: [0.1] }, { predictionType: "epsilon", variance: "learned-range" }),
      RangeError,
      "no variance"
    )
    assert.throws(
      () => boundTerm(schedule, 3, given, { prediction: [0.1, 0.2] }, { predictionType: "epsilon" }),
      RangeError,
      "1 and 2 elements"
    )
  })
})

describe("the prior term", () => {
  it("is half of what is left of the signal, to first order", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 1000 }))
    const alphaBar = S.alphaBar(schedule, 999)
    const [nats] = priorTerm(schedule, [0.8])
    // (alphaBar x_0^2 + alphaBar^2 / 2 + ...) / 2: the variances differ to second order only.
    assertRelative(nats!, (alphaBar * 0.8 ** 2 + alphaBar ** 2 / 2) / 2, 1e-6)
  })

  it("is the divergence of what is left of the data from pure noise, on any schedule", () => {
    fc.assert(fc.property(anySchedule, value, (schedule, x0) => {
      const alphaBar = S.alphaBar(schedule, schedule.steps - 1)
      // KL(N(sqrt(alphaBar) x_0, 1 - alphaBar) || N(0, 1))
      const expected = (alphaBar * x0 ** 2 - alphaBar - Math.log(1 - alphaBar)) / 2
      assert.closeTo(priorTerm(schedule, [x0])[0]!, expected, 1e-9)
    }))
  })

  it("is 0 where no signal is left", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 10 }))
    const none = Result.getOrThrow(S.rescaleZeroTerminalSnr(schedule))
    assert.deepStrictEqual([...priorTerm(none, [0.8, -1])], [0, 0])
  })
})

describe("the whole bound", () => {
  const gaussianData: GaussianData = { mean: 0.3, variance: 0.2 }

  it("has the expectation that theory gives for Gaussian data and the best denoiser", () => {
    const schedule = Result.getOrThrow(S.cosine({ steps: 16 }))
    const count = 20_000
    const normal = (key: Key.Key) => draw(key, { distribution: Distribution.normal, shape: [count] }).data
    const { mean, variance } = gaussianData
    const x0 = Float64Array.from(normal(Key.make(7)), (z) => mean + Math.sqrt(variance) * z)
    for (const type of ["fixed-small", "fixed-large"] as const) {
      const expected = expectedBound(gaussianData, schedule, type)
      const bound = variationalBound(schedule, x0, {
        predictionType: "sample",
        variance: type,
        clip: "none",
        decoder: "gaussian",
        predict: (xt, t) => {
          const { gain, offset } = bestEstimate(gaussianData, schedule, t)
          return { prediction: xt.map((x) => offset + gain * x) }
        },
        noise: (t) => normal(Key.fold(Key.make(7), t))
      })
      // A squared error of normal errors has a relative standard deviation of sqrt(2 / count); this is five of them.
      const tolerance = 5 * Math.sqrt(2 / count)
      expected.terms.forEach((term, t) =>
        assert.closeTo(bound.terms[t]! / count, term, tolerance * (Math.abs(term) + 1))
      )
      for (let t = 0; t < schedule.steps; t++) {
        assertRelative(bound.dataError[t]!, remainingVariance(gaussianData, schedule, t), tolerance)
      }
      assertRelative(bound.prior / count, expected.prior, 2 * tolerance)
      assert.closeTo(bound.total / count, expected.total, 0.1)
    }
  })

  it("is above the entropy of the data, whatever the schedule", () => {
    const data = fc.record({
      mean: fc.double({ min: -2, max: 2, noNaN: true }),
      variance: fc.double({ min: 1e-3, max: 3, noNaN: true })
    })
    fc.assert(fc.property(
      anySchedule.filter(({ steps }) => steps > 1),
      data,
      fc.constantFrom("fixed-small" as const, "fixed-large" as const),
      (schedule, data, type) => {
        const { total } = expectedBound(data, schedule, type)
        assert.isAbove(total, entropy(data) - 1e-9)
      }
    ))
  })

  it("comes down to the entropy of the data with more timesteps", () => {
    const gaps = [10, 40, 160, 640, 2560].map((steps) => {
      const schedule = Result.getOrThrow(S.cosine({ steps }))
      const { terms, total } = expectedBound(gaussianData, schedule, "fixed-large")
      // With the best variance at t = 0, which neither fixed type has.
      const decoder = (Math.log(2 * Math.PI * remainingVariance(gaussianData, schedule, 0)) + 1) / 2
      return total - terms[0]! + decoder - entropy(gaussianData)
    })
    gaps.forEach((gap, i) => {
      assert.isAbove(gap, 0)
      if (i > 0) assert.isBelow(gap, gaps[i - 1]! / 2)
    })
  })

  it("is the sum of its terms", () => {
    const schedule = Result.getOrThrow(S.cosine({ steps: 5 }))
    const x0 = [0.2, -1, 1]
    const bound = variationalBound(schedule, x0, {
      predictionType: "v_prediction",
      predict: (xt) => ({ prediction: xt.map((x) => x / 2) }),
      noise: (t) => x0.map((_, i) => Math.sin(t + i))
    })
    assert.strictEqual(bound.terms.length, 5)
    assert.closeTo(bound.total, bound.prior + sum(bound.terms), 1e-12)
    assert.closeTo(bound.prior, sum(priorTerm(schedule, x0)), 1e-15)
    assert.strictEqual(bitsPerDimension(3 * Math.LN2, 3), 1)
  })
})
