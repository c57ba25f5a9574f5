import { assert, describe, it } from "@effect/vitest"
import type { SpecsOf, Tensor } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import {
  ContinuousTime,
  Denoiser,
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "@effusion/core/pipeline"
import type { Clean, Noised, Stage } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32, type HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Stream } from "effect"
import * as fc from "fast-check"

/** A denoiser with one matrix: prediction = x w + sin(t). */
const linear = Layer.succeed(Denoiser, {
  name: "linear",
  exampleShape: [2],
  parameters: {
    w: {
      shape: [2, 2],
      initializer: (key, shape) => draw(key, { distribution: Distribution.normal, shape }).data as Float32Array
    }
  },
  draws: (batch) => ({ mask: { distribution: Distribution.bernoulli(0.5), shape: [batch, 2] } }),
  apply: ({ w }, { draws, t, x }) => {
    const prediction = tf.add(
      tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D),
      tf.reshape(tf.sin(tf.cast(t, "float32")), [-1, 1])
    )
    return draws["mask"] === undefined ? prediction : tf.mul(prediction, draws["mask"])
  }
})

const servicesWith = <E>(sampler: Layer.Layer<TimestepSampler, E>) =>
  Layer.mergeAll(NoiseSchedule.linear({ steps: 1000 }), sampler, Objective.noise, linear)

const services = servicesWith(TimestepSampler.uniform)

const training = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)

const batchOf = (seed: number, size: number) => ({
  x0: draw(Key.make(seed), { distribution: Distribution.normal, shape: [size, 2] })
})

const bits = (record: { readonly [name: string]: HostTensor }) =>
  Object.fromEntries(Object.entries(record).map(([name, { data, shape }]) => [name, { shape, data: Array.from(data) }]))

/** Adds what the objective wants, in place of a prediction. */
const exact = {
  name: "exact",
  parameters: {},
  draws: () => ({}),
  specs: (input: SpecsOf<Noised>) => ({ ...input, target: input.x0 })
}

/** Adds the noise that the objective finds in a prediction that is right. */
const recovered = (
  objective: Objective["Service"]
): Stage<
  Noised & { readonly target: Tensor },
  Noised & { readonly target: Tensor; readonly recoveredNoise: Tensor }
> => ({
  name: "recovered",
  parameters: {},
  draws: () => ({}),
  specs: (input) => ({ ...input, recoveredNoise: input.x0 }),
  apply: (input) => ({ ...input, recoveredNoise: objective.noise(input.target, input) })
})

/** A loss for each of the timesteps, the later ones larger. */
const everyTimestep = {
  timesteps: Int32Array.from({ length: 1000 }, (_, t) => t),
  perExample: Float32Array.from({ length: 1000 }, (_, t) => 1 + t / 100)
}

const adaptive = Layer.orDie(TimestepSampler.lossSecondMoment({ history: 1, spread: "stratified" }))

const samplers = [
  { name: "uniform", sampler: TimestepSampler.uniform, accumulate: 1, learn: false },
  { name: "stratified over two batches", sampler: TimestepSampler.stratified, accumulate: 2, learn: false },
  { name: "by the losses, before the first", sampler: adaptive, accumulate: 1, learn: false },
  { name: "by the losses, over three batches", sampler: adaptive, accumulate: 3, learn: true }
]

