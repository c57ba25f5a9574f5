import * as tf from "@tensorflow/tfjs"
import { hasKernel, kernelNames, runKernel } from "./composite.ts"

/**
 * Enlarges images by repeating each pixel `factor` times along both spatial axes.
 *
 * @param x [batch, height, width, channels], float32
 * @param factor a positive integer
 * @returns [batch, factor * height, factor * width, channels]
 * @example
 * Operations.upsampleNearest(tf.ones([1, 4, 4, 3]), 2).shape // => [1, 8, 8, 3]
 */
export const upsampleNearest = (x: tf.Tensor, factor: number): tf.Tensor =>
  hasKernel(kernelNames.upsampleNearest)
    ? runKernel(kernelNames.upsampleNearest, { x }, { factor })
    : upsampleNearestFallback(x, factor)

/** The specification of {@link upsampleNearest}. */
export const upsampleNearestFallback = (x: tf.Tensor, factor: number): tf.Tensor => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const rows = tf.tile(tf.reshape(x, [batch * height, 1, width, channels]), [1, factor, 1, 1])
  const pixels = tf.tile(tf.reshape(rows, [batch * height * factor * width, 1, channels]), [1, factor, 1])
  return tf.reshape(pixels, [batch, height * factor, width * factor, channels])
}

tf.registerGradient({
  kernelName: kernelNames.upsampleNearest,
  gradFunc: (dy, _, attributes) => ({
    x: () => runKernel(kernelNames.upsampleNearestGradient, { dy: dy as tf.Tensor }, attributes)
  })
})
