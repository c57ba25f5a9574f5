/**
 * The variational bound as a loss, for networks that learn their variance and for those that do not (Ho et al. 2020,
 * equation 5; Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021, section 3).
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { InvalidObjective, UndefinedWeight } from "../../diffusion/index.ts"
import { stopGradient } from "../../engine/operations/index.ts"
import type { Tensor } from "../../engine/Program.ts"
import { NoiseSchedule, snr } from "../../schedule/index.ts"
import { Denoiser } from "../Denoiser.ts"
import { Objective } from "../Objective.ts"
import { axesAfterBatch } from "../perExample.ts"
import type { Loss, Predicted, Stage } from "../Stage.ts"
import { meanOverBatch } from "./importance.ts"
import { type BoundOptions, type BoundTables, boundTables, boundTerms } from "./internal/boundTerms.ts"
import { lossSpecs } from "./lossSpecs.ts"

/** What {@link boundLoss} asks. */
export interface BoundLossOptions extends BoundOptions {
  /**
   * - `bound`: T times the terms, whose mean over uniform timesteps is the bound itself (but for the prior term, which no
   *   network changes); this unless given. OpenAI's code calls it `RESCALED_KL`
   * - `term`: the terms of the bound as they are, its `KL`
   */
  readonly scale?: "bound" | "term"
}

/**
 * The term of the variational bound of each example at its timestep, in bits per dimension: for t > 0 the divergence of
 * the step back from the posterior, for t = 0 the negative log-likelihood of the data. L_vlb of Nichol and Dhariwal 2021,
 * equation 4.
 *
 * The variance is the one that the denoiser learns, where it does (equation 15 there), or else a fixed one. Estimates of
 * x_0 are not clipped. Uneven timesteps make this loss far less noisy (section 3.3 there).
 *
 * Fails with `UndefinedWeight` where an error of the prediction has no weight, as one of the noise at SNR 0.
 *
 * @example
 * const pipeline = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, boundLoss({}))
 */
export const boundLoss = (
  { scale = "bound", ...options }: BoundLossOptions
): Effect.Effect<Stage<Predicted, Loss>, UndefinedWeight, NoiseSchedule | Objective> =>
  Effect.gen(function*() {
    const { steps } = yield* NoiseSchedule
    const tables = yield* tablesOf(options)
    const factor = scale === "bound" ? steps : 1
    return {
      name: "boundLoss",
      parameters: {},
      draws: () => ({}),
      specs: lossSpecs,
      apply: (input) => {
        const perExample = tf.mul(bits(tables, input, input.prediction), factor)
        return { ...input, perExample, loss: meanOverBatch(perExample, input.importance) }
      }
    }
  })

/** What {@link hybridLoss} asks. */
export interface HybridLossOptions extends Pick<BoundOptions, "decoder"> {
  /** The weight of the bound, lambda: 0.001 unless given, as in the paper. */
  readonly lambda?: number
}

/**
 * Adds lambda L_vlb to a loss: L_hybrid = L_simple + lambda L_vlb (Nichol and Dhariwal 2021, equation 16). L_vlb is that
 * of {@link boundLoss}, with a mean that no gradient flows through: it trains the variance, and the loss before it trains
 * the prediction.
 *
 * Fails with `InvalidObjective` when the denoiser learns no variance, and as {@link boundLoss} does.
 *
 * @example
 * const pipeline = Pipeline.make(
 *   scheduleSampling, forwardNoising, noisePrediction, meanSquaredError, hybridLoss({ lambda: 0.001 })
 * )
 */
export const hybridLoss = (
  { lambda = 0.001, ...options }: HybridLossOptions
): Effect.Effect<Stage<Loss, Loss>, InvalidObjective | UndefinedWeight, NoiseSchedule | Objective | Denoiser> =>
  Effect.gen(function*() {
    const { learnsVariance, name } = yield* Denoiser
    if (learnsVariance !== true) {
      const reason = `the denoiser ${name} predicts no variance; use one with learnsVariance, or another loss`
      return yield* new InvalidObjective({ name: "hybridLoss", reason })
    }
    if (!(lambda >= 0 && lambda < Infinity)) {
      return yield* new InvalidObjective({ name: "hybridLoss", reason: `"lambda" is ${lambda}; it is at least 0` })
    }
    const { steps } = yield* NoiseSchedule
    const tables = yield* tablesOf(options)
    return {
      name: "hybridLoss",
      parameters: {},
      draws: () => ({}),
      specs: lossSpecs,
      apply: (input) => {
        const bound = tf.mul(bits(tables, input, stopGradient(input.prediction)), lambda * steps)
        const perExample = tf.add(input.perExample, bound)
        return { ...input, perExample, loss: meanOverBatch(perExample, input.importance) }
      }
    }
  })

const tablesOf = Effect.fnUntraced(function*(options: BoundOptions) {
  const schedule = yield* NoiseSchedule
  const { name, predictionType } = yield* Objective
  const tables = boundTables(schedule, predictionType, options)
  const t = tables.errorFactor.findIndex((factor) => !Number.isFinite(factor))
  return t < 0
    ? tables
    : yield* new UndefinedWeight({
      weighting: "bound",
      prediction: name,
      t,
      snr: snr(schedule, t),
      weight: tables.errorFactor[t]! ** 2
    })
})

/** The terms of each example in bits per dimension, [batch]. */
const bits = (tables: BoundTables, input: Predicted, prediction: Tensor): Tensor => {
  const nats = boundTerms(tables, { ...input, prediction })
  return tf.div(tf.mean(nats, axesAfterBatch(nats)), Math.LN2)
}
