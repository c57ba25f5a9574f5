/**
 * A training pipeline that is small enough to be run many times: points in the plane, and a network of one hidden layer
 * with dropout.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result, Stream } from "effect"
import type { HostOf } from "../../engine/index.ts"
import { adam, ema } from "../../optimizer/index.ts"
import {
  type Clean,
  Denoiser,
  type DenoiserShape,
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "../../pipeline/index.ts"
import { Distribution, draw, Key } from "../../random/index.ts"
import { linear, NoiseSchedule } from "../../schedule/index.ts"
import { float32 } from "../../tensor/index.ts"

const hidden = 6
const timesteps = 50
const kept = 0.75

const scaledNormal = (key: Key.Key, shape: ReadonlyArray<number>) =>
  draw(key, { distribution: Distribution.normal, shape }).data.map((x) => 0.3 * x)

/** The network: one hidden layer, told t as a fraction. */
export const tinyDenoiser: DenoiserShape = {
  name: "tiny",
  exampleShape: [2],
  parameters: {
    "hidden.weight": { shape: [3, hidden], initializer: scaledNormal },
    "hidden.bias": { shape: [hidden], initializer: (_, [size]) => new Float32Array(size!) },
    "out.weight": { shape: [hidden, 2], initializer: scaledNormal }
  },
  draws: (batch) => ({ "hidden.dropout": { distribution: Distribution.bernoulli(kept), shape: [batch, hidden] } }),
  apply: (parameters, { draws, t, x }) => {
    const time = tf.expandDims(tf.div(tf.cast(t, "float32"), timesteps), 1)
    const activations = tf.tanh(
      tf.add(tf.matMul(tf.concat([x, time], 1), parameters["hidden.weight"]!), parameters["hidden.bias"]!)
    )
    const mask = draws["hidden.dropout"]
    return tf.matMul(
      mask === undefined ? activations : tf.div(tf.mul(activations, mask), kept),
      parameters["out.weight"]!
    )
  }
}

/** The pipeline of the simplified objective around it. */
export const tinyPipeline = Effect.runSync(
  Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError).pipe(
    Effect.provide(Layer.mergeAll(
      Layer.succeed(Denoiser, tinyDenoiser),
      Objective.noise,
      TimestepSampler.uniform,
      NoiseSchedule.layer(Result.getOrThrow(linear({ steps: timesteps })))
    ))
  )
)

/** Points, as many as asked for. */
export const tinyBatch = (seed: number, size: number): HostOf<Clean> => ({
  x0: float32([size, 2], draw(Key.make(seed), { distribution: Distribution.normal, shape: [size, 2] }).data)
})

/** A short run of it. */
export const tinyTraining = {
  pipeline: tinyPipeline,
  data: (from: number): Stream.Stream<HostOf<Clean>> =>
    Stream.map(Stream.iterate(from, (index) => index + 1), (index) => tinyBatch(index, 4)),
  optimizer: adam({ learningRate: 0.01 }),
  average: ema({ decay: 0.9 }),
  steps: 8,
  seed: 3
}
