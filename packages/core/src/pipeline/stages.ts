/**
 * The four stages of training with the simplified objective (Ho et al. 2020, algorithm 1). Other losses are in
 * `losses/`.
 *
 * Each is an Effect that asks for the services it depends on and yields a stage.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { InvalidObjective } from "../diffusion/index.ts"
import type { Tensor } from "../engine/Program.ts"
import { Distribution } from "../random/index.ts"
import { NoiseSchedule, type Schedule, sqrtAlphaBar, sqrtOneMinusAlphaBar, table } from "../schedule/index.ts"
import type { Shape } from "../tensor/HostTensor.ts"
import { ownEstimate, selfConditioningDraws } from "./conditioning/selfConditioning.ts"
import { Denoiser, ownDraws, splitVariance } from "./Denoiser.ts"
import { refusedBy } from "./fit.ts"
import { combination } from "./internal/perTimestep.ts"
import { meanOverBatch } from "./losses/importance.ts"
import { lossSpecs } from "./losses/lossSpecs.ts"
import { Objective } from "./Objective.ts"
import { axesAfterBatch } from "./perExample.ts"
import type { Clean, Loss, Noised, Predicted, Stage, StageContext, Timed } from "./Stage.ts"
import { timestepDraw } from "./timesteps/draw.ts"
import { TimestepSampler } from "./timesteps/TimestepSampler.ts"

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

/** What {@link forwardNoisingWith} does to the noise; nothing unless given. */
export interface NoisingOptions {
  /**
   * The standard deviation of noise that all positions of an example share, a number for each of its channels (for
   * points, one number), which is added to the noise of each element: a network cannot learn otherwise to change the mean
   * of an image, which noise of single pixels leaves as it is (Guttenberg, "Diffusion with Offset Noise", 2023, with 0.1).
   * It is a part of the noise that is to be predicted.
   */
  readonly offset?: number
  /**
   * The standard deviation of noise that is added to the noise in x_t but is not to be predicted, in training only: a
   * network learns to take what it has not got quite right itself (Ning et al., "Input Perturbation Reduces Exposure Bias
   * in Diffusion Models", 2023, algorithm 1, with 0.1).
   */
  readonly perturbation?: number
}

/**
 * Noises each example in closed form, as {@link forwardNoising} does, with changes to the noise.
 *
 * Fails with `InvalidObjective` when an option is negative.
 *
 * @example
 * const pipeline = Pipeline.make(
 *   scheduleSampling, forwardNoisingWith({ offset: 0.1 }), noisePrediction, meanSquaredError
 * )
 */
export const forwardNoisingWith = (
  { offset = 0, perturbation = 0 }: NoisingOptions
): Effect.Effect<Stage<Timed, Noised>, InvalidObjective, NoiseSchedule> =>
  Effect.gen(function*() {
    for (const [option, value] of Object.entries({ offset, perturbation })) {
      if (!(value >= 0 && value < Infinity)) {
        return yield* new InvalidObjective({ name: "noising", reason: `"${option}" is ${value}; it is at least 0` })
      }
    }
    return noisingOf(yield* NoiseSchedule, { offset, perturbation })
  })

/**
 * Noises each example in closed form: x_t = sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) noise (Ho et al. 2020,
 * equation 4), with the noise drawn from a standard normal distribution.
 */
export const forwardNoising: Effect.Effect<Stage<Timed, Noised>, never, NoiseSchedule> = Effect.map(
  NoiseSchedule,
  (schedule) => noisingOf(schedule, { offset: 0, perturbation: 0 })
)

const noisingOf = (
  schedule: Schedule,
  { offset, perturbation }: Required<NoisingOptions>
): Stage<Timed, Noised> => {
  const noised = combination(table(schedule, sqrtAlphaBar), table(schedule, sqrtOneMinusAlphaBar))
  const normal = (shape: Shape) => ({ distribution: Distribution.normal, shape })
  return {
    name: "forwardNoising",
    parameters: {},
    draws: ({ x0 }, mode) => ({
      noise: normal(x0.shape),
      ...(offset === 0 ? {} : { noiseOffset: normal(sharedShape(x0.shape)) }),
      ...(perturbation === 0 || mode === "evaluation" ? {} : { inputPerturbation: normal(x0.shape) })
    }),
    specs: (input) => ({ ...input, noise: input.x0, xt: input.x0 }),
    apply: (input, { draws }) => {
      const noise = plus(draws["noise"]!, draws["noiseOffset"], offset)
      const shown = plus(noise, draws["inputPerturbation"], perturbation)
      return { ...input, noise, xt: noised(input.t, input.x0, shown) }
    }
  }
}

/** Noise and so many times other noise, where there is any. */
const plus = (noise: Tensor, other: Tensor | undefined, times: number): Tensor =>
  other === undefined ? noise : tf.add(noise, tf.mul(other, times))

/** A number for each example and channel: [batch, 1, ..., channels], and [batch, 1] for points. */
const sharedShape = (shape: Shape): Shape =>
  shape.map((size, axis) => axis === 0 || (axis === shape.length - 1 && axis > 1) ? size : 1)

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
    const predict = (input: Noised, { draws, parameters }: StageContext) => {
      const given = {
        x: objective.shown?.(input) ?? input.xt,
        t: input.t,
        ...(input.condition === undefined ? {} : { condition: input.condition })
      }
      const first = (selfCondition: Tensor) =>
        splitVariance(denoiser, denoiser.apply(parameters, { ...given, selfCondition, draws: {} })).prediction
      const estimate = selfConditions
        ? { selfCondition: ownEstimate(schedule, objective.predictionType, { input, draws, predict: first }) }
        : {}
      return denoiser.apply(parameters, {
        ...given,
        ...estimate,
        draws: ownDraws(denoiser, draws, input.x0.shape[0]!)
      })
    }
    return {
      name: "noisePrediction",
      parameters: denoiser.parameters,
      draws: ({ x0 }, mode) => {
        if (mode === "evaluation") return {}
        const batch = x0.shape[0]!
        return { ...denoiser.draws(batch), ...(selfConditions ? selfConditioningDraws(batch) : {}) }
      },
      specs: (input) => ({
        ...input,
        prediction: input.x0,
        target: input.x0,
        ...(denoiser.learnsVariance === true ? { variance: input.x0 } : {})
      }),
      refuses: refusedBy("noisePrediction", denoiser),
      apply: (input, context) => ({
        ...input,
        ...splitVariance(denoiser, predict(input, context)),
        target: objective.target(input)
      })
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
  specs: lossSpecs,
  apply: (input) => {
    const perExample = tf.mean(tf.square(tf.sub(input.prediction, input.target)), axesAfterBatch(input.target))
    return { ...input, perExample, loss: meanOverBatch(perExample, input.importance) }
  }
})
