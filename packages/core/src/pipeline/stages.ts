/**
 * The four stages of training with the simplified objective (Ho et al. 2020, algorithm 1).
 *
 * Each is an Effect that asks for the services it depends on and yields a stage.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import type { Tensor } from "../engine/Program.ts"
import { Distribution } from "../random/index.ts"
import { NoiseSchedule } from "../schedule/index.ts"
import { Denoiser } from "./Denoiser.ts"
import { meanOverBatch } from "./importance.ts"
import { marginalOf } from "./internal/marginal.ts"
import { ownEstimate, selfConditioningDraws } from "./internal/selfConditioning.ts"
import { timestepDraw } from "./internal/timesteps.ts"
import { Objective } from "./Objective.ts"
import type { Clean, Loss, Noised, Predicted, Stage, Timed } from "./Stage.ts"
import { TimestepSampler } from "./TimestepSampler.ts"

/**
 * Draws a timestep for each example, and says how often its loss is to count where the sampler corrects for that.
 *
 * @example
 * const pipeline = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)
 */
export const scheduleSampling: Effect.Effect<Stage<Clean, Timed>, never, TimestepSampler | NoiseSchedule> = Effect.gen(
  function*() {
    const sampler = yield* TimestepSampler
    const schedule = yield* NoiseSchedule
    const { adaptation, corrects, draws, sample } = timestepDraw(sampler, schedule)
    return {
      name: "scheduleSampling",
      parameters: {},
      draws: ({ x0 }) => draws(x0.shape[0]!),
      ...(adaptation === undefined ? {} : { adaptation }),
      specs: (input) => {
        const shape = [input.x0.shape[0]!]
        const weight = corrects ? { importance: { shape, dtype: "float32" as const } } : {}
        return { ...input, t: { shape, dtype: "int32" }, ...weight }
      },
      apply: (input, context) => ({ ...input, ...sample(context) })
    }
  }
)

/**
 * Noises each example in closed form: x_t = sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) noise (Ho et al. 2020,
 * equation 4), with the noise drawn from a standard normal distribution.
 */
export const forwardNoising: Effect.Effect<Stage<Timed, Noised>, never, NoiseSchedule> = Effect.gen(function*() {
  const schedule = yield* NoiseSchedule
  const marginal = marginalOf(schedule)
  return {
    name: "forwardNoising",
    parameters: {},
    draws: ({ x0 }) => ({ noise: { distribution: Distribution.normal, shape: x0.shape } }),
    specs: (input) => ({ ...input, noise: input.x0, xt: input.x0 }),
    apply: (input, { draws }) => {
      const noise = draws["noise"]!
      const xt = tf.add(
        tf.mul(input.x0, marginal.signal(input.t, input.x0)),
        tf.mul(noise, marginal.spread(input.t, input.x0))
      )
      return { ...input, noise, xt }
    }
  }
})

/**
 * Lets the denoiser predict, and states what it should have predicted. The denoiser is told the condition, where there is
 * one, and shown its own estimate of a first prediction, where it has `selfConditions`: for half of the examples in
 * training, for all in an evaluation (Chen et al. 2023, section 3.2).
 */
export const noisePrediction: Effect.Effect<
  Stage<Noised, Predicted>,
  never,
  Denoiser | Objective | NoiseSchedule
> = Effect.gen(
  function*() {
    const denoiser = yield* Denoiser
    const objective = yield* Objective
    const schedule = yield* NoiseSchedule
    const selfConditions = denoiser.selfConditions === true
    return {
      name: "noisePrediction",
      parameters: denoiser.parameters,
      draws: ({ x0 }, mode) => {
        if (mode === "evaluation") return {}
        const batch = x0.shape[0]!
        return { ...denoiser.draws(batch), ...(selfConditions ? selfConditioningDraws(batch) : {}) }
      },
      specs: (input) => ({ ...input, prediction: input.x0, target: input.x0 }),
      apply: (input, { draws, parameters }) => {
        const given = {
          x: input.xt,
          t: input.t,
          ...(input.condition === undefined ? {} : { condition: input.condition })
        }
        const first = (selfCondition: Tensor) => denoiser.apply(parameters, { ...given, selfCondition, draws: {} })
        const estimate = selfConditions
          ? { selfCondition: ownEstimate(schedule, objective.predictionType, { input, draws, predict: first }) }
          : {}
        return {
          ...input,
          prediction: denoiser.apply(parameters, { ...given, ...estimate, draws }),
          target: objective.target(input)
        }
      }
    }
  }
)

/**
 * States prediction and target as noise, whatever the denoiser predicts: for evaluations, so that the losses of
 * different objectives can be compared.
 */
export const asNoise: Effect.Effect<Stage<Predicted, Predicted>, never, Objective> = Effect.map(
  Objective,
  (objective): Stage<Predicted, Predicted> => ({
    name: "asNoise",
    parameters: {},
    draws: () => ({}),
    specs: (input) => input,
    apply: (input) => ({ ...input, prediction: objective.noise(input.prediction, input), target: input.noise })
  })
)

/**
 * The mean squared error of each example over its elements, and the mean over the batch (Ho et al. 2020, equation 14,
 * as a mean where the paper has a sum), weighted by importance where there is one.
 */
export const meanSquaredError: Effect.Effect<Stage<Predicted, Loss>> = Effect.succeed({
  name: "meanSquaredError",
  parameters: {},
  draws: () => ({}),
  specs: (input) => ({
    ...input,
    perExample: { shape: [input.x0.shape[0]!], dtype: "float32" },
    loss: { shape: [], dtype: "float32" }
  }),
  apply: (input) => {
    const perExample = tf.mean(tf.square(tf.sub(input.prediction, input.target)), axesAfterBatch(input.target))
    return { ...input, perExample, loss: meanOverBatch(perExample, input.importance) }
  }
})

const axesAfterBatch = (x: Tensor): Array<number> => x.shape.slice(1).map((_, axis) => axis + 1)
