/**
 * Stochastic gradient descent.
 */
import * as tf from "@tensorflow/tfjs"
import type { GradientTransformation } from "./GradientTransformation.ts"
import * as LearningRate from "./LearningRate.ts"

export interface SgdOptions {
  readonly learningRate: number | LearningRate.LearningRate
  /** Decay of the running sum of gradients that is followed in place of the gradient. Default 0: no such sum. */
  readonly momentum?: number
  /** Whether to look ahead along the momentum (Sutskever et al. 2013). Default false. */
  readonly nesterov?: boolean
}

/**
 * Stochastic gradient descent, as `torch.optim.SGD` (without dampening).
 *
 * With momentum it keeps `sgd.velocity` (PyTorch's `momentum_buffer`).
 *
 * @throws RangeError when the momentum is not in [0, 1).
 * @example
 * sgd({ learningRate: 0.1, momentum: 0.9 })
 */
export const sgd = ({ learningRate, momentum = 0, nesterov = false }: SgdOptions): GradientTransformation => {
  if (!(momentum >= 0 && momentum < 1)) throw new RangeError(`a momentum is in [0, 1), not ${momentum}`)
  const rate = LearningRate.from(learningRate)
  const factor = "sgd.factor"
  const velocity = "sgd.velocity"
  return {
    name: "sgd",
    vectors: momentum === 0 ? [] : [velocity],
    hyperparameters: (step) => ({ [factor]: -rate(step) }),
    learningRate: rate,
    update: (gradient, { hyperparameters, vectors }) => {
      const scale = hyperparameters[factor]!
      if (momentum === 0) return { update: tf.mul(gradient, scale), vectors: {} }
      const next = tf.add(tf.mul(vectors[velocity]!, momentum), gradient)
      const direction = nesterov ? tf.add(gradient, tf.mul(next, momentum)) : next
      return { update: tf.mul(direction, scale), vectors: { [velocity]: next } }
    }
  }
}
