/**
 * What the denoiser is to predict, as a service.
 */
import * as tf from "@tensorflow/tfjs"
import { Context, Effect, Layer } from "effect"
import type { Parameterization, PredictionType } from "../diffusion/index.ts"
import type { Tensor } from "../engine/Program.ts"
import { NoiseSchedule } from "../schedule/index.ts"
import { marginalOf } from "./internal/marginal.ts"
import type { Noised } from "./Stage.ts"

/** What is predicted, and how noise follows from it. */
export interface ObjectiveShape {
  readonly name: string
  /** The quantity that the prediction stands for (Ho et al. 2020, section 3.2; Salimans & Ho 2022, section 4). */
  readonly predictionType: PredictionType | Parameterization
  /** What the prediction should be, shaped as x0. */
  readonly target: (input: Noised) => Tensor
  /** The noise that a prediction says is in x_t, shaped as x0. */
  readonly noise: (prediction: Tensor, input: Noised) => Tensor
}

/**
 * The objective service.
 *
 * @example
 * Effect.provide(program, Objective.noise)
 */
export class Objective extends Context.Service<Objective, ObjectiveShape>()("@effusion/core/pipeline/Objective") {
  /** Predict the noise that was added (Ho et al. 2020, equation 14). */
  static readonly noise: Layer.Layer<Objective> = Layer.succeed(Objective, {
    name: "noise",
    predictionType: "epsilon",
    target: ({ noise }) => noise,
    noise: (prediction) => prediction
  })

  /**
   * Predict v = sqrt(alphaBar_t) noise - sqrt(1 - alphaBar_t) x_0 (Salimans & Ho 2022, section 4 and appendix D). Its
   * squared error is that of the noise weighted by 1 / alphaBar_t: what decides the shape of things, at high noise,
   * counts for more.
   */
  static readonly velocity: Layer.Layer<Objective, never, NoiseSchedule> = Layer.effect(
    Objective,
    Effect.map(NoiseSchedule, (schedule) => {
      const marginal = marginalOf(schedule)
      return {
        name: "velocity",
        predictionType: "v_prediction",
        target: ({ noise, t, x0 }) => tf.sub(tf.mul(noise, marginal.signal(t, x0)), tf.mul(x0, marginal.spread(t, x0))),
        // From v and x_t = sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) noise, solved for the noise.
        noise: (v, { t, xt }) => tf.add(tf.mul(v, marginal.signal(t, xt)), tf.mul(xt, marginal.spread(t, xt)))
      }
    })
  )
}
