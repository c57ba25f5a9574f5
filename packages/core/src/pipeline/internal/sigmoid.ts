/**
 * The logistic function and its logarithm, right to float32 in their tails, with their gradients.
 *
 * `tf.sigmoid` is not: ONNX Runtime's is right to about 1e-7, of 1, so that of sigmoid(-15) a sixth is wrong, and from -18
 * on it is 0. Networks do not mind; probabilities and variances do, which are small and then divided by.
 */
import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../../engine/Program.ts"

/** ln(1 + e^x), whose gradient is {@link sigmoid}. */
export const softplus = (x: Tensor): Tensor =>
  tf.customGrad((given, save) => {
    const y = given as tf.Tensor
    ;(save as tf.GradSaveFunc)([y])
    return {
      value: tf.softplus(y),
      gradFunc: (dy: tf.Tensor, saved: Array<tf.Tensor>) => tf.mul(dy, sigmoid(saved[0]!))
    }
  })(x)

/** ln(1 / (1 + e^-x)). */
export const logSigmoid = (x: Tensor): Tensor => tf.neg(softplus(tf.neg(x)))

/** 1 / (1 + e^-x). */
export const sigmoid = (x: Tensor): Tensor => tf.exp(logSigmoid(x))
