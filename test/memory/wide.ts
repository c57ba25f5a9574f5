/**
 * A training run whose steps are quick for the size of their state, so that a state that is lost is seen in the
 * memory of the process: one wide hidden layer, on points of a circle.
 */
import { adam, chain, clipByGlobalNorm, ema, LearningRate } from "@effusion/core/optimizer"
import { Denoiser } from "@effusion/core/pipeline"
import type { TrainingState } from "@effusion/core/training"
import { Layer, Record } from "effect"
import { bits } from "../conformance/tests.ts"
import { dataset } from "../core/training/tiny.ts"
import { applyHiddenLayer, normal, shapesOf, timesteps } from "../support/hiddenLayer.ts"
import * as simplified from "../support/simplifiedObjective.ts"

/** A network of one hidden layer. */
export const denoiserOf = (hidden: number): Denoiser["Service"] => {
  const shapes = shapesOf(hidden)
  return {
    name: "wide",
    exampleShape: [2],
    parameters: {
      "hidden.weight": { shape: shapes["hidden.weight"], initializer: normal(1) },
      "hidden.bias": { shape: shapes["hidden.bias"], initializer: normal(1) },
      "out.weight": { shape: shapes["out.weight"], initializer: normal(1 / Math.sqrt(hidden)) }
    },
    draws: () => ({}),
    apply: (parameters, input) => applyHiddenLayer(parameters, input)
  }
}

const layerOf = (hidden: number) => Layer.succeed(Denoiser, denoiserOf(hidden))

/** What training and sampling with a network ask for, but the engine. */
export const servicesOf = (hidden: number) => simplified.servicesOf(layerOf(hidden), timesteps)

/** Options of a whole run. */
export const optionsOf = ({ hidden, steps }: { readonly hidden: number; readonly steps: number }) => ({
  pipeline: simplified.pipelineOf(layerOf(hidden), timesteps),
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
