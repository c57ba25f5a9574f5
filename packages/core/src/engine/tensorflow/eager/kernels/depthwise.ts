/**
 * Depthwise convolutions and largest elements of windows, with padding that is given in numbers: the package has them for
 * padding with a name. What is padded is laid around the image.
 */
import * as tf from "@tensorflow/tfjs"
import { type Geometry, geometryOf, poolGeometryOf } from "../../../trace/geometry.ts"
import type { Attributes, Kernel, Kernels, Shape4 } from "./kernel.ts"

const convolution: Kernel = ({ filter, x }, attributes) => {
  const { pad } = convolutionPadding(attributes, shapeOf(x!), filter!.shape)
  return run("DepthwiseConv2dNative", { x: pad(x as tf.Tensor4D), filter: filter! }, attributes)
}

const inputGradient: Kernel = ({ dy, filter }, attributes) => {
  const shape = attributes["inputShape"] as Shape4
  const { before, whole } = convolutionPadding(attributes, shape, filter!.shape, dy!.shape)
  const inputs = { dy: dy!, filter: filter! }
  const padded = run("DepthwiseConv2dNativeBackpropInput", inputs, { ...attributes, inputShape: whole })
  return tf.slice(padded, before, shape)
}

const filterGradient: Kernel = ({ dy, x }, attributes) => {
  const { pad } = convolutionPadding(attributes, shapeOf(x!), attributes["filterShape"] as Shape4, dy!.shape)
  return run("DepthwiseConv2dNativeBackpropFilter", { x: pad(x as tf.Tensor4D), dy: dy! }, attributes)
}

/** A convolution with what comes after it, by the package's own kernel. */
const fused = (name: string): Kernel => ({ x, ...others }, attributes) => {
  const { pad } = convolutionPadding(attributes, shapeOf(x!), others["filter"]!.shape)
  return run(name, { ...others, x: pad(x as tf.Tensor4D) }, attributes)
}

/** Convolutions and depthwise convolutions as tfjs's layers call them. */
export const fusedConvolutions: Kernels = {
  FusedConv2D: fused("FusedConv2D"),
  FusedDepthwiseConv2D: fused("FusedDepthwiseConv2D")
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
  const { before, pad } = poolPadding(attributes, shapeOf(input!), dy!.shape)
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

const convolutionPadding = (
  attributes: Attributes,
  image: Shape4,
  [height, width]: ReadonlyArray<number>,
  result?: ReadonlyArray<number>
) => around(image, geometryOf({ of: "a convolution", image, size: [height!, width!], attributes, result }))

const poolPadding = (attributes: Attributes, image: Shape4, result?: ReadonlyArray<number>) =>
  around(image, poolGeometryOf(image, attributes, result))

/** What lies around an image: how to put it there, the shape of the whole, and where the image begins. */
const around = (
  [batch, height, width, channels]: Shape4,
  { window: { padding: [top, bottom, left, right] } }: Geometry
) => ({
  pad: (x: tf.Tensor4D, value = 0): tf.Tensor4D =>
    tf.pad(tf.clone(x), [[0, 0], [top, bottom], [left, right], [0, 0]], value),
  whole: [batch, height + top + bottom, width + left + right, channels] as Shape4,
  before: [0, top, left, 0] as Shape4
})
