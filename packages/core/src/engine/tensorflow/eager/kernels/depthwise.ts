/**
 * Depthwise convolutions and largest elements of windows, with padding that is given in numbers: the package has them for
 * padding with a name. What is padded is laid around the image.
 */
import * as tf from "@tensorflow/tfjs"
import type { Attributes, Kernel, Kernels, Shape4 } from "./kernel.ts"

const convolution: Kernel = ({ filter, x }, attributes) => {
  const { pad } = convolutionPadding(attributes, shapeOf(x!), shapeOf(filter!))
  return run("DepthwiseConv2dNative", { x: pad(x as tf.Tensor4D), filter: filter! }, attributes)
}

const inputGradient: Kernel = ({ dy, filter }, attributes) => {
  const shape = attributes["inputShape"] as Shape4
  const { before, whole } = convolutionPadding(attributes, shape, shapeOf(filter!))
  const inputs = { dy: dy!, filter: filter! }
  const padded = run("DepthwiseConv2dNativeBackpropInput", inputs, { ...attributes, inputShape: whole })
  return tf.slice(padded, before, shape)
}

const filterGradient: Kernel = ({ dy, x }, attributes) => {
  const { pad } = convolutionPadding(attributes, shapeOf(x!), attributes["filterShape"] as Shape4)
  return run("DepthwiseConv2dNativeBackpropFilter", { x: pad(x as tf.Tensor4D), dy: dy! }, attributes)
}

/** Depthwise convolutions and their gradients. */
export const depthwise: Kernels = {
  DepthwiseConv2dNative: convolution,
  DepthwiseConv2dNativeBackpropInput: inputGradient,
  DepthwiseConv2dNativeBackpropFilter: filterGradient
}

const largest: Kernel = ({ x }, attributes) => {
  const { pad } = poolPadding(attributes, shapeOf(x!))
  return run("MaxPool", { x: pad(x as tf.Tensor4D, -Infinity) }, attributes)
}

const largestGradient: Kernel = ({ dy, input, output }, attributes) => {
  const { before, pad } = poolPadding(attributes, shapeOf(input!))
  const inputs = { dy: dy!, input: pad(input as tf.Tensor4D, -Infinity), output: output! }
  return tf.slice(run("MaxPoolGrad", inputs, attributes), before, shapeOf(input!))
}

/** Largest elements and their gradients. */
export const maxima: Kernels = { MaxPool: largest, MaxPoolGrad: largestGradient }

const run = (name: string, inputs: { readonly [name: string]: tf.TensorInfo }, attributes: Attributes): tf.Tensor4D =>
  tf.engine().runKernel(
    name,
    inputs as tf.NamedTensorMap,
    { ...attributes, pad: "valid" } as tf.NamedAttrMap
  ) as tf.Tensor4D

const shapeOf = ({ shape }: tf.TensorInfo) => shape as Shape4

const convolutionPadding = (attributes: Attributes, image: Shape4, filter: Shape4) =>
  around(
    image,
    tf.backend_util.computeConv2DInfo(
      image,
      filter,
      attributes["strides"] as [number, number],
      (attributes["dilations"] ?? 1) as [number, number] | number,
      attributes["pad"] as number | tf.backend_util.ExplicitPadding,
      attributes["dimRoundingMode"] as "floor" | undefined,
      true
    )
  )

const poolPadding = (attributes: Attributes, image: Shape4) =>
  around(
    image,
    tf.backend_util.computePool2DInfo(
      image,
      attributes["filterSize"] as [number, number],
      attributes["strides"] as [number, number],
      1,
      attributes["pad"] as number,
      attributes["dimRoundingMode"] as "floor" | undefined
    )
  )

/** What lies around an image: how to put it there, the shape of the whole, and where the image begins. */
const around = (
  [batch, height, width, channels]: Shape4,
  { padInfo: { bottom, left, right, top } }: tf.backend_util.Conv2DInfo
) => ({
  pad: (x: tf.Tensor4D, value = 0): tf.Tensor4D =>
    tf.pad(tf.clone(x), [[0, 0], [top, bottom], [left, right], [0, 0]], value),
  whole: [batch, height + top + bottom, width + left + right, channels] as Shape4,
  before: [0, top, left, 0] as Shape4
})
