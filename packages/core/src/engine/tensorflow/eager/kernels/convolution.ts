/**
 * Convolutions whose padding is given in numbers: the package refuses them, or their gradients; TensorFlow has them.
 */
import * as tf from "@tensorflow/tfjs"
import type { Backend } from "../load.ts"
import type { Attributes, Kernel, Kernels, Shape4 } from "./kernel.ts"

const convolution: Kernel = ({ filter, x }, attributes, backend) =>
  backend.executeSingleOutput(
    "Conv2D",
    attributesOf(backend, attributes, shapeOf(x!), shapeOf(filter!)),
    [x!, filter!]
  )

const inputGradient: Kernel = ({ dy, filter }, attributes, backend) => {
  const sizes = tf.tensor1d(attributes["inputShape"] as Shape4, "int32")
  const operation = attributesOf(backend, attributes, attributes["inputShape"] as Shape4, shapeOf(filter!))
  const gradient = backend.executeSingleOutput("Conv2DBackpropInput", operation, [sizes, filter!, dy!])
  sizes.dispose()
  return gradient
}

const filterGradient: Kernel = ({ dy, x }, attributes, backend) => {
  const sizes = tf.tensor1d(attributes["filterShape"] as Shape4, "int32")
  const operation = attributesOf(backend, attributes, shapeOf(x!), attributes["filterShape"] as Shape4)
  const gradient = backend.executeSingleOutput("Conv2DBackpropFilter", operation, [x!, sizes, dy!])
  sizes.dispose()
  return gradient
}

/** Convolutions and their gradients, of images whose channels come last. */
export const convolutions: Kernels = {
  Conv2D: convolution,
  Conv2DBackpropInput: inputGradient,
  Conv2DBackpropFilter: filterGradient
}

const shapeOf = ({ shape }: tf.TensorInfo) => shape as Shape4

/** The attributes of TensorFlow's operation: https://www.tensorflow.org/api_docs/python/tf/raw_ops/Conv2D */
const attributesOf = (
  { binding }: Backend,
  attributes: Attributes,
  input: Shape4,
  filter: Shape4
) => {
  const info = tf.backend_util.computeConv2DInfo(
    input,
    filter,
    attributes["strides"] as [number, number],
    (attributes["dilations"] ?? 1) as [number, number] | number,
    attributes["pad"] as number | tf.backend_util.ExplicitPadding,
    attributes["dimRoundingMode"] as "floor" | undefined
  )
  const { bottom, left, right, top } = info.padInfo
  const numbers = (name: string, value: ReadonlyArray<number>) => ({ name, type: binding.TF_ATTR_INT, value })
  const text = (name: string, value: string) => ({ name, type: binding.TF_ATTR_STRING, value })
  return [
    { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "use_cudnn_on_gpu", type: binding.TF_ATTR_BOOL, value: true },
    text("data_format", "NHWC"),
    text("padding", "EXPLICIT"),
    numbers("explicit_paddings", [0, 0, top, bottom, left, right, 0, 0]),
    numbers("strides", [1, info.strideHeight, info.strideWidth, 1]),
    numbers("dilations", [1, info.dilationHeight, info.dilationWidth, 1])
  ]
}
