/**
 * The works of the comparison on one of our own engines, by the public interface wherever there is one.
 */
import { Engine, type Program, type Tensors } from "@effusion/core/engine"
import { Pipeline } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { ddim, Sampling } from "@effusion/core/sampling"
import { float32, type HostTensor, type Shape, sizeOf, zeros } from "@effusion/core/tensor"
import { trainingProgram } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect, Pull, Record, Stream } from "effect"
import { releaseGarbage } from "../../../packages/cli/src/internal/garbage.ts"
import type { RooflineSpec, SamplingSpec, TrainingSpec, Values } from "../compare/protocol.ts"
import { timed } from "../shared/measure.ts"
import { average, optimizer, services, stages } from "../shared/subject.ts"

type HostTensors = { readonly [name: string]: HostTensor }

/** Noising, forward, mean squared error, backward, Adam, and a moving average of the weights: one session call a step. */
export const openTraining = (spec: TrainingSpec, weights: HostTensors, inputs: HostTensors) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const stage = Pipeline.fuse(yield* stages)
    const batches = Array.from({ length: spec.batches }, (_, k) => ({
      x0: inputs[`${k}.x0`] as HostTensor<"float32">,
      draws: { noise: inputs[`${k}.noise`]!, t: inputs[`${k}.t`]! }
    }))
    const training = trainingProgram({ stage, input: { x0: batches[0]!.x0 }, optimizer, average })
    const executable = yield* engine.compile(training.program)
    const nothing = Record.map(weights, ({ shape }) => zeros(shape))
    const moments = Object.fromEntries(optimizer.vectors.map((name) => [name, nothing]))
    const instance = yield* executable.start(
      training.place({ step: 0, parameters: weights, average: weights, optimizer: moments }),
      { donate: true }
    )
    yield* releaseGarbage
    let taken = 0
    const step = Effect.suspend(() => {
      const { draws, x0 } = batches[taken % batches.length]!
      return instance.step(training.input({ x0 }, draws, taken++))
    })
    const check = Effect.map(
      Effect.forEach(batches, () => step),
      (outputs): Values => ({
        loss: outputs.map(({ loss }) => loss.data[0]!),
        "gradient norm": outputs.map(({ gradientNorm }) => gradientNorm.data[0]!)
      })
    )
    return { parameters: count(weights), check, step: Effect.asVoid(step) }
  }).pipe(Effect.provide(services(spec.config)))

/** DDIM. A step is one of `Sampling.run`, which begins anew after the last one. */
export const openSampling = (spec: SamplingSpec, weights: HostTensors, inputs: HostTensors) =>
  Effect.gen(function*() {
    const { batch, config } = spec
    const provided = services(config)
    const latents = inputs["noise"] as HostTensor<"float32">
    const options = { sampler: ddim(), batchSize: batch, seed: 0, parameters: weights, from: { latents } }
    const check = Sampling.images({ ...options, steps: spec.check_steps.length, count: batch }).pipe(
      Effect.map(momentsOf),
      Effect.provide(provided)
    )
    const rounds = 10_000
    const pull = yield* Sampling.run({ ...options, steps: spec.steps.length, count: batch * rounds }).pipe(
      Stream.provide(provided),
      Stream.toPull
    )
    const step = Pull.catchDone(Effect.asVoid(pull), () =>
      Effect.die(new Error(`no more than ${rounds} rounds are sampled`)))
    return { parameters: UNet.parameterCount(config), check, step }
  })

/** The mean and the mean square of each sample. */
const momentsOf = ({ data, shape: [samples = 0, ...rest] }: HostTensor): Values => {
  const size = sizeOf(rest)
  const mean = (f: (x: number) => number) =>
    Array.from({ length: samples }, (_, i) => {
      let sum = 0
      for (let j = i * size; j < (i + 1) * size; j++) sum += f(data[j]!)
      return sum / size
    })
  return { mean: mean((x) => x), "mean square": mean((x) => x * x) }
}

/** The best matrix products and convolutions, in GFLOP/s. */
export const openRoofline = (spec: RooflineSpec) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const best = (flops: number, program: Program<Tensors, {}, {}>) =>
      Effect.gen(function*() {
        const executable = yield* engine.compile(program)
        const instance = yield* executable.start(Object.fromEntries(
          Object.entries(program.state).map(([name, { shape }]) => [name, factor(name, shape)])
        ))
        yield* instance.step({})
        const times = yield* Effect.forEach(Array.from({ length: spec.repetitions }), () => timed(instance.step({})))
        return 1e-6 * flops * chained / Math.min(...times.map(({ milliseconds }) => milliseconds))
      }).pipe(Effect.scoped)
    const check = Effect.all({
      product: Effect.forEach(spec.products, (size) => best(2 * size ** 3, productsOf(size))),
      convolution: Effect.forEach(spec.convolutions, ([n, channels, side]) =>
        best(18 * n * channels ** 2 * side ** 2, convolutionsOf(n, channels, side)))
    })
    return { parameters: 0, check, step: Effect.die(new Error("the roofline is measured by its check")) }
  })

/** Operations one after the other in a session call, so that what surrounds them does not count. */
const chained = 2

const chain = (first: tf.Tensor, next: (x: tf.Tensor) => tf.Tensor): tf.Tensor =>
  Array.from({ length: chained }).reduce<tf.Tensor>((x) => next(x), first)

const productsOf = (size: number): Program<Tensors, {}, {}> => ({
  name: `products ${size}`,
  state: { x: { shape: [size, size], dtype: "float32" }, right: { shape: [size, size], dtype: "float32" } },
  input: {},
  apply: ({ right, x }) => ({ state: { x: chain(x!, (x) => tf.matMul(x, right!)), right: right! }, output: {} })
})

const convolutionsOf = (batch: number, channels: number, side: number): Program<Tensors, {}, {}> => ({
  name: `convolutions ${channels}`,
  state: {
    x: { shape: [batch, side, side, channels], dtype: "float32" },
    filter: { shape: [3, 3, channels, channels], dtype: "float32" }
  },
  input: {},
  apply: ({ filter, x }) => ({
    state: {
      x: chain(x!, (x) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same")),
      filter: filter!
    },
    output: {}
  })
})

/** Numbers of mean 0; factors that are applied again and again are scaled so that results stay as large as they were. */
const factor = (name: string, shape: Shape): HostTensor => {
  const deviation = name === "x" ? 1 : 1 / Math.sqrt(sizeOf(shape.slice(0, -1)))
  const limit = Math.sqrt(3) * deviation
  const { data } = draw(Key.fold(Key.make(0), name), { distribution: Distribution.uniform(-limit, limit), shape })
  return float32(shape, Float32Array.from(data))
}

const count = (weights: HostTensors): number =>
  Object.values(weights).reduce((sum, { shape }) => sum + sizeOf(shape), 0)
