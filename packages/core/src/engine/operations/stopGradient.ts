import * as tf from "@tensorflow/tfjs"

/**
 * What a function computes, as a constant: no gradient flows back through it, and nothing of it is computed backwards.
 *
 * @example
 * const estimate = Operations.withoutGradient(() => denoiser.apply(parameters, input))
 */
export const withoutGradient = (compute: () => tf.Tensor): tf.Tensor =>
  // To the gradient tape this is an operation without inputs, and what happens inside it is not on the tape.
  tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))()

/**
 * The same numbers, as a constant: no gradient flows back through it, and it may be compared with others inside a loss,
 * which tfjs does not allow of what a gradient is asked for.
 *
 * @example
 * tf.grad((x) => tf.sum(tf.mul(x, Operations.stopGradient(x))))(tf.tensor1d([3])) // => [3], not [6]
 */
export const stopGradient = (x: tf.Tensor): tf.Tensor => withoutGradient(() => tf.clone(x))
