/**
 * What the denoiser is to predict, as a service.
 */
import { Context, Layer } from "effect"
import type { PredictionType } from "../diffusion/index.ts"
import type { Tensor } from "../engine/Program.ts"
import type { Noised } from "./Stage.ts"

/** The target of a prediction. */
export interface ObjectiveShape {
  readonly name: string
  /** The quantity that the prediction stands for (Ho et al. 2020, section 3.2; Salimans & Ho 2022, section 4). */
  readonly predictionType: PredictionType
  /** What the prediction should be, shaped as x0. */
  readonly target: (input: Noised) => Tensor
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
    target: ({ noise }) => noise
  })
}
