/**
 * Label dropout: what the denoiser is told, and how often it is told nothing.
 */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import {
  classConditioning,
  type Clean,
  Denoiser,
  type DenoiserInput,
  forwardNoising,
  type Labelled,
  type Loss,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32, int32 } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Stream } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"

/** Predicts the number of the class that it is told. */
const teller = Layer.succeed(Denoiser, {
  name: "teller",
  exampleShape: [2],
  parameters: {},
  classes: 5,
  draws: () => ({}),
  apply: (_, { condition, x }: DenoiserInput): Tensor =>
    tf.add(tf.zerosLike(x), tf.reshape(tf.cast(condition!, "float32"), [-1, 1]))
})

const services = Layer.mergeAll(
  NoiseSchedule.linear({ steps: 10 }),
  TimestepSampler.uniform,
  Objective.noise,
  teller
)

const pipeline = (dropout: number) =>
  Pipeline.make(
    classConditioning({ classes: 5, dropout }),
    scheduleSampling,
    forwardNoising,
    noisePrediction,
    meanSquaredError
  )

const batchOf = (labels: ReadonlyArray<number>) => ({
  x0: float32([labels.length, 2], new Float32Array(2 * labels.length)),
  label: int32([labels.length], [...labels])
})

describeEngines("class conditioning", (it) => {
  it.effect("tells the denoiser each label, or with the probability of the dropout none", () =>
    forAll(
      fc.record({
        labels: fc.array(fc.nat(4), { minLength: 1, maxLength: 20 }),
        dropout: fc.constantFrom(0, 0.1, 0.5, 1),
        seed: fc.nat(1000)
      }),
      Effect.fnUntraced(function*({ dropout, labels, seed }) {
        const fused = Pipeline.fuse(yield* pipeline(dropout))
        const batch = batchOf(labels)
        const specs = {
          x0: { shape: batch.x0.shape, dtype: "float32" as const },
          label: { shape: [labels.length], dtype: "int32" as const }
        }
        const drops = Pipeline.draws(fused, specs, { seed, step: 0 })["droppedLabels"]?.data
        assert.strictEqual(drops === undefined, dropout === 0)
        const [out] = yield* Stream.make(batch).pipe(
          Pipeline.through(fused, { seed, mode: "training" }),
          Stream.runCollect
        )
        const expected = labels.map((label, i) => drops?.[i] === 1 ? 5 : label)
        if (dropout === 1) assert.deepStrictEqual(new Set(expected), new Set([5]))
        assert.deepStrictEqual(Array.from(out!.condition!.data), expected)
        assert.deepStrictEqual(Array.from(out!.prediction.data), expected.flatMap((label) => [label, label]))
      }),
      { numRuns: 15 }
    ).pipe(Effect.provide(services)))

  it.effect("drops nothing in an evaluation", () =>
    Effect.gen(function*() {
      const [out] = yield* Stream.make(batchOf([0, 1, 2, 3, 4])).pipe(
        Pipeline.through(Pipeline.fuse(yield* pipeline(1)), { seed: 1 }),
        Stream.runCollect
      )
      assert.deepStrictEqual(Array.from(out!.condition!.data), [0, 1, 2, 3, 4])
    }).pipe(Effect.provide(services)))
})

describe("label dropout", () => {
  it.effect("is of the part of the labels that it says", () =>
    Effect.gen(function*() {
      const count = 20_000
      const specs = {
        x0: { shape: [count, 1], dtype: "float32" as const },
        label: { shape: [count], dtype: "int32" as const }
      }
      for (const dropout of [0.1, 0.5, 0.9]) {
        const stage = yield* classConditioning({ classes: 3, dropout })
        const drops = Pipeline.draws(stage, specs, { seed: 7, step: 3 })["droppedLabels"]!.data
        const rate = Array.from(drops).filter((drop) => drop === 1).length / count
        // Five standard deviations.
        assert.isAtMost(Math.abs(rate - dropout), 5 * Math.sqrt(dropout * (1 - dropout) / count))
      }
    }))

  it("refuses what is no probability, and no number of classes", () => {
    for (const dropout of [-0.1, 1.1, NaN]) {
      assert.throws(() => classConditioning({ classes: 3, dropout }), RangeError, String(dropout))
    }
    for (const classes of [0, -1, 1.5, NaN]) {
      assert.throws(() => classConditioning({ classes, dropout: 0.1 }), RangeError, String(classes))
    }
  })

  it("has an order that the types hold", () => {
    expectTypeOf(pipeline(0.1)).toEqualTypeOf<
      Effect.Effect<
        Pipeline.Pipeline<Labelled, Loss>,
        never,
        TimestepSampler | NoiseSchedule | Denoiser | Objective
      >
    >()
    const conditioning = classConditioning({ classes: 5, dropout: 0.1 })
    const late = () =>
      // @ts-expect-error after scheduleSampling nothing is known of a label
      Pipeline.make(scheduleSampling, conditioning)
    const unlabelled = (data: (from: number) => Stream.Stream<{ readonly x0: ReturnType<typeof batchOf>["x0"] }>) =>
      // @ts-expect-error the batches have no labels
      Training.evaluate({ pipeline: pipeline(0), data: data(0), parameters: {}, seed: 0 })
    expectTypeOf([late, unlabelled]).toBeArray()
    expectTypeOf<Labelled>().toExtend<Clean>()
  })
})
