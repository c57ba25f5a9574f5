/**
 * Kernels of ours for tfjs's backend, for what programs may ask of the engine and the package refuses: padding that is
 * given in numbers.
 */
import * as tf from "@tensorflow/tfjs"
import type { Backend } from "../load.ts"
import { convolutions } from "./convolution.ts"
import type { Attributes } from "./kernel.ts"
import { averages } from "./pooling.ts"

/** Puts the kernels in the place of the package's, which go on doing what they can. */
export const registerKernels = (backendName: string): void => {
  for (const [kernelName, kernel] of Object.entries({ ...convolutions, ...averages })) {
    const packaged = tf.getKernel(kernelName, backendName).kernelFunc
    tf.unregisterKernel(kernelName, backendName)
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: (call) => {
        const attributes = (call.attrs ?? {}) as Attributes
        return padsByNumbers(attributes)
          ? kernel(call.inputs as { readonly [name: string]: tf.TensorInfo }, attributes, call.backend as Backend)
          : packaged(call)
      }
    })
  }
}

const padsByNumbers = ({ dataFormat = "NHWC", pad }: Attributes): boolean =>
  dataFormat === "NHWC" && pad !== "same" && pad !== "valid"
