/**
 * Arguments that tfjs passes on as its users give them, and that the package wants in full.
 */
import * as tf from "@tensorflow/tfjs"
import { type BatchNormInputs, complete } from "../../../trace/batchNorm.ts"
import { type PaddedAttributes, padLines } from "../../../trace/conv1d.ts"
import type { Attributes, Inputs, Kernels } from "./kernel.ts"

const run = (name: string, inputs: Inputs, attributes: Attributes): tf.Tensor =>
  tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attributes as tf.NamedAttrMap) as tf.Tensor

/** Gathers along an axis that is counted from the back. */
export const gathering: Kernels = {
  GatherV2: (inputs, attributes) =>
    run("GatherV2", inputs, { ...attributes, axis: inputs["x"]!.shape.length + (attributes["axis"] as number) })
}

export const countsFromTheBack = ({ axis }: Attributes): boolean => (axis as number) < 0

/** What `tf.conv1d` pads by a number. */
export const lines: Kernels = {
  Conv2D: (inputs, attributes) => {
    padLines(attributes as PaddedAttributes)
    return run("Conv2D", inputs, attributes)
  }
}

/** Slices in steps of one. */
export const slicing: Kernels = {
  StridedSlice: (inputs, attributes) =>
    run("StridedSlice", inputs, { ...attributes, strides: inputs["x"]!.shape.map(() => 1) })
}

export const lacksStrides = ({ strides }: Attributes): boolean => strides === undefined

/** Batch norms with all that there can be: their gradient wants it. */
export const batchNorms: Kernels = {
  FusedBatchNorm: (inputs, attributes) => {
    complete(inputs as unknown as BatchNormInputs)
    return run("FusedBatchNorm", inputs, attributes)
  }
}

export const lacksScaleOrOffset = (_: Attributes, { offset, scale }: Partial<Inputs>): boolean =>
  scale === undefined || scale === null || offset === undefined || offset === null