describe("Pipeline", () => {
  it.live.each(samplers)(
    "computes the same fused and stage by stage, whatever the stream's chunks: $name",
    (one) =>
      Effect.gen(function*() {
        const pipeline = yield* training
        const parameters = Pipeline.initialize(pipeline.parameters, { seed: 3 })
        const { accumulate, learn } = one
        const { adaptation } = pipeline.fused
        const learnt = learn && adaptation ? { adaptation: adaptation.observe(adaptation.initial, everyTimestep) } : {}
        const [timing, noising, predicting, reducing] = yield* Effect.all([
          scheduleSampling,
          forwardNoising,
          noisePrediction,
          meanSquaredError
        ])
        const check = Effect.fnUntraced(
          function*(seed: number, sizes: ReadonlyArray<number>, chunk: number, training: boolean) {
            const mode = training ? "training" as const : "evaluation" as const
            const options = { seed, parameters, mode, from: seed % 10, accumulate, ...learnt }
            const batches = Stream.fromIterable(sizes.map((size, i) => batchOf(seed + i, size))).pipe(
              Stream.rechunk(chunk)
            )
            const fused = yield* batches.pipe(Pipeline.through(Pipeline.fuse(pipeline), options), Stream.runCollect)
            const staged = yield* batches.pipe(
              Pipeline.through(timing, options),
              Pipeline.through(noising, options),
              Pipeline.through(predicting, options),
              Pipeline.through(reducing, options),
              Stream.runCollect
            )
            assert.deepStrictEqual(fused.map(bits), staged.map(bits))
            assert.strictEqual(fused.length, sizes.length)
          }
        )
        const context = yield* Effect.context<Effect.Services<ReturnType<typeof check>>>()
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(
              fc.nat(1000),
              fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
              fc.integer({ min: 1, max: 3 }),
              fc.boolean(),
              (seed, sizes, chunk, training) => Effect.runPromiseWith(context)(check(seed, sizes, chunk, training))
            ),
            { numRuns: 8 }
          )
        )
      }).pipe(Effect.provide(Layer.merge(servicesWith(one.sampler), OnnxEngine.layer({ threads: 1 }))))
  )

  it.live("averages squared errors by the importance of their timesteps", () =>
    Effect.gen(function*() {
      const pipeline = yield* training
      const { initial, observe } = pipeline.fused.adaptation!
      const [out] = yield* Stream.make(batchOf(4, 9)).pipe(
        Pipeline.through(pipeline.fused, {
          seed: 5,
          parameters: Pipeline.initialize(pipeline.parameters, { seed: 5 }),
          adaptation: observe(initial, everyTimestep)
        }),
        Stream.runCollect
      )
      const importance = out!.importance!.data
      assert.isAbove(new Set(importance).size, 1)
      const weighted = Array.from(out!.perExample.data, (loss, i) => loss * importance[i]!)
      const mean = weighted.reduce((sum, loss) => sum + loss, 0) / 9
      assert.closeTo(out!.loss.data[0]!, mean, 1e-6 * mean)
      const unweighted = Array.from(out!.perExample.data).reduce((sum, loss) => sum + loss, 0) / 9
      assert.isAbove(Math.abs(out!.loss.data[0]! - unweighted), 1e-3 * mean)
    }).pipe(Effect.provide(Layer.merge(servicesWith(adaptive), OnnxEngine.layer({ threads: 1 })))))

  it.live("noises in closed form and averages squared errors", () =>
    Effect.gen(function*() {
      const schedule = yield* NoiseSchedule
      const pipeline = yield* training
      const parameters = Pipeline.initialize(pipeline.parameters, { seed: 5 })
      const [batch] = yield* Stream.make(batchOf(11, 16)).pipe(
        Pipeline.through(Pipeline.fuse(pipeline), { seed: 5, parameters }),
        Stream.runCollect
      )
      const { loss, noise, perExample, prediction, t, target, x0, xt } = batch!
      assert.deepStrictEqual(Array.from(target.data), Array.from(noise.data))
      let total = 0
      for (let example = 0; example < 16; example++) {
        const alphaBar = schedule.alphaBar[t.data[example]!]!
        let error = 0
        for (let i = 2 * example; i < 2 * example + 2; i++) {
          const expected = Math.sqrt(alphaBar) * x0.data[i]! + Math.sqrt(1 - alphaBar) * noise.data[i]!
          assert.closeTo(xt.data[i]!, expected, 1e-6)
          error += (prediction.data[i]! - noise.data[i]!) ** 2 / 2
        }
        assert.closeTo(perExample.data[example]!, error, 1e-5 * (1 + error))
        total += error / 16
      }
      assert.closeTo(loss.data[0]!, total, 1e-5 * (1 + total))
    }).pipe(Effect.provide(Layer.merge(services, OnnxEngine.layer({ threads: 1 })))))

  it.live("predicts v so that the noise follows from it", () =>
    Effect.gen(function*() {
      const schedule = yield* NoiseSchedule
      const objective = yield* Objective
      const truth = { ...exact, apply: (input: Noised) => ({ ...input, target: objective.target(input) }) }
      const [batch] = yield* Stream.make(batchOf(3, 64)).pipe(
        Pipeline.through(Pipeline.fuse(yield* Pipeline.make(scheduleSampling, forwardNoising)), { seed: 2 }),
        Pipeline.through(truth, { seed: 2 }),
        Pipeline.through(recovered(objective), { seed: 2 }),
        Stream.runCollect
      )
      const { noise, recoveredNoise, t, target, x0 } = batch!
      noise.data.forEach((expected, i) => {
        const alphaBar = schedule.alphaBar[t.data[i >> 1]!]!
        const v = Math.sqrt(alphaBar) * expected - Math.sqrt(1 - alphaBar) * x0.data[i]!
        assert.closeTo(target.data[i]!, v, 1e-5)
        assert.closeTo(recoveredNoise.data[i]!, expected, 1e-5)
      })
    }).pipe(Effect.provide(
      Layer.mergeAll(
        TimestepSampler.uniform,
        OnnxEngine.layer({ threads: 1 }),
        Layer.provideMerge(Objective.velocity, NoiseSchedule.cosine({ steps: 1000 }))
      )
    )))

  it.effect("draws by seed, step and name only", () =>
    Effect.gen(function*() {
      const fused = Pipeline.fuse(yield* training)
      const noising = yield* forwardNoising
      const specs = { x0: { shape: [4, 2], dtype: "float32" as const } }
      const drawn = (seed: number, step: number) => bits(Pipeline.draws(fused, specs, { seed, step }))
      assert.deepStrictEqual(drawn(1, 2), drawn(1, 2))
      assert.notDeepEqual(drawn(1, 2), drawn(1, 3))
      assert.notDeepEqual(drawn(1, 2), drawn(2, 2))
      const alone = Pipeline.draws(noising, { ...specs, t: { shape: [4], dtype: "int32" } }, { seed: 1, step: 2 })
      assert.deepStrictEqual(bits(alone)["noise"], drawn(1, 2)["noise"])
      assert.hasAllKeys(drawn(1, 2), ["t", "noise", "mask"])
      const evaluating = Pipeline.draws(fused, specs, { seed: 1, step: 2, mode: "evaluation" })
      assert.hasAllKeys(evaluating, ["t", "noise"])
    }).pipe(Effect.provide(services)))

  it.effect("draws timesteps from the whole schedule", () =>
    Effect.gen(function*() {
      const timing = yield* scheduleSampling
      const drawn = Pipeline.draws(timing, { x0: { shape: [20_000, 1], dtype: "float32" } }, { seed: 1, step: 0 })
      const seen = new Set(drawn["t"]!.data)
      assert.strictEqual(Math.min(...seen), 0)
      assert.strictEqual(Math.max(...seen), 999)
      assert.strictEqual(seen.size, 1000)
    }).pipe(Effect.provide(services)))

  it.effect("hands a denoiser the draws that it asked for, and in an evaluation none", () =>
    Effect.gen(function*() {
      const shown: Array<ReadonlyArray<string>> = []
      const denoiser = Layer.succeed(Denoiser, {
        name: "spy",
        exampleShape: [2],
        parameters: {},
        draws: (batch) => ({ mask: { distribution: Distribution.bernoulli(0.5), shape: [batch, 2] } }),
        apply: (_, { draws, x }) => {
          shown.push(Object.keys(draws))
          return x
        }
      })
      const services = Layer.mergeAll(denoiser, Objective.noise, Layer.orDie(NoiseSchedule.linear({ steps: 8 })))
      const predict = yield* Effect.provide(noisePrediction, services)
      const predictContinuously = yield* Effect.provide(ContinuousTime.predicting(), services)
      const any = { shape: [3, 2] } as tf.Tensor
      const input = { x0: any, t: any, noise: any, xt: any, logSnr: any, boundWeight: any, varianceSlope: any }
      const others = { noise: any, timesteps: any }
      for (const draws of [{ ...others, mask: any }, others]) {
        predict.apply(input, { draws, parameters: {}, tables: {} })
        predictContinuously.apply(input as never, { draws, parameters: {}, tables: {} })
      }
      assert.deepStrictEqual(shown, [["mask"], ["mask"], [], []])
    }))

  it.effect("refuses two stages that draw under one name", () =>
    Effect.gen(function*() {
      const twice = yield* Effect.exit(
        Pipeline.make(forwardNoising, forwardNoising).pipe(
          Effect.map((pipeline) =>
            Pipeline.draws(
              Pipeline.fuse(pipeline),
              { x0: { shape: [1, 1], dtype: "float32" }, t: { shape: [1], dtype: "int32" } },
              { seed: 0, step: 0 }
            )
          )
        )
      )
      assert.isTrue(twice._tag === "Failure")
    }).pipe(Effect.provide(services)))

  it.live("keeps fields that a stage does not know", () =>
    Effect.gen(function*() {
      const double: Stage<Clean, Clean> = {
        name: "double",
        parameters: {},
        draws: () => ({}),
        specs: (input) => input,
        apply: (input) => ({ ...input, x0: tf.mul(input.x0, 2) })
      }
      const label = float32([2], [7, 8])
      const [out] = yield* Stream.make({ x0: float32([2, 1], [1, 2]), label }).pipe(
        Pipeline.through(double, { seed: 0 }),
        Stream.runCollect
      )
      assert.deepStrictEqual(bits(out!), bits({ x0: float32([2, 1], [2, 4]), label }))
    }).pipe(Effect.provide(OnnxEngine.layer({ threads: 1 }))))
})
