/**
 * Gradients of resizing: that of nearest resizing by a whole factor, which TensorFlow's own refuses to compute on a GPU where
 * its operations have to be deterministic (tensorflow/core/kernels/image/resize_nearest_neighbor_op.cc), as the engine
 * asks for; and those of resizing that is aligned by the centres of pixels, which the package takes no account of.
 */
import * as tf from "@tensorflow/tfjs"
import type { Backend } from "../load.ts"
import type { Attributes, Inputs, Kernel, Kernels, Shape4 } from "./kernel.ts"

/** The sum over each block of repeated pixels. */
const nearestGradient: Kernel = ({ dy, images }) => {
  const [batch, height, width, channels] = images!.shape as Shape4
  const factor = dy!.shape[1]! / height
  const rows = tf.sum(tf.reshape(dy as tf.Tensor4D, [batch * height, factor, width * factor * channels]), 1)
  const pixels = tf.sum(tf.reshape(rows, [batch * height * width, factor, channels]), 1)
  return tf.reshape(pixels, [batch, height, width, channels])
}

const attributesOf = ({ binding }: Backend, extra: { readonly [name: string]: boolean }) => [
  { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
  ...Object.entries(extra).map(([name, value]) => ({ name, type: binding.TF_ATTR_BOOL, value }))
]

const centred = { align_corners: false, half_pixel_centers: true }

const centredBilinearGradient: Kernel = ({ dy, images }, _, backend) =>
  backend.executeSingleOutput("ResizeBilinearGrad", attributesOf(backend, centred), [dy!, images!])

const centredNearestGradient: Kernel = ({ dy, images }, _, backend) => {
  const size = tf.tensor1d(images!.shape.slice(1, 3), "int32")
  const gradient = backend.executeSingleOutput("ResizeNearestNeighborGrad", attributesOf(backend, centred), [dy!, size])
  size.dispose()
  return gradient
}

/** Gradients of resizing that is aligned by centres. */
export const centredResizings: Kernels = {
  ResizeBilinearGrad: centredBilinearGradient,
  ResizeNearestNeighborGrad: centredNearestGradient
}

export const isCentred = ({ halfPixelCenters }: Attributes): boolean => halfPixelCenters === true

/** Gradients of resizing by a whole factor. */
export const resizings: Kernels = { ResizeNearestNeighborGrad: nearestGradient }

/** Whether images are enlarged by one whole factor, each pixel to a block of its own. */
export const enlargesBlocks = (attributes: Attributes, { dy, images }: Inputs): boolean => {
  const [, height, width] = images!.shape as Shape4
  const [, newHeight, newWidth] = dy!.shape as Shape4
  const factor = newHeight / height
  return Number.isInteger(factor) && newWidth === factor * width && attributes["alignCorners"] !== true
}
