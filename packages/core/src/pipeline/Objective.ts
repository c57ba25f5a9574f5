/**
 * What the denoiser is to predict, as a service.
 */
import * as tf from "@tensorflow/tfjs"
import { Context, Effect, Layer, Result } from "effect"
import {
  conversion,
  edm,
  type EdmOptions,
  InvalidObjective,
  isDetermined,
  mixtureOf,
  type Parameterization,
  predictionName,
  type PredictionType
} from "../diffusion/index.ts"
import type { Tensor } from "../engine/Program.ts"
import { levelAt, NoiseSchedule, type Schedule, table } from "../schedule/index.ts"
import { combination, perTimestep } from "./internal/perTimestep.ts"
import type { Noised } from "./Stage.ts"

/** What is predicted, and how noise follows from it. */
export interface ObjectiveShape {
  readonly name: string
  /** The quantity that the prediction stands for (Ho et al. 2020, section 3.2; Salimans & Ho 2022, section 4). */
  readonly predictionType: PredictionType | Parameterization
  /** What the denoiser is shown of x_t; x_t itself unless given. */
  readonly shown?: (input: Noised) => Tensor
  /** What the prediction should be, shaped as x0. */
  readonly target: (input: Noised) => Tensor
  /** The noise that a prediction says is in x_t, shaped as x0. */
  readonly noise: (prediction: Tensor, input: Noised) => Tensor
}

/**
 * The objective service. All but `noise` are made for a schedule, which `Layer.mergeAll` does not feed them: provide it to them.
 *
 * @example
 * const schedule = NoiseSchedule.cosine({ steps: 1000 })
 * Effect.provide(program, Objective.velocity.pipe(Layer.provideMerge(schedule)))
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
    named("velocity", "v_prediction")
  )

  /**
   * Predict the data x_0 (Ho et al. 2020, section 3.2, which found it worse; Salimans & Ho 2022, section 4, which found
   * why). Its squared error is that of the noise divided by the SNR: see `LossWeighting` for other weights.
   */
  static readonly sample: Layer.Layer<Objective, never, NoiseSchedule> = Layer.effect(
    Objective,
    named("sample", "sample")
  )

  /**
   * Predict the score of x_t given the data, -noise / sqrt(1 - alphaBar_t) (Vincent, "A Connection Between Score Matching
   * and Denoising Autoencoders", 2011; Song et al. 2021, equation 7). Its squared error is that of the noise divided by
   * 1 - alphaBar_t, which is large at the first timesteps: Song et al. weigh it as `LossWeighting.uniform("epsilon")` does.
   */
  static readonly score: Layer.Layer<Objective, never, NoiseSchedule> = Layer.effect(
    Objective,
    named("score", "score")
  )

  /**
   * Predict what the preconditioned network of EDM does (Karras et al. 2022); see {@link edm}. Unweighted, its squared
   * error is the loss of the paper.
   */
  static edm(options: EdmOptions = {}): Layer.Layer<Objective, InvalidObjective, NoiseSchedule> {
    return Layer.unwrap(
      Effect.map(Effect.fromResult(edm(options)), (predictionType) => Objective.predicting(predictionType))
    )
  }

  /**
   * Predict any mixture of data and noise. Fails with `InvalidObjective` when a prediction and x_t do not determine the
   * noise at each timestep of the schedule.
   *
   * @example
   * // The velocity of flow matching (Lipman et al. 2023).
   * Objective.predicting({ name: "flow", mixture: () => ({ x0: -1, noise: 1 }) })
   */
  static predicting(parameterization: Parameterization): Layer.Layer<Objective, InvalidObjective, NoiseSchedule> {
    return Layer.effect(
      Objective,
      Effect.flatMap(
        NoiseSchedule,
        (schedule) => Effect.fromResult(determined(schedule, objectiveOf(schedule, parameterization)))
      )
    )
  }
}

// A function that is hoisted: the class above needs it while it is made.
function named(name: string, predictionType: PredictionType): Effect.Effect<ObjectiveShape, never, NoiseSchedule> {
  return Effect.map(NoiseSchedule, (schedule) => ({ ...objectiveOf(schedule, predictionType), name }))
}

/** The objective of a prediction, from tables of its mixture and of what turns it into noise. */
const objectiveOf = (schedule: Schedule, predictionType: PredictionType | Parameterization): ObjectiveShape => {
  const toNoise = (t: number) => conversion(schedule, t, { from: predictionType, to: "epsilon" })
  const mixture = (t: number) => mixtureOf(levelAt(schedule, t), predictionType)
  const target = combination(
    table(schedule, (_, t) => mixture(t).x0),
    table(schedule, (_, t) => mixture(t).noise)
  )
  const noise = combination(
    table(schedule, (_, t) => toNoise(t).prediction),
    table(schedule, (_, t) => toNoise(t).xt)
  )
  const shape: ObjectiveShape = {
    name: predictionName(predictionType),
    predictionType,
    target: (input) => target(input.t, input.x0, input.noise),
    noise: (prediction, { t, xt }) => noise(t, prediction, xt)
  }
  if (typeof predictionType === "string" || predictionType.inputScale === undefined) return shape
  const { inputScale } = predictionType
  const scale = perTimestep(table(schedule, (_, t) => inputScale(levelAt(schedule, t))))
  return { ...shape, shown: ({ t, xt }) => tf.mul(xt, scale(t, xt)) }
}

/** Fails where the noise does not follow from the objective's predictions. */
const determined = (schedule: Schedule, objective: ObjectiveShape): Result.Result<ObjectiveShape, InvalidObjective> => {
  const from = objective.predictionType
  const unknown = Array.from({ length: schedule.steps }, (_, t) => t).find((t) =>
    !isDetermined(conversion(schedule, t, { from, to: "epsilon" }))
  )
  return unknown === undefined ? Result.succeed(objective) : Result.fail(
    new InvalidObjective({
      name: objective.name,
      reason: `at t = ${unknown} its mixture is a multiple of x_t, from which the noise cannot be told`
    })
  )
}
