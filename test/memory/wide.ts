/**
 * A training run whose steps are quick for the size of their state, so that a state that is lost is seen in the
 * memory of the process: one wide hidden layer, on points of a circle.
 */
import { adam, chain, clipByGlobalNorm, ema, LearningRate } from "@effusion/core/optimizer"
import {
  Denoiser,
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "@effusion/core/pipeline"
import { draw, type Key } from "@effusion/core/random"
import { NoiseSchedule } from "@effusion/core/schedule"
import type { TrainingState } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Record } from "effect"
import { bits } from "../conformance/tests.ts"
import { dataset } from "../core/training/tiny.ts"

const timesteps = 50

const normal = (scale: number) => (key: Key.Key, shape: ReadonlyArray<number>) =>
  draw(key, { distribution: { _tag: "Normal" }, shape }).data.map((x) => scale * x)

/** A network of one hidden layer. */
export const denoiserOf = (hidden: number): Denoiser["Service"] => ({
  name: "wide",
  exampleShape: [2],
  parameters: {
    "hidden.weight": { shape: [3, hidden], initializer: normal(1) },
    "hidden.bias": { shape: [hidden], initializer: normal(1) },
    "out.weight": { shape: [hidden, 2], initializer: normal(1 / Math.sqrt(hidden)) }
  },
  draws: () => ({}),
  apply: (parameters, { t, x }) => {
    const time = tf.expandDims(tf.div(tf.cast(t, "float32"), timesteps), 1)
    const activations = tf.tanh(
      tf.add(tf.matMul(tf.concat([x, time], 1), parameters["hidden.weight"]!), parameters["hidden.bias"]!)
    )
    return tf.matMul(activations, parameters["out.weight"]!)
  }
})

/** What training and sampling with a network ask for, but the engine. */
export const servicesOf = (hidden: number) =>
  Layer.mergeAll(
    Layer.succeed(Denoiser, denoiserOf(hidden)),
    Objective.noise,
    TimestepSampler.uniform,
    Layer.orDie(NoiseSchedule.linear({ steps: timesteps }))
  )

/** Options of a whole run. */
export const optionsOf = ({ hidden, steps }: { readonly hidden: number; readonly steps: number }) => ({
  pipeline: Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError).pipe(
    Effect.provide(servicesOf(hidden))
  ),
  data: dataset,
  batchSize: 8,
  optimizer: chain(
    clipByGlobalNorm(1),
    adam({ learningRate: LearningRate.cosine({ peak: 0.01, steps, warmUp: 2 }) })
  ),
  average: ema({ decay: 0.99, warmUp: "ratio" as const }),
  steps,
  seed: 5
})

/** Every bit of a state: equal exactly when the states are. */
export const bitsOf = ({ average, optimizer, parameters, step }: TrainingState) => ({
  step,
  parameters: bits(parameters),
  average: bits(average ?? {}),
  optimizer: Record.map(optimizer, bits)
})
