/**
 * Whether data fits a pipeline: what does not is refused before anything is compiled, by whoever runs the pipeline.
 */
import { assert } from "@effect/vitest"
import { batches, fromArrays } from "@effusion/core/data"
import { sgd } from "@effusion/core/optimizer"
import {
  classConditioning,
  type Clean,
  ContinuousTime,
  Denoiser,
  type DenoiserShape,
  forwardNoising,
  type Labelled,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  requireExamples,
  scheduleSampling,
  type Stage,
  TimestepSampler
} from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { sameShape, type Shape, sizeOf } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Stream } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"

/** A denoiser that would take any shape, and any class or none, if it were given them. */
const anyDenoiser = (exampleShape: Shape, classes: number | undefined): DenoiserShape => ({
  name: "any",
  exampleShape,
  ...(classes === undefined ? {} : { classes }),
  parameters: { scale: { shape: [], initializer: () => Float32Array.of(0.5) } },
  draws: () => ({}),
  apply: ({ scale }, { condition, x }) =>
    condition === undefined
      ? tf.mul(x, scale!)
      : tf.mul(x, tf.mul(scale!, tf.mean(tf.cast(condition, "float32"))))
})

const untold: Effect.Effect<Stage<Labelled, Clean>> = Effect.succeed({
  name: "untold",
  parameters: {},
  draws: () => ({}),
  specs: (input) => input,
  apply: (input) => input
})

const conditioningOf = (told: number | undefined): Effect.Effect<Stage<Labelled, Clean>> =>
  told === undefined ? untold : classConditioning({ classes: told, dropout: 0.1 })

const datasetOf = (exampleShape: Shape, classes: number) =>
  fromArrays({
    name: "toy",
    exampleShape,
    elements: new Float32Array(6 * sizeOf(exampleShape)),
    ...(classes === 0 ? {} : { labels: Array.from({ length: 6 }, (_, i) => i % classes), classes })
  })

const shapes = fc.constantFrom<Shape>([2], [3], [2, 2, 1], [2, 1, 2], [4])
const classes = fc.integer({ min: 1, max: 3 })

/** Data, what is told of its classes, and a denoiser: each as it should be, or not. */
const cases = fc.record({ actual: shapes, classes: fc.nat(3) }).chain(({ actual, classes: there }) =>
  fc.record({
    actual: fc.constant(actual),
    classes: fc.constant(there),
    expected: fc.oneof(fc.constant(actual), shapes),
    told: fc.oneof(fc.constant(there === 0 ? undefined : there), classes, fc.constant(undefined))
  })
).chain((drawn) =>
  fc.record({
    drawn: fc.constant(drawn),
    known: fc.oneof(fc.constant(drawn.told), classes, fc.constant(undefined))
  }).map(({ drawn, known }) => ({ ...drawn, known }))
)

type Case = typeof cases extends fc.Arbitrary<infer Value> ? Value : never

/** The error that a case is to fail with, where its data is a dataset, or where it is batches; none where it fits. */
const wrong = ({ actual, classes, expected, known, told }: Case, isDataset: boolean) => {
  if (isDataset && told !== undefined && told !== classes) return "WrongClasses"
  if (!sameShape(actual, expected)) return "WrongExampleShape"
  return told === known ? undefined : "WrongCondition"
}

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), (result) => result._tag === "Failure" ? result.failure._tag : undefined)

describeEngines("data that does not fit a pipeline", (it) => {
  it.effect("is refused by training, by evaluation and by looking inside, and what fits is not", () =>
    forAll(
      cases,
      Effect.fnUntraced(function*(drawn) {
        const { actual, classes, expected, known, told } = drawn
        const denoiser = anyDenoiser(expected, known)
        const pipeline = yield* Pipeline.make(
          conditioningOf(told),
          scheduleSampling,
          forwardNoising,
          noisePrediction,
          meanSquaredError
        ).pipe(Effect.provide(Layer.mergeAll(
          Layer.succeed(Denoiser, denoiser),
          Objective.noise,
          TimestepSampler.uniform,
          Layer.orDie(NoiseSchedule.linear({ steps: 10 }))
        )))
        const dataset = datasetOf(actual, classes)
        const source = (from: number) => batches(dataset, { seed: 0, batchSize: 3, from })
        const training = { pipeline, optimizer: sgd({ learningRate: 0.1 }), steps: 1, seed: 0, batchSize: 3 }
        const parameters = Pipeline.initialize(pipeline.parameters, { seed: 0 })
        const evaluated = { pipeline, parameters, seed: 0 }
        const few = Stream.take(source(0), 1)

        const train = (data: typeof dataset | typeof source) => Training.run({ ...training, data })
        assert.strictEqual(yield* tagOf(Stream.runDrain(train(dataset))), wrong(drawn, true))
        assert.strictEqual(yield* tagOf(Stream.runDrain(train(source))), wrong(drawn, false))
        assert.strictEqual(yield* tagOf(Training.evaluate({ ...evaluated, data: dataset })), wrong(drawn, true))
        assert.strictEqual(yield* tagOf(Training.evaluate({ ...evaluated, data: few })), wrong(drawn, false))
        const through = Pipeline.through(Pipeline.fuse(pipeline), { parameters, seed: 0 })
        assert.strictEqual(yield* tagOf(Stream.runDrain(through(few))), wrong(drawn, false))

        // The same of a denoiser by itself, which is told the labels as they are.
        const misfit = !sameShape(actual, expected)
          ? "WrongExampleShape"
          : known !== undefined && known !== classes
          ? "WrongClasses"
          : undefined
        assert.strictEqual(yield* tagOf(requireExamples(denoiser, dataset)), misfit)
      }),
      { numRuns: 40 }
    ))

  it.effect("is refused in continuous time too", () =>
    Effect.gen(function*() {
      const { noising, predicting, timing, variationalBound } = ContinuousTime
      const stages = Pipeline.make(timing(), noising, predicting(), variationalBound())
      const refused = (denoiser: DenoiserShape) =>
        Effect.gen(function*() {
          const pipeline = yield* stages
          return yield* Training.evaluate({
            pipeline,
            data: datasetOf([2], 0),
            parameters: Pipeline.initialize(pipeline.parameters, { seed: 0 }),
            seed: 0
          })
        }).pipe(
          Effect.provide(Layer.mergeAll(
            Layer.succeed(Denoiser, denoiser),
            Layer.orDie(ContinuousTime.ContinuousNoise.learned())
          )),
          tagOf
        )
      assert.strictEqual(yield* refused(anyDenoiser([3], undefined)), "WrongExampleShape")
      assert.strictEqual(yield* refused(anyDenoiser([2], 3)), "WrongCondition")
      assert.isUndefined(yield* refused(anyDenoiser([2], undefined)))
    }))
})
