/**
 * Gradient clipping.
 */
import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../engine/Program.ts"
import type { GradientTransformation } from "./GradientTransformation.ts"

/**
 * The Euclidean norm of a gradient over all parameters, a scalar.
 *
 * @param gradient [P], float32
 */
export const globalNorm = (gradient: Tensor): Tensor => tf.sqrt(tf.sum(tf.square(gradient)))

/**
 * Scales the gradient down so that its norm over all parameters is at most `maximum`; a gradient whose norm is smaller
 * is not touched (Pascanu et al. 2013, algorithm 1; as `torch.nn.utils.clip_grad_norm_`, with its 1e-6 beside the norm).
 *
 * @throws RangeError when `maximum` is not positive and finite.
 * @example
 * chain(clipByGlobalNorm(1), adam({ learningRate: 2e-4 }))
 */
export const clipByGlobalNorm = (maximum: number): GradientTransformation => {
  if (!(maximum > 0 && maximum < Infinity)) {
    throw new RangeError(`a gradient is clipped to a norm that is positive and finite, not ${maximum}`)
  }
  return {
    name: "clipByGlobalNorm",
    vectors: [],
    hyperparameters: () => ({}),
    update: (gradient) => {
      const coefficient = tf.minimum(tf.div(maximum, tf.add(globalNorm(gradient), 1e-6)), 1)
      return { update: tf.mul(gradient, coefficient), vectors: {} }
    }
  }
}
