/**
 * Averages over windows with padding that is given in numbers: neither the package nor TensorFlow has them.
 *
 * What is padded does not count: the average over the padded image is divided by the share of each window that is image.
 */
import * as tf from "@tensorflow/tfjs"
import { poolGeometryOf } from "../../../trace/geometry.ts"
import type { Attributes, Kernel, Kernels, Shape4 } from "./kernel.ts"

const average: Kernel = ({ x }, attributes) => {
  const { pool, share } = geometryOf(attributes, x!.shape as Shape4)
  return tf.div(pool(tf.clone(x as tf.Tensor4D)), share())
}

const averageGradient: Kernel = ({ dy, input }, attributes) => {
  const shape = input!.shape as Shape4
  const { before, filterSize, pad, share, strides } = geometryOf(attributes, shape, dy!.shape)
  const padded = tf.engine().runKernel(
    "AvgPoolGrad",
    { dy: tf.div(dy as tf.Tensor4D, share()), input: pad(tf.zeros(shape)) },
    { filterSize, strides, pad: "valid" }
  ) as tf.Tensor4D
  return tf.slice(padded, [0, ...before, 0], shape)
}

/** Averages and their gradients. */
export const averages: Kernels = { AvgPool: average, AvgPoolGrad: averageGradient }

const geometryOf = (attributes: Attributes, shape: Shape4, result?: ReadonlyArray<number>) => {
  const { size, window } = poolGeometryOf(shape, attributes, result)
  const filterSize = [...size] as [number, number]
  const strides = [...window.strides] as [number, number]
  const [top, bottom, left, right] = window.padding
  const pad = (x: tf.Tensor4D): tf.Tensor4D => tf.pad(x, [[0, 0], [top, bottom], [left, right], [0, 0]])
  const pool = (x: tf.Tensor4D): tf.Tensor4D => tf.avgPool(pad(x), filterSize, strides, "valid")
  const [, height, width] = shape
  return {
    filterSize,
    strides,
    pad,
    pool,
    before: [top, left] as const,
    share: () => pool(tf.ones([1, height, width, 1]))
  }
}
