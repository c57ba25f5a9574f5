/**
 * Kernels of ours for tfjs's backend, for what programs may ask of the engine and the package refuses: padding that is
 * given in numbers, arguments that are left out, and a gradient that TensorFlow does not have as the engine needs it; and
 * sums that it would lose much of.
 */
import * as tf from "@tensorflow/tfjs"
import { padsLines } from "../../../trace/conv1d.ts"
import type { Backend } from "../load.ts"
import {
  batchNorms,
  countsFromTheBack,
  gathering,
  lacksScaleOrOffset,
  lacksStrides,
  lines,
  slicing
} from "./arguments.ts"
import { convolutions } from "./convolution.ts"
import { depthwise, fusedConvolutions, maxima } from "./depthwise.ts"
import type { Attributes, Inputs, Kernels } from "./kernel.ts"
import { averages } from "./pooling.ts"
import { centredResizings, enlargesBlocks, isCentred, resizings } from "./resizing.ts"
import { addsMany, sums } from "./sums.ts"

/** Puts the kernels in the place of the package's, which go on doing what they can. */
export const registerKernels = (backendName: string): void => {
  replace(
    backendName,
    { ...convolutions, ...fusedConvolutions, ...depthwise, ...averages, ...maxima },
    padsByNumbers
  )
  replace(backendName, lines, padsLines)
  replace(backendName, centredResizings, isCentred)
  // By a whole factor each pixel becomes a block, whatever it is aligned by: this comes before.
  replace(backendName, resizings, enlargesBlocks)
  replace(backendName, gathering, countsFromTheBack)
  replace(backendName, slicing, lacksStrides)
  replace(backendName, batchNorms, lacksScaleOrOffset)
  replace(backendName, sums, addsMany)
}

/** @param applies whether a call is for the new kernel; else it is for the package's */
const replace = (
  backendName: string,
  kernels: Kernels,
  applies: (attributes: Attributes, inputs: Inputs) => boolean
): void => {
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    const packaged = tf.getKernel(kernelName, backendName).kernelFunc
    tf.unregisterKernel(kernelName, backendName)
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: (call) => {
        const attributes = (call.attrs ?? {}) as Attributes
        const inputs = call.inputs as Inputs
        return applies(attributes, inputs) ? kernel(inputs, attributes, call.backend as Backend) : packaged(call)
      }
    })
  }
}

const padsByNumbers = ({ dataFormat = "NHWC", pad }: Attributes): boolean =>
  dataFormat === "NHWC" && pad !== "same" && pad !== "valid"
