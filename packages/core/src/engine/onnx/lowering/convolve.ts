/**
 * One convolution, NCHW with a filter HWIO, in the form that the runtime computes fastest.
 *
 * ONNX Runtime's fastest convolution keeps channels in blocks (its own domain `com.microsoft.nchwc`). The runtime chooses
 * it by itself for constant filters only; here it is asked for by name, with the filter brought into blocks by the
 * graph. The size of a block depends on the processor, so it is probed when the engine starts (see `probe.ts`), and
 * without an answer the plain convolution is used.
 */
import type { Value } from "../../graph/Graph.ts"
import type { Window } from "../../graph/Operation.ts"
import type { ModelBuilder, Placement } from "./ModelBuilder.ts"
import { channelsFirst, filterOrder, plainOrder } from "./order.ts"
import { transpose } from "./transpose.ts"

/** The runtime's domain of operators on blocked channels. */
export const blockedDomain = "com.microsoft.nchwc"

/** The operands of a convolution. */
export interface Operands {
  /** The name of [batch, inputs, height, width]. */
  readonly x: string
  /** The filter, in whatever order it is kept. */
  readonly filter: Placement & {
    readonly shape: readonly [height: number, width: number, inputs: number, outputs: number]
  }
}

/** Appends a convolution; gives the name of its result, NCHW. */
export const convolve = (model: ModelBuilder, operands: Operands, window: Window): string => {
  const { filter, x } = operands
  const [, , inputs, outputs] = filter.shape
  const block = model.convolutionBlock
  if (block !== undefined && outputs % block === 0 && inputs % block === 0) {
    return blocked(model, operands, window, block)
  }
  const weights = model.rearrange(filter.name, filter.shape, filter.order, filterOrder)
  return model.node("Conv", [x, weights], windowAttributes(window))
}

/** The blocked filter is [outputs, inputs, height, width] in name; its innermost axes are blocks of inputs and outputs. */
const blocked = (model: ModelBuilder, { filter, x }: Operands, window: Window, block: number): string => {
  const [height, width, inputs, outputs] = filter.shape
  const plain = model.rearrange(filter.name, filter.shape, filter.order, plainOrder(4))
  const weights = model.once(`${plain} as a filter in blocks`, () => {
    const split = [height, width, inputs / block, block, outputs / block, block]
    const moved = transpose(model, model.reshape(plain, split), split, [4, 2, 0, 1, 3, 5])
    return model.reshape(moved, [outputs, inputs, height, width])
  })
  const result = model.node("Conv", [inBlocks(model, x), weights], windowAttributes(window), blockedDomain)
  return model.node("ReorderOutput", [result], { channels: outputs }, blockedDomain)
}

/**
 * The window of the convolution that goes the other way, with the filter turned by 180 degrees. There is none with
 * strides, nor with more padding than the filter reaches.
 */
export const turnedWindow = (
  { dilations, padding: [top, bottom, left, right], strides }: Window,
  [height, width]: ReadonlyArray<number>
): Window | undefined => {
  const [down, across] = [dilations[0] * (height! - 1), dilations[1] * (width! - 1)]
  const padding = [down - top, down - bottom, across - left, across - right] as const
  const exists = strides.every((stride) => stride === 1) && padding.every((n) => n >= 0)
  return exists ? { strides, dilations, padding } : undefined
}

/** The elements of filters in opposite order, which turns them by 180 degrees; `axis` is that of the elements. */
export const turn = (model: ModelBuilder, filters: string, axis: number, elements: number): string => {
  const backwards = Array.from({ length: elements }, (_, i) => elements - 1 - i)
  return elements === 1 ? filters : model.node("Gather", [filters, model.integers(backwards)], { axis })
}

const inBlocks = (model: ModelBuilder, x: string): string =>
  model.once(`${x} in blocks`, () => model.node("ReorderInput", [x], {}, blockedDomain))

/**
 * An image as NHWC, by way of blocks where there are any: unlike the runtime's transpose, the way there and back uses all
 * threads, and the convolution may have gone half of it already.
 */
export const channelsLast = (model: ModelBuilder, x: Value): string => {
  const channels = x.shape[3]!
  const block = model.convolutionBlock
  if (block === undefined || channels % block !== 0) return model.plain(x)
  const image = model.inOrder(x, channelsFirst(4))
  return model.once(
    `${image} channels last`,
    () => model.node("ReorderOutput", [inBlocks(model, image)], { channels, channels_last: 1 }, blockedDomain)
  )
}

/** The attributes of a convolution; ONNX lists the paddings of all axes' beginnings, then those of their ends. */
export const windowAttributes = ({ dilations, padding: [top, bottom, left, right], strides }: Window) => ({
  strides,
  dilations,
  pads: [top, left, bottom, right]
})
