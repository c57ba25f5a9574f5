/**
 * Transformations that scale, and decay the weights.
 */
import * as tf from "@tensorflow/tfjs"
import type { GradientTransformation } from "./GradientTransformation.ts"
import * as LearningRate from "./LearningRate.ts"

/**
 * Multiplies by the learning rate, and turns the gradient into a descent: update = -learningRate * gradient. The last
 * of a chain.
 *
 * @example
 * chain(scaleByAdam(), scaleByLearningRate(1e-3)) // as adam({ learningRate: 1e-3 }), with one more pass
 */
export const scaleByLearningRate = (rate: number | LearningRate.LearningRate): GradientTransformation => {
  const learningRate = LearningRate.from(rate)
  const name = "scaleByLearningRate.factor"
  return {
    name: "scaleByLearningRate",
    vectors: [],
    hyperparameters: (step) => ({ [name]: -learningRate(step) }),
    learningRate,
    update: (gradient, { hyperparameters }) => ({ update: tf.mul(gradient, hyperparameters[name]!), vectors: {} })
  }
}

/**
 * Adds `weightDecay * parameters`. After an adaptive transformation and before the learning rate this is decoupled
 * weight decay (Loshchilov & Hutter 2019, algorithm 2); before an adaptive transformation it is L2 regularisation.
 *
 * @throws RangeError when the decay is negative or not finite.
 * @example
 * chain(scaleByAdam(), addDecayedWeights(1e-2), scaleByLearningRate(1e-3))
 */
export const addDecayedWeights = (weightDecay: number): GradientTransformation => {
  requireWeightDecay(weightDecay)
  return {
    name: "addDecayedWeights",
    vectors: [],
    hyperparameters: () => ({}),
    update: (gradient, { parameters }) => ({
      update: weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(parameters, weightDecay)),
      vectors: {}
    })
  }
}

/** @internal */
export const requireWeightDecay = (weightDecay: number): void => {
  if (!(weightDecay >= 0 && weightDecay < Infinity)) {
    throw new RangeError(`a weight decay is finite and not negative, not ${weightDecay}`)
  }
}
