/**
 * The loss of predictions by any distance, weighted over timesteps.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { type UndefinedWeight, weightTable } from "../../diffusion/index.ts"
import { NoiseSchedule } from "../../schedule/index.ts"
import { perTimestep } from "../internal/perTimestep.ts"
import { Objective } from "../Objective.ts"
import { axesAfterBatch } from "../perExample.ts"
import type { Loss, Predicted, Stage } from "../Stage.ts"
import { Distance } from "./Distance.ts"
import { meanOverBatch } from "./importance.ts"
import { lossSpecs } from "./lossSpecs.ts"
import { LossWeighting } from "./LossWeighting.ts"

/**
 * The distance between prediction and target, as a mean over the elements of each example, times the weight of its
 * timestep; and the mean over the batch, weighted by importance where there is one. With `Distance.squared` and
 * `LossWeighting.simple` it is `meanSquaredError`.
 *
 * Fails with `UndefinedWeight` when the weighting of what the objective predicts is not finite at a timestep of the
 * schedule.
 *
 * @example
 * const pipeline = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, weightedLoss)
 * const services = Layer.mergeAll(LossWeighting.minSnr({ gamma: 5 }), Distance.squared, others)
 */
export const weightedLoss: Effect.Effect<
  Stage<Predicted, Loss>,
  UndefinedWeight,
  NoiseSchedule | Objective | LossWeighting | Distance
> = Effect.gen(function*() {
  const schedule = yield* NoiseSchedule
  const { predictionType } = yield* Objective
  const weights = yield* Effect.fromResult(weightTable(yield* LossWeighting, schedule, predictionType))
  const elements = (yield* Distance).elements(schedule)
  const same = weights.every((weight) => weight === 1)
  const weight = perTimestep(weights)
  return {
    name: "weightedLoss",
    parameters: {},
    draws: () => ({}),
    specs: lossSpecs,
    apply: (input) => {
      const distances = elements(tf.sub(input.prediction, input.target), input.t)
      const mean = tf.mean(distances, axesAfterBatch(distances))
      const perExample = same ? mean : tf.mul(mean, weight(input.t, mean))
      return { ...input, perExample, loss: meanOverBatch(perExample, input.importance) }
    }
  }
})
