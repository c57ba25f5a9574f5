/**
 * Kernels of ours for tfjs's backend, where the package has none: convolutions whose padding is given in numbers. The
 * package refuses them, or their gradients; TensorFlow has them.
 */
import * as tf from "@tensorflow/tfjs"
import type { Backend } from "./load.ts"

/** A kernel's attributes, as tfjs gives them to convolutions and their gradients. */
interface Attributes {
  readonly strides: [number, number] | number
  readonly pad: "same" | "valid" | number | tf.backend_util.ExplicitPadding
  readonly dataFormat?: "NHWC" | "NCHW"
  readonly dilations?: [number, number] | number
  readonly dimRoundingMode?: "floor" | "round" | "ceil"
  readonly inputShape?: [number, number, number, number]
  readonly filterShape?: [number, number, number, number]
}

type Inputs = { readonly [name: string]: tf.TensorInfo }

type Kernel = (inputs: Inputs, attributes: Attributes, backend: Backend) => tf.TensorInfo

const convolution: Kernel = ({ filter, x }, attributes, backend) =>
  backend.executeSingleOutput(
    "Conv2D",
    attributesOf(backend, attributes, shapeOf(x!), shapeOf(filter!)),
    [x!, filter!]
  )

const inputGradient: Kernel = ({ dy, filter }, attributes, backend) => {
  const sizes = tf.tensor1d(attributes.inputShape!, "int32")
  const operation = attributesOf(backend, attributes, attributes.inputShape!, shapeOf(filter!))
  const gradient = backend.executeSingleOutput("Conv2DBackpropInput", operation, [sizes, filter!, dy!])
  sizes.dispose()
  return gradient
}

const filterGradient: Kernel = ({ dy, x }, attributes, backend) => {
  const sizes = tf.tensor1d(attributes.filterShape!, "int32")
  const operation = attributesOf(backend, attributes, shapeOf(x!), attributes.filterShape!)
  const gradient = backend.executeSingleOutput("Conv2DBackpropFilter", operation, [x!, sizes, dy!])
  sizes.dispose()
  return gradient
}

const kernels: { readonly [name: string]: Kernel } = {
  Conv2D: convolution,
  Conv2DBackpropInput: inputGradient,
  Conv2DBackpropFilter: filterGradient
}

/** Puts the kernels in the place of the package's, which go on doing what they can. */
export const registerKernels = (backendName: string): void => {
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    const packaged = tf.getKernel(kernelName, backendName).kernelFunc
    tf.unregisterKernel(kernelName, backendName)
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: (call) => {
        const attributes = call.attrs as unknown as Attributes
        return padsByNumbers(attributes)
          ? kernel(call.inputs as Inputs, attributes, call.backend as Backend)
          : packaged(call)
      }
    })
  }
}

const padsByNumbers = ({ dataFormat = "NHWC", pad }: Attributes): boolean =>
  dataFormat === "NHWC" && pad !== "same" && pad !== "valid"

const shapeOf = ({ shape }: tf.TensorInfo) => shape as [number, number, number, number]

/** The attributes of TensorFlow's operation: https://www.tensorflow.org/api_docs/python/tf/raw_ops/Conv2D */
const attributesOf = (
  { binding }: Backend,
  { dilations = 1, dimRoundingMode, pad, strides }: Attributes,
  input: [number, number, number, number],
  filter: [number, number, number, number]
) => {
  const info = tf.backend_util.computeConv2DInfo(input, filter, strides, dilations, pad, dimRoundingMode)
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
