/**
 * The variational bound on engines, held to the host's and to closed forms.
 */
import { assert, describe, it as plainIt } from "@effect/vitest"
import { type Dataset, fromArrays, take } from "@effusion/core/data"
import {
  boundTerm,
  boundWeight,
  conversion,
  forwardMarginal,
  type PredictionType,
  priorTerm,
  type VarianceType
} from "@effusion/core/diffusion"
import { Engine } from "@effusion/core/engine"
import type { Tensor } from "@effusion/core/engine"
import { Denoiser, type DenoiserShape, Objective } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import * as S from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result } from "effect"
import * as fc from "fast-check"
import { strata } from "../../../packages/core/src/training/internal/strata.ts"
import { describeEngines } from "../../support/engines.ts"
import { bestEstimate, expectedBound, type GaussianData, remainingVariance } from "../diffusion/gaussianBound.ts"

const schedule = Result.getOrThrow(S.cosine({ steps: 20 }))
const gaussianData: GaussianData = { mean: 0.3, variance: 0.2 }

/** Examples of so many independent elements, each from the Gaussian. */
const gaussian = (size: number, exampleShape: ReadonlyArray<number>): Dataset =>
  fromArrays({
    name: "gaussian",
    exampleShape,
    elements: draw(Key.make(11), { distribution: Distribution.normal, shape: [size, ...exampleShape] }).data
      .map((z) => gaussianData.mean + Math.sqrt(gaussianData.variance) * z)
  })

type Predict = (input: Parameters<DenoiserShape["apply"]>[1]) => Tensor

const denoiserOf = (exampleShape: ReadonlyArray<number>, predict: Predict, more: Partial<DenoiserShape> = {}) =>
  Layer.succeed(Denoiser, {
    name: "test",
    exampleShape,
    parameters: {},
    draws: () => ({}),
    apply: (_, input) => predict(input),
    ...more
  })

const objectiveOf = (predictionType: Objective["Service"]["predictionType"]) =>
  Layer.effect(Objective, Effect.map(Objective, (objective) => ({ ...objective, predictionType }))).pipe(
    Layer.provide(Objective.noise)
  )

const evaluate = (
  options: Omit<Training.BoundEvaluationOptions, "parameters" | "seed"> & {
    readonly seed?: number
    readonly parameters?: Training.BoundEvaluationOptions["parameters"]
  },
  denoiser: Layer.Layer<Denoiser>,
  predictionType: Objective["Service"]["predictionType"] = "sample",
  of: S.Schedule = schedule
): Effect.Effect<Training.BoundEvaluation, Training.BoundError, Engine> =>
  Training.evaluateBound({ parameters: {}, seed: 7, ...options }).pipe(
    Effect.provide(Layer.mergeAll(denoiser, S.NoiseSchedule.layer(of), objectiveOf(predictionType)))
  )

/** A value of each timestep, shaped to multiply x. */
const atEach = (of: (t: number) => number, { t, x }: Parameters<Predict>[0]): Tensor =>
  tf.reshape(
    tf.gather(tf.tensor1d(Array.from({ length: schedule.steps }, (_, t) => of(t))), t as tf.Tensor1D),
    [x.shape[0]!, ...x.shape.slice(1).map(() => 1)]
  )

/** The best denoiser for the Gaussian, as a prediction of any type. */
const best = (type: PredictionType): Predict => (input) => {
  const linear = (t: number) => {
    const { gain, offset } = bestEstimate(gaussianData, schedule, t)
    const { prediction, xt } = conversion(schedule, t, { from: "sample", to: type })
    return { gain: xt + prediction * gain, offset: prediction * offset }
  }
  return tf.add(tf.mul(input.x, atEach((t) => linear(t).gain, input)), atEach((t) => linear(t).offset, input))
}

const constant = (value: number): Predict => ({ x }) => tf.fill(x.shape, value)

const assertWithin = (actual: Training.Estimate, expected: number, what: string): void => {
  assert.closeTo(actual.mean, expected, 5 * actual.standardError + 1e-9, what)
}

