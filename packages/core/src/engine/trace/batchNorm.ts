/**
 * Batch norm without a scale or an offset, as tfjs (4.22) cannot differentiate it.
 */
import * as tf from "@tensorflow/tfjs"

/** The inputs of tfjs's kernel `FusedBatchNorm`; tfjs names the absent ones too. */
export interface BatchNormInputs {
  readonly mean: tf.TensorInfo
  scale?: tf.TensorInfo | undefined
  offset?: tf.TensorInfo | undefined
}

/**
 * Puts a scale of ones and an offset of zeros in, where a call leaves them out. tfjs keeps the very object for the gradient, and
 * reads from all that it names.
 *
 * @example
 * complete({ x, mean, variance, scale: undefined, offset }) // scale is tf.ones(mean.shape) afterwards
 */
export const complete = (inputs: BatchNormInputs): void => {
  const shape = [...inputs.mean.shape]
  inputs.scale ??= tf.ones(shape)
  inputs.offset ??= tf.zeros(shape)
}
