/**
 * The gradient of nearest resizing by a whole factor: TensorFlow's own refuses to run on a GPU where its operations have to
 * be deterministic (tensorflow/core/kernels/image/resize_nearest_neighbor_op.cc), which the engine asks for.
 */
import * as tf from "@tensorflow/tfjs"
import type { Attributes, Inputs, Kernel, Kernels, Shape4 } from "./kernel.ts"

/** The sum over each block of repeated pixels. */
const nearestGradient: Kernel = ({ dy, images }) => {
  const [batch, height, width, channels] = images!.shape as Shape4
  const factor = dy!.shape[1]! / height
  const rows = tf.sum(tf.reshape(dy as tf.Tensor4D, [batch * height, factor, width * factor * channels]), 1)
  const pixels = tf.sum(tf.reshape(rows, [batch * height * width, factor, channels]), 1)
  return tf.reshape(pixels, [batch, height, width, channels])
}

/** Gradients of resizing. */
export const resizings: Kernels = { ResizeNearestNeighborGrad: nearestGradient }

/** Whether images are enlarged by one whole factor, each pixel to a block of its own. */
export const enlargesBlocks = (attributes: Attributes, { dy, images }: Inputs): boolean => {
  const [, height, width] = images!.shape as Shape4
  const [, newHeight, newWidth] = dy!.shape as Shape4
  const factor = newHeight / height
  return Number.isInteger(factor) && newWidth === factor * width && attributes["alignCorners"] !== true
}
