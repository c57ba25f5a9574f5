import { assert } from "@effect/vitest"
import { meanOverBatch, Pipeline, scheduleSampling, TimestepSampler } from "@effusion/core/pipeline"
import type { Stage, Timed } from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import { type Trainable, Training } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Stream } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"
import { batch, lossAndGradient, pipeline as regression, source, stage, together } from "./regression.ts"
import { dataset, pipeline } from "./tiny.ts"

const fitted = Pipeline.initialize(stage.parameters, { seed: 0 })

describeEngines("evaluation", (it) => {
  it.effect("is the mean over all examples, whatever batches they come in", () =>
    forAll(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
      Effect.fnUntraced(function*(sizes) {
        const batches = sizes.map((size, index) => batch(index, size))
        const evaluation = yield* Training.evaluate({
          pipeline: regression,
          data: Stream.fromIterable(batches),
          parameters: fitted,
          seed: 0
        })
        const { loss } = lossAndGradient(together(batches), [0.5, -0.25, 1, 0.125])
        assert.strictEqual(evaluation.examples, sizes.reduce((sum, size) => sum + size, 0))
        assert.closeTo(evaluation.loss, loss, 1e-5 * loss)
      }),
      { numRuns: 20 }
    ))

  it.effect("looks at every example of a dataset once, the short last batch included", () =>
    Effect.gen(function*() {
      const { parameters } = yield* pipeline
      const weights = Pipeline.initialize(parameters, { seed: 1 })
      const evaluation = yield* Training.evaluate({
        pipeline,
        data: dataset,
        batchSize: 32,
        parameters: weights,
        seed: 5
      })
      assert.strictEqual(evaluation.examples, 40)

      const fused = Pipeline.fuse(yield* pipeline)
      const byHand = yield* Stream.make(0, 32).pipe(
        Stream.map((start) => dataset.read(Array.from({ length: start === 0 ? 32 : 8 }, (_, i) => start + i))),
        Pipeline.through(fused, { parameters: weights, seed: 5, mode: "evaluation" }),
        Stream.runCollect
      )
      const losses = byHand.flatMap(({ perExample }) => Array.from(perExample.data))
      const mean = losses.reduce((sum, loss) => sum + loss, 0) / 40
      const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / 39
      assert.closeTo(evaluation.loss, mean, 1e-6)
      assert.closeTo(evaluation.standardError, Math.sqrt(variance / 40), 1e-6)
    }))

  it.effect("is that of uniform timesteps, where a sampler corrects for its own", () =>
    Effect.gen(function*() {
      // The loss of an example is its timestep.
      const timestepAsLoss: Stage<Timed, Trainable & Timed> = {
        name: "timestepAsLoss",
        parameters: {},
        draws: () => ({}),
        specs: (input) => ({
          ...input,
          perExample: { ...input.t, dtype: "float32" },
          loss: { shape: [], dtype: "float32" }
        }),
        apply: (input) => {
          const perExample = tf.cast(input.t, "float32")
          return { ...input, perExample, loss: meanOverBatch(perExample, input.importance) }
        }
      }
      const evaluated = (corrects: boolean) =>
        Training.evaluate({
          pipeline: Pipeline.make(scheduleSampling, Effect.succeed(timestepAsLoss)).pipe(
            Effect.provideService(TimestepSampler, {
              name: "mostly late",
              distribution: { _tag: "Fixed", probabilities: () => [1, 1, 1, 1, 4, 4, 4, 4], corrects },
              spread: "stratified"
            }),
            Effect.provide(Layer.orDie(NoiseSchedule.linear({ steps: 8 })))
          ),
          data: Stream.make(dataset.read(Array.from({ length: 40 }, (_, i) => i))),
          parameters: {},
          seed: 5
        })
      // 40 stratified examples have each timestep exactly as often as it is likely.
      assert.closeTo((yield* evaluated(true)).loss, 3.5, 1e-5)
      assert.closeTo((yield* evaluated(false)).loss, (0 + 1 + 2 + 3 + 4 * (4 + 5 + 6 + 7)) / 20, 1e-5)
    }))

  it.effect("refuses a seed that is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Training.evaluate({ pipeline, data: dataset, parameters: {}, seed: 1.5 }))
      assert.include(error.message, "cannot evaluate with seed 1.5; give an integer")
    }))

  it.effect("draws the same every time, and something else under another seed", () =>
    Effect.gen(function*() {
      const weights = Pipeline.initialize((yield* pipeline).parameters, { seed: 1 })
      const evaluate = (seed: number) => Training.evaluate({ pipeline, data: dataset, parameters: weights, seed })
      assert.deepStrictEqual(yield* evaluate(5), yield* evaluate(5))
      assert.notStrictEqual((yield* evaluate(5)).loss, (yield* evaluate(6)).loss)
    }))

  it.effect("uses the weights that it is given", () =>
    Effect.gen(function*() {
      const one = [batch(0, 1)]
      const parameters = { ...fitted, w: float32([3], [0, 0, 0]), b: float32([], [0]) }
      const evaluation = yield* Training.evaluate({
        pipeline: regression,
        data: Stream.fromIterable(one),
        parameters,
        seed: 0
      })
      assert.closeTo(evaluation.loss, one[0]!.y.data[0]! ** 2, 1e-6)
      assert.isNaN(evaluation.standardError)
    }))

  it.effect("refuses weights of another model, and no examples", () =>
    Effect.gen(function*() {
      const data = source((index) => batch(index, 2))(0).pipe(Stream.take(1))
      const evaluate = (parameters: typeof fitted, of: typeof data) =>
        Effect.flip(Training.evaluate({ pipeline: regression, data: of, parameters, seed: 0 }))
      const mismatch = yield* evaluate({ ...fitted, w: float32([2], [0, 0]) }, data)
      assert.strictEqual(mismatch._tag, "StateMismatch")
      assert.include(mismatch.message, "parameters \"w\" is [2], not [3]")
      assert.strictEqual((yield* evaluate(fitted, Stream.empty))._tag, "NoExamples")
    }))
})
