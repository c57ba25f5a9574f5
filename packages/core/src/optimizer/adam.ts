/**
 * Adam and AdamW.
 */
import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../engine/Program.ts"
import type { GradientTransformation, TransformationContext, Transformed } from "./GradientTransformation.ts"
import * as LearningRate from "./LearningRate.ts"
import { requireWeightDecay } from "./scaling.ts"

/** How Adam averages; the defaults are those of PyTorch. */
export interface MomentOptions {
  /** Decay of the mean of the gradient. Default 0.9. */
  readonly beta1?: number
  /** Decay of the mean of its square. Default 0.999. */
  readonly beta2?: number
  /** Added to the root of the corrected second moment. Default 1e-8. */
  readonly epsilon?: number
}

export interface AdamOptions extends MomentOptions {
  readonly learningRate: number | LearningRate.LearningRate
}

export interface AdamWOptions extends AdamOptions {
  /** The share of the weights that a step at learning rate 1 takes away. Default 0.01, as in PyTorch. */
  readonly weightDecay?: number
}

/**
 * Rescales each element of the gradient by estimates of its first two moments: mean / (sqrt(square) + epsilon), both
 * corrected for their beginning at zero (Kingma & Ba 2015, algorithm 1).
 *
 * It keeps `scaleByAdam.firstMoment` and `scaleByAdam.secondMoment`.
 *
 * @throws RangeError when a beta is not in [0, 1), or epsilon is not positive.
 * @example
 * chain(scaleByAdam({ beta1: 0.95 }), scaleByLearningRate(1e-4))
 */
export const scaleByAdam = (options: MomentOptions = {}): GradientTransformation => {
  const { hyperparameters, update, vectors } = moments("scaleByAdam", options)
  return {
    name: "scaleByAdam",
    vectors,
    hyperparameters: (step) => hyperparameters(step, 1),
    update
  }
}

/**
 * Adam (Kingma & Ba 2015), with the formula and the place of epsilon of `torch.optim.Adam`.
 *
 * It keeps `adam.firstMoment` and `adam.secondMoment` (PyTorch's `exp_avg` and `exp_avg_sq`).
 *
 * @throws RangeError when a beta is not in [0, 1), or epsilon is not positive.
 * @example
 * adam({ learningRate: LearningRate.constant(2e-4, { warmUp: 5_000 }) })
 */
export const adam = (options: AdamOptions): GradientTransformation => {
  const learningRate = LearningRate.from(options.learningRate)
  const { hyperparameters, update, vectors } = moments("adam", options)
  return {
    name: "adam",
    vectors,
    hyperparameters: (step) => hyperparameters(step, -learningRate(step)),
    learningRate,
    update
  }
}

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`: besides Adam's update, every parameter loses
 * `learningRate * weightDecay` of itself (Loshchilov & Hutter 2019, algorithm 2, with the schedule multiplied into both).
 *
 * It keeps `adamW.firstMoment` and `adamW.secondMoment`.
 *
 * @throws RangeError when a beta is not in [0, 1), epsilon is not positive, or the weight decay is negative.
 * @example
 * adamW({ learningRate: 1e-4, beta1: 0.95, weightDecay: 1e-6 })
 */
export const adamW = (options: AdamWOptions): GradientTransformation => {
  const { weightDecay = 0.01 } = options
  requireWeightDecay(weightDecay)
  const learningRate = LearningRate.from(options.learningRate)
  const { hyperparameters, update, vectors } = moments("adamW", options)
  const decay = "adamW.decay"
  return {
    name: "adamW",
    vectors,
    hyperparameters: (step) => ({
      ...hyperparameters(step, -learningRate(step)),
      ...(weightDecay === 0 ? {} : { [decay]: -learningRate(step) * weightDecay })
    }),
    learningRate,
    update: (gradient, context) => {
      const adaptive = update(gradient, context)
      if (weightDecay === 0) return adaptive
      const decayed = tf.mul(context.parameters, context.hyperparameters[decay]!)
      return { ...adaptive, update: tf.add(adaptive.update, decayed) }
    }
  }
}

/**
 * The part that all of them share: the moments m and v, and scale * mHat / (sqrt(vHat) + epsilon), where mHat and vHat
 * are m and v over their bias corrections 1 - beta^t. The corrections are folded into two scalars, exactly,
 *
 *     scale * (m / c1) / (sqrt(v / c2) + epsilon) = (scale * sqrt(c2) / c1) * m / (sqrt(v) + epsilon * sqrt(c2)),
 *
 * which saves a pass over the parameters (Kingma & Ba 2015, end of section 2).
 */
const moments = (name: string, { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: MomentOptions) => {
  requireBeta("beta1", beta1)
  requireBeta("beta2", beta2)
  if (!(epsilon > 0 && epsilon < Infinity)) throw new RangeError(`epsilon is positive and finite, not ${epsilon}`)
  const firstMoment = `${name}.firstMoment`
  const secondMoment = `${name}.secondMoment`
  const stepSize = `${name}.stepSize`
  const correctedEpsilon = `${name}.correctedEpsilon`
  return {
    vectors: [firstMoment, secondMoment],
    hyperparameters: (step: number, scale: number) => {
      const correction1 = 1 - beta1 ** (step + 1)
      const correction2 = Math.sqrt(1 - beta2 ** (step + 1))
      return { [stepSize]: scale * correction2 / correction1, [correctedEpsilon]: epsilon * correction2 }
    },
    update: (gradient: Tensor, { hyperparameters, vectors }: TransformationContext): Transformed => {
      const m = interpolate(vectors[firstMoment]!, gradient, 1 - beta1)
      const v = tf.add(tf.mul(vectors[secondMoment]!, beta2), tf.mul(tf.square(gradient), 1 - beta2))
      const direction = tf.div(m, tf.add(tf.sqrt(v), hyperparameters[correctedEpsilon]!))
      return {
        update: tf.mul(direction, hyperparameters[stepSize]!),
        vectors: { [firstMoment]: m, [secondMoment]: v }
      }
    }
  }
}

/** from + share * (to - from), as PyTorch's `lerp`. */
const interpolate = (from: Tensor, to: Tensor, share: number): Tensor => tf.add(from, tf.mul(tf.sub(to, from), share))

const requireBeta = (name: string, beta: number): void => {
  if (!(beta >= 0 && beta < 1)) throw new RangeError(`${name} is in [0, 1), not ${beta}`)
}
