/**
 * A tiny training run: a network of one hidden layer on points in the plane, with dropout, small enough for properties.
 */
import { fromArrays } from "@effusion/core/data"
import { adam, chain, clipByGlobalNorm, ema, LearningRate } from "@effusion/core/optimizer"
import { Denoiser, TimestepSampler } from "@effusion/core/pipeline"
import { Distribution } from "@effusion/core/random"
import type { TrainingState } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Layer } from "effect"
import { applyHiddenLayer, normal, shapesOf, timesteps } from "../../support/hiddenLayer.ts"
import { pipelineOf } from "../../support/simplifiedObjective.ts"

const hidden = 8
const shapes = shapesOf(hidden)

const denoiser = Layer.succeed(Denoiser, {
  name: "tiny",
  exampleShape: [2],
  parameters: {
    "hidden.weight": { shape: shapes["hidden.weight"], initializer: normal(0.3) },
    "hidden.bias": { shape: shapes["hidden.bias"], initializer: (_, [size]) => new Float32Array(size!) },
    "out.weight": { shape: shapes["out.weight"], initializer: normal(0.3) }
  },
  draws: (batch) => ({ "hidden.dropout": { distribution: Distribution.bernoulli(0.75), shape: [batch, hidden] } }),
  apply: (parameters, { draws, ...input }) => {
    const mask = draws["hidden.dropout"]
    // As a U-Net: all of its masks, or, to evaluate, no draws whatever.
    if (mask === undefined && Object.keys(draws).length > 0) throw new Error(`no mask among ${Object.keys(draws)}`)
    return applyHiddenLayer(
      parameters,
      input,
      (activations) => mask === undefined ? activations : tf.div(tf.mul(activations, mask), 0.75)
    )
  }
})

/** The pipeline of the simplified objective, around the tiny network. */
export const pipelineWith = (sampler: Layer.Layer<TimestepSampler>, steps = timesteps) =>
  pipelineOf(denoiser, steps, sampler)

export const pipeline = pipelineWith(TimestepSampler.uniform)

/** The timesteps of {@link adaptivePipeline}. */
export const adaptiveTimesteps = 5

/** One whose timesteps depend on the losses, after two steps of at least 5 examples. */
export const adaptivePipeline = pipelineWith(
  Layer.orDie(TimestepSampler.lossSecondMoment({ history: 2, uniform: 0.1, spread: "stratified" })),
  adaptiveTimesteps
)

/** 40 points on a circle. */
export const dataset = fromArrays({
  name: "circle",
  exampleShape: [2],
  elements: Float32Array.from(
    { length: 80 },
    (_, i) => i % 2 === 0 ? Math.cos(Math.PI * i / 40) : Math.sin(Math.PI * (i - 1) / 40)
  )
})

/** Options of a whole run, to be changed in one or two places. */
export const options = {
  pipeline,
  data: dataset,
  batchSize: 7,
  optimizer: chain(
    clipByGlobalNorm(0.5),
    adam({ learningRate: LearningRate.cosine({ peak: 0.05, steps: 12, warmUp: 2 }) })
  ),
  average: ema({ decay: 0.9, warmUp: "ratio" as const }),
  steps: 12,
  seed: 3
}

/** Every number of a state, as bits: equal exactly when the states are. */
export const bitsOf = ({ adaptation, average, optimizer, parameters, step }: TrainingState) => {
  const groups = {
    parameters,
    ...(average === undefined ? {} : { average }),
    ...optimizer,
    ...(adaptation === undefined ? {} : { adaptation })
  }
  return {
    step,
    groups: Object.fromEntries(
      Object.entries(groups).map(([group, tensors]) => [
        group,
        Object.fromEntries(
          Object.entries(tensors).map(([name, { data, dtype, shape }]) => [
            name,
            { dtype, shape, bits: Array.from(new Uint32Array(data.slice().buffer)) }
          ])
        )
      ])
    )
  }
}
