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
  const moved = model.once(`${split} in blocks`, () => model.node("Transpose", [split], { perm: [0, 2, 4, 5, 3, 1] }))
  const weights = model.reshape(moved, filterShape)
  const result = model.node("Conv", [inBlocks(model, x), weights], windowAttributes(window), blockedDomain)
  return model.node("ReorderOutput", [result], { channels: outputs }, blockedDomain)
}

const inBlocks = (model: ModelBuilder, x: string): string =>
  model.once(`${x} in blocks`, () => model.node("ReorderInput", [x], {}, blockedDomain))

/**
 * An image NCHW as NHWC, by way of blocks where there are any: unlike the runtime's transpose, the way there and back
 * uses all threads, and the convolution may have gone half of it already.
 */
export const channelsLast = (model: ModelBuilder, x: string, channels: number): string => {
  const block = model.options.convolutionBlock
  return model.once(`${x} channels last`, () =>
    block !== undefined && channels % block === 0
      ? model.node("ReorderOutput", [inBlocks(model, x)], { channels, channels_last: 1 }, blockedDomain)
      : model.node("Transpose", [x], { perm: [0, 2, 3, 1] }))
}

/** The attributes of a convolution; ONNX lists the paddings of all axes' beginnings, then those of their ends. */
export const windowAttributes = ({ dilations, padding: [top, bottom, left, right], strides }: Window) => ({
  strides,
  dilations,
  pads: [top, left, bottom, right]
})