describeEngines("the variational bound", (it) => {
  it.effect("is the closed form for Gaussian data and the best denoiser, term by term", () =>
    Effect.gen(function*() {
      const data = gaussian(1000, [2])
      for (const variance of ["fixed-small", "fixed-large"] as const) {
        const evaluation = yield* evaluate(
          { data, variance, decoder: "gaussian", clip: "none", batchSize: 500 },
          denoiserOf([2], best("sample"))
        )
        const expected = expectedBound(gaussianData, schedule, variance)
        assert.strictEqual(evaluation.rows.length, schedule.steps)
        evaluation.rows.forEach(({ dataError, from, noiseError, term, to }, t) => {
          assert.deepStrictEqual([from, to], [t, t])
          assertWithin(term, 2 * expected.terms[t]!, `term ${t}`)
          const error = remainingVariance(gaussianData, schedule, t)
          assertWithin(dataError, error, `error of the data at ${t}`)
          assertWithin(noiseError, S.snr(schedule, t) * error, `error of the noise at ${t}`)
        })
        assertWithin(evaluation.prior, 2 * expected.prior, "prior")
        assertWithin(evaluation.decoder, 2 * expected.terms[0]!, "decoder")
        assertWithin(evaluation.total, 2 * expected.total, "total")
        // Not so wide an interval that anything would lie within.
        assert.isBelow(evaluation.total.standardError, 0.1)
        const { decoder, divergences, prior, total } = evaluation
        assert.closeTo(total.mean, prior.mean + divergences.mean + decoder.mean, 1e-9)
      }
    }), { timeout: 60_000 })

  it.effect("is the host's number where no noise is in it", () =>
    Effect.gen(function*() {
      const data = gaussian(5, [2, 2, 1])
      const { x0: { data: x0 } } = data.read([0, 1, 2, 3, 4])
      const examples = Array.from({ length: 5 }, (_, i) => x0.subarray(4 * i, 4 * i + 4))
      const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0)
      const mean = (of: (x0: Float32Array) => number) => examples.reduce((total, x0) => total + of(x0), 0) / 5
      for (const variance of ["fixed-small", "fixed-large"] as const) {
        for (const decoder of ["discretized-gaussian", "discretized-gaussian-tanh"] as const) {
          const evaluation = yield* evaluate({ data, variance, decoder }, denoiserOf([2, 2, 1], constant(0.25)))
          // What x_t is makes no difference to a term when the estimate of x_0 does not depend on it.
          const onHost = (x0: Float32Array, t: number) =>
            boundTerm(schedule, t, { x0, xt: x0 }, { prediction: x0.map(() => 0.25) }, {
              predictionType: "sample",
              variance,
              decoder
            })
          evaluation.rows.forEach(({ dataError, noiseError, term }, t) => {
            const expected = mean((x0) => sum(onHost(x0, t).nats))
            assert.closeTo(term.mean, expected, 1e-9 * Math.abs(expected))
            assert.closeTo(dataError.mean, mean((x0) => onHost(x0, t).dataError), 1e-12)
            assert.closeTo(noiseError.mean, mean((x0) => onHost(x0, t).noiseError), 1e-9)
          })
          assert.closeTo(evaluation.prior.mean, mean((x0) => sum(priorTerm(schedule, x0))), 1e-12)
        }
      }
    }))

  // In float32 throughout, the divergence of the last timestep comes out almost twice as large as it is.
  it.effect("keeps the small divergences of the noisiest timesteps", () =>
    Effect.gen(function*() {
      const linear = Result.getOrThrow(S.linear({ steps: 1000 }))
      const data = fromArrays({ name: "grey", exampleShape: [768], elements: new Float32Array(4 * 768).fill(0.5) })
      const almost = denoiserOf([768], ({ t, x }) => {
        const k = tf.expandDims(tf.div(tf.cast(t, "float32"), tf.add(tf.cast(t, "float32"), 1)), 1)
        return tf.mul(x, k)
      })
      const { prior, rows } = yield* evaluate({ data, clip: "none" }, almost, "epsilon", linear)
      const t = 999
      const k = t / (t + 1)
      const { scale, variance } = forwardMarginal(linear, t)
      // noise - k x_t is (1 - k sqrt(variance)) noise - k scale x_0.
      const error = (1 - k * Math.sqrt(variance)) ** 2 + (k * scale * 0.5) ** 2
      const expected = 768 * boundWeight(linear, t) * error
      assert.closeTo(rows[t]!.term.mean, expected, 0.1 * expected)
      assert.isBelow(expected / 768, 1e-6)
      assert.closeTo(prior.mean / 768, scale ** 2 * 0.25 / 2, 1e-8)
    }), { timeout: 60_000 })

  it.effect("is the same whatever the denoiser predicts, if it knows the same", () =>
    Effect.gen(function*() {
      const data = gaussian(20, [2])
      const of = (type: PredictionType) =>
        evaluate({ data, clip: "none", decoder: "gaussian" }, denoiserOf([2], best(type)), type)
      const reference = yield* of("sample")
      for (const type of ["epsilon", "v_prediction", "score"] as const) {
        const { rows } = yield* of(type)
        rows.forEach(({ lossWeight, term }, t) => {
          assert.closeTo(term.mean, reference.rows[t]!.term.mean, 1e-3 * Math.abs(reference.rows[t]!.term.mean) + 1e-4)
          const factor = conversion(schedule, t, { from: "epsilon", to: type }).prediction ** 2
          assert.strictEqual(lossWeight, factor)
        })
      }
    }))

  it.effect("does not depend on the size of the batches, and depends on the seed", () =>
    Effect.gen(function*() {
      const data = gaussian(6, [2])
      const of = (batchSize: number, seed: number) =>
        evaluate({ data, batchSize, seed, timesteps: 5, clip: "none" }, denoiserOf([2], best("sample")))
      const reference = yield* of(64, 7)
      for (const batchSize of [1, 7, 30]) {
        const { total } = yield* of(batchSize, 7)
        assert.closeTo(total.mean, reference.total.mean, 1e-5)
      }
      assert.deepStrictEqual(yield* of(64, 7), reference)
      assert.notStrictEqual((yield* of(64, 8)).total.mean, reference.total.mean)
    }))

  it.effect("has examples that do not depend on the others", () =>
    Effect.gen(function*() {
      const { x0: { data } } = gaussian(3, [2]).read([0, 1, 2])
      const total = (...elements: ReadonlyArray<number>) =>
        Effect.map(
          evaluate(
            {
              data: fromArrays({ name: "some", exampleShape: [2], elements: Float32Array.from(elements) }),
              clip: "none"
            },
            denoiserOf([2], best("sample"))
          ),
          ({ total }) => total
        )
      const [first, second, third] = [data.subarray(0, 2), data.subarray(2, 4), data.subarray(4, 6)]
      const afterFirst = 2 * (yield* total(...first, ...second)).mean - (yield* total(...first)).mean
      const afterThird = 2 * (yield* total(...third, ...second)).mean - (yield* total(...third)).mean
      assert.closeTo(afterFirst, afterThird, 1e-4)
      assert.isNaN((yield* total(...first)).standardError)
    }))

  it.effect("is met on average by fewer timesteps", () =>
    Effect.gen(function*() {
      // One example, many times over: all that differs is which timesteps are looked at.
      const data = fromArrays({ name: "one", exampleShape: [2], elements: new Float32Array(4000).fill(0.5) })
      const all = yield* evaluate({ data: take(data, 1) }, denoiserOf([2], constant(0.25)))
      for (const timesteps of [2, 5, 19]) {
        const some = yield* evaluate({ data, timesteps, batchSize: 1000 }, denoiserOf([2], constant(0.25)))
        assert.strictEqual(some.rows.length, timesteps)
        assertWithin(some.total, all.total.mean, `${timesteps} timesteps`)
        assertWithin(some.divergences, all.divergences.mean, `${timesteps} timesteps`)
        assert.closeTo(some.decoder.mean, all.decoder.mean, 1e-9)
        if (timesteps === 5) assert.isAbove(some.total.standardError, 0)
      }
    }))

  it.effect("reads a learned variance from the second half of the channels", () =>
    Effect.gen(function*() {
      const data = gaussian(4, [1, 2, 3])
      // Of each pixel's channels, the prediction is 0.1, 0.2, 0.3 and the variance's place `at`.
      const learning = (at: number) =>
        denoiserOf([1, 2, 3], ({ x }) => {
          const channels = tf.tensor([0.1, 0.2, 0.3, at, at, at])
          return tf.add(tf.zeros([x.shape[0]!, 1, 2, 6]), channels)
        }, { learnsVariance: true })
      const fixed = (variance: VarianceType) =>
        evaluate(
          { data, variance },
          denoiserOf([1, 2, 3], ({ x }) => tf.add(tf.zeros(x.shape), tf.tensor([0.1, 0.2, 0.3])))
        )
      const assertSame = (learned: Training.BoundEvaluation, expected: Training.BoundEvaluation) => {
        assert.strictEqual(learned.variance, "learned-range")
        for (let t = 1; t < schedule.steps; t++) {
          const value = expected.rows[t]!.term.mean
          assert.closeTo(learned.rows[t]!.term.mean, value, 1e-6 * value)
        }
      }
      assertSame(yield* evaluate({ data }, learning(-1)), yield* fixed("fixed-small"))
      assertSame(yield* evaluate({ data }, learning(1)), yield* fixed("fixed-large"))
      const ignored = yield* evaluate({ data, variance: "fixed-small" }, learning(0.5))
      assert.closeTo(ignored.total.mean, (yield* fixed("fixed-small")).total.mean, 1e-6)
    }))

  it.effect("tells the denoiser the class, the scaled x_t and its own estimate", () =>
    Effect.gen(function*() {
      const labelled = fromArrays({
        name: "labelled",
        exampleShape: [2],
        elements: Float32Array.of(0, 0, 0.25, 0.25, 0.5, 0.5),
        labels: [0, 1, 2],
        classes: 3
      })
      const knowing = denoiserOf([2], ({ condition, x }) =>
        tf.add(tf.zerosLike(x), tf.expandDims(tf.mul(tf.cast(condition!, "float32"), 0.25), 1)), { classes: 3 })
      const { divergences } = yield* evaluate({ data: labelled }, knowing)
      assert.closeTo(divergences.mean, 0, 1e-12)

      const same = fromArrays({ name: "same", exampleShape: [2], elements: Float32Array.of(0.375, 0.375) })
      // Zeros lead to 0.25, and 0.25 leads to the data.
      const twice = denoiserOf([2], ({ selfCondition }) =>
        tf.add(tf.mul(selfCondition!, 0.5), 0.25), { selfConditions: true })
      assert.closeTo((yield* evaluate({ data: same }, twice)).divergences.mean, 0, 1e-12)

      const scaled = {
        name: "scaled",
        mixture: () => ({ x0: 1, noise: 0 }),
        inputScale: ({ signal }: S.NoiseLevel) =>
          2 * signal
      }
      const linear = denoiserOf([2], ({ x }) =>
        tf.mul(x, 0.5))
      const plain = denoiserOf([2], (input) =>
        tf.mul(input.x, atEach((t) => S.sqrtAlphaBar(schedule, t), input)))
      const viaScale = yield* evaluate({ data: same }, linear, scaled)
      const byHand = yield* evaluate({ data: same }, plain)
      assert.closeTo(viaScale.total.mean, byHand.total.mean, 1e-5 * Math.abs(byHand.total.mean))
    }))

  it.effect("leaves nothing in the engine", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      yield* evaluate({ data: gaussian(3, [2]), timesteps: 4 }, denoiserOf([2], constant(0)))
      assert.deepStrictEqual(yield* engine.memory, { executables: 0, instances: 0, tensors: 0, bytes: 0 })
    }))

  it.effect("says how far it is", () =>
    Effect.gen(function*() {
      const seen: Array<readonly [number, number]> = []
      yield* evaluate({
        data: gaussian(3, [2]),
        timesteps: 4,
        batchSize: 5,
        onProgress: (done, of) => Effect.sync(() => seen.push([done, of]))
      }, denoiserOf([2], constant(0)))
      assert.deepStrictEqual(seen, [[5, 12], [10, 12], [12, 12]])
    }))

  it.effect("refuses what makes no sense", () =>
    Effect.gen(function*() {
      const data = gaussian(3, [2])
      const message = (
        options: Partial<Training.BoundEvaluationOptions>,
        denoiser = denoiserOf([2], constant(0)),
        type: PredictionType = "epsilon",
        of = schedule
      ) => Effect.map(Effect.flip(evaluate({ data, ...options }, denoiser, type, of)), ({ message }) => message)
      assert.include(yield* message({ timesteps: 1 }), "timesteps 1; give an integer from 2 to 20")
      assert.include(yield* message({ timesteps: 21 }), "timesteps 21")
      assert.include(yield* message({ batchSize: 0 }), "batchSize 0; give a positive integer")
      assert.include(yield* message({ batchSize: 2.5 }), "batchSize 2.5; give a positive integer")
      assert.include(yield* message({ variance: "learned-range" }), "the denoiser \"test\" learns none")
      assert.include(yield* message({ seed: 1.5 }), "seed 1.5; give an integer")
      assert.include(
        yield* message({ data: gaussian(3, [3]) }),
        "examples of shape [3], but the denoiser \"test\" takes [2]"
      )
      const labelled = { ...data, classes: 3 }
      const told = denoiserOf([2], constant(0), { classes: 2 })
      assert.include(yield* message({ data: labelled }, told), "has 3 classes, but the denoiser \"test\" tells 2 apart")
      assert.include(yield* message({ data: take(data, 0) }), "no examples")
      const parameters = { weight: { shape: [1], initializer: () => new Float32Array(1) } }
      assert.include(yield* message({}, denoiserOf([2], constant(0), { parameters })), "parameters lack \"weight\"")
      const none = Result.getOrThrow(S.rescaleZeroTerminalSnr(schedule))
      const undefinedBound = yield* message({}, undefined, "epsilon", none)
      assert.include(undefinedBound, "from a prediction of \"epsilon\" at t = 19, where alphaBar is 0")
      const extra = { uncertainty: float32([1], [3]) }
      const without = yield* evaluate({ data }, denoiserOf([2], constant(0)))
      assert.deepStrictEqual(yield* evaluate({ data, parameters: extra }, denoiserOf([2], constant(0))), without)
      const last = (yield* evaluate({ data }, denoiserOf([2], constant(0)), "v_prediction", none)).rows[19]!
      assert.isFinite(last.term.mean)
    }))
})

describe("strata of timesteps", () => {
  const shapes = fc.integer({ min: 2, max: 1500 }).chain((steps) =>
    fc.record({ steps: fc.constant(steps), count: fc.integer({ min: 2, max: steps }) })
  )

  plainIt("hold every timestep once, in order, the first one by itself", () => {
    fc.assert(fc.property(shapes, ({ count, steps }) => {
      const all = strata(steps, count)
      assert.strictEqual(all.length, count)
      assert.deepStrictEqual(all[0], { from: 0, to: 0 })
      const held = all.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
      assert.deepStrictEqual(held, Array.from({ length: steps }, (_, t) => t))
    }))
  })

  plainIt("grow", () => {
    fc.assert(fc.property(shapes, ({ count, steps }) => {
      const widths = strata(steps, count).slice(1).map(({ from, to }) => to - from + 1)
      // Rounding may take one away.
      widths.forEach((width, i) => assert.isAtLeast(width, (widths[i - 1] ?? 1) - 1))
    }))
  })

  plainIt("of one timestep are that one", () => {
    assert.deepStrictEqual(strata(1, 1), [{ from: 0, to: 0 }])
  })
})
