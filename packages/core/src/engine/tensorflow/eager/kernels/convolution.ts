/**
 * Convolutions whose padding is given in numbers: the package refuses them, or their gradients; TensorFlow has them.
 */
import * as tf from "@tensorflow/tfjs"
import { geometryOf } from "../../../trace/geometry.ts"
import type { Backend } from "../load.ts"
import type { Attributes, Kernel, Kernels, Shape4 } from "./kernel.ts"

const convolution: Kernel = ({ filter, x }, attributes, backend) =>
  backend.executeSingleOutput(
    "Conv2D",
    attributesOf(backend, attributes, x!.shape, filter!.shape),
    [x!, filter!]
  )

const inputGradient: Kernel = ({ dy, filter }, attributes, backend) => {
  const sizes = tf.tensor1d(attributes["inputShape"] as Shape4, "int32")
  const image = attributes["inputShape"] as Shape4
  const operation = attributesOf(backend, attributes, image, filter!.shape, dy!.shape)
  const gradient = backend.executeSingleOutput("Conv2DBackpropInput", operation, [sizes, filter!, dy!])
  sizes.dispose()
  return gradient
}

const filterGradient: Kernel = ({ dy, x }, attributes, backend) => {
  const sizes = tf.tensor1d(attributes["filterShape"] as Shape4, "int32")
  const operation = attributesOf(backend, attributes, x!.shape, attributes["filterShape"] as Shape4, dy!.shape)
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

/** The attributes of TensorFlow's operation: https://www.tensorflow.org/api_docs/python/tf/raw_ops/Conv2D */
const attributesOf = (
  { binding }: Backend,
  attributes: Attributes,
  image: ReadonlyArray<number>,
  [height, width]: ReadonlyArray<number>,
  result?: ReadonlyArray<number>
) => {
  const size = [height!, width!] as const
  const { window } = geometryOf({ of: "a convolution", image, size, attributes, result })
  const numbers = (name: string, value: ReadonlyArray<number>) => ({ name, type: binding.TF_ATTR_INT, value })
  const text = (name: string, value: string) => ({ name, type: binding.TF_ATTR_STRING, value })
  return [
    { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "use_cudnn_on_gpu", type: binding.TF_ATTR_BOOL, value: true },
    text("data_format", "NHWC"),
    text("padding", "EXPLICIT"),
    numbers("explicit_paddings", [0, 0, ...window.padding, 0, 0]),
    numbers("strides", [1, ...window.strides, 1]),
    numbers("dilations", [1, ...window.dilations, 1])
  ]
}
