/**
 * One convolution, NCHW with a filter OIHW, in the form that the runtime computes fastest.
 *
 * ONNX Runtime's fastest convolution keeps channels in blocks (its own domain `com.microsoft.nchwc`). The runtime chooses
 * it by itself for constant filters only; here it is asked for by name, with the filter brought into blocks by the
 * graph. The size of a block depends on the processor, so it is probed when the engine starts (see `probe.ts`), and
 * without an answer the plain convolution is used.
 */
import type { Window } from "../../graph/Operation.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"

/** The runtime's domain of operators on blocked channels. */
export const blockedDomain = "com.microsoft.nchwc"

/** Names and sizes of the operands of a convolution. */
export interface Operands {
  /** [batch, inputs, height, width] */
  readonly x: string
  /** [outputs, inputs, filter height, filter width] */
  readonly filter: string
  readonly filterShape: readonly [outputs: number, inputs: number, height: number, width: number]
}

/** Appends a convolution; gives the name of its result, NCHW. */
export const convolve = (model: ModelBuilder, operands: Operands, window: Window): string => {
  const [outputs, inputs] = operands.filterShape
  const block = model.options.convolutionBlock
  return block !== undefined && outputs % block === 0 && inputs % block === 0
    ? blocked(model, operands, window, block)
    : model.node("Conv", [operands.x, operands.filter], windowAttributes(window))
}

const blocked = (model: ModelBuilder, { filter, filterShape, x }: Operands, window: Window, block: number): string => {
  const [outputs, inputs, height, width] = filterShape
  const split = model.reshape(filter, [outputs / block, block, inputs / block, block, height, width])
  const moved = model.once(`${split} blocked`, () => model.node("Transpose", [split], { perm: [0, 2, 4, 5, 3, 1] }))
  const weights = model.reshape(moved, filterShape)
  const image = model.once(`${x} blocked`, () => model.node("ReorderInput", [x], {}, blockedDomain))
  const result = model.node("Conv", [image, weights], windowAttributes(window), blockedDomain)
  return model.node("ReorderOutput", [result], { channels: outputs }, blockedDomain)
}

/** The attributes of a convolution; ONNX lists the paddings of all axes' beginnings, then those of their ends. */
export const windowAttributes = ({ dilations, padding: [top, bottom, left, right], strides }: Window) => ({
  strides,
  dilations,
  pads: [top, left, bottom, right]
})
