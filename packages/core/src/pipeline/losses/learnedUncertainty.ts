/**
 * A loss that learns how uncertain it is at each level of noise.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { InvalidObjective } from "../../diffusion/index.ts"
import type { Tensor } from "../../engine/Program.ts"
import { NoiseSchedule, sigma } from "../../schedule/index.ts"
import type { Loss, Stage } from "../Stage.ts"
import { meanOverBatch } from "./importance.ts"

/** What {@link learnedUncertainty} asks. */
export interface LearnedUncertaintyOptions {
  /** Features of the level of noise that the uncertainty is a linear function of; an even number, 16 unless given. */
  readonly features?: number
}

/**
 * Makes loss / exp(u) + u of the loss of each example, where u is a learned function of the level of noise (Karras et al.,
 * "Analyzing and Improving the Training Dynamics of Diffusion Models", 2024, equations 14 and 15). Its minimum over u is
 * at exp(u) = the mean loss of that level: every level ends up contributing gradients of the same size. The network for
 * samples is not touched by u.
 *
 * u is linear in sines and cosines of ln(sigma) / 4, EDM's c_noise, and begins at 0, where the loss is the one before. The
 * stage owns two parameters, `uncertainty.weight` and `uncertainty.bias`, which evaluations do not take (see
 * `ownParameters`). It is for losses that are positive, and makes them negative as they fall below 1 / e.
 *
 * Fails with `InvalidObjective` when the number of features is not even and positive.
 *
 * @example
 * const pipeline = Pipeline.make(
 *   scheduleSampling, forwardNoising, noisePrediction, weightedLoss, learnedUncertainty({})
 * )
 */
export const learnedUncertainty = (
  { features = 16 }: LearnedUncertaintyOptions
): Effect.Effect<Stage<Loss, Loss>, InvalidObjective, NoiseSchedule> =>
  Effect.gen(function*() {
    if (!(Number.isInteger(features) && features > 0 && features % 2 === 0)) {
      const reason = `"features" is ${features}; it is an even number above 0, such as 16`
      return yield* new InvalidObjective({ name: "learnedUncertainty", reason })
    }
    const schedule = yield* NoiseSchedule
    const table = new Float32Array(schedule.steps * features)
    for (let t = 0; t < schedule.steps; t++) {
      table.set(featuresOf(sigma(schedule, t), features), t * features)
    }
    const zeros = (_: unknown, shape: ReadonlyArray<number>) =>
      new Float32Array(shape.reduce((size, length) => size * length, 1))
    return {
      name: "learnedUncertainty",
      parameters: {
        "uncertainty.weight": { shape: [features], initializer: zeros },
        "uncertainty.bias": { shape: [], initializer: zeros }
      },
      draws: () => ({}),
      specs: (input) => input,
      apply: (input, { parameters }) => {
        const { "uncertainty.bias": bias, "uncertainty.weight": weight } = parameters as Record<string, Tensor>
        const rows = tf.gather(tf.tensor2d(table, [schedule.steps, features]), input.t as tf.Tensor1D)
        const u = tf.add(tf.sum(tf.mul(rows, weight!), 1), bias!)
        const perExample = tf.add(tf.div(input.perExample, tf.exp(u)), u)
        return { ...input, perExample, loss: meanOverBatch(perExample, input.importance) }
      }
    }
  })

/** Waves over ln(sigma) / 4, the longest of which is as long as what schedules span, about from -1.5 to 2.5. */
const featuresOf = (sigma: number, features: number): ReadonlyArray<number> => {
  // Where no signal is left, sigma is infinite; nothing changes beyond e^10.
  const noise = Math.min(Math.log(sigma), 10) / 4
  return Array.from({ length: features }, (_, i) => {
    const frequency = Math.PI / 4 * (1 + Math.floor(i / 2))
    return i % 2 === 0 ? Math.cos(frequency * noise) : Math.sin(frequency * noise)
  })
}
