/**
 * One convolution, NCHW with a filter HWIO, in the form that the runtime computes fastest.
 *
 * ONNX Runtime's fastest convolution keeps channels in blocks (its own domain `com.microsoft.nchwc`). The runtime chooses
 * it by itself for constant filters only; here it is asked for by name, with the filter brought into blocks by the
 * graph. The size of a block depends on the processor, so it is probed when the engine starts (see `probe.ts`), and
 * without an answer the plain convolution is used.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import type { Value } from "../../graph/Graph.ts"
import type { Window } from "../../graph/Operation.ts"
import { type Attributes, blockedDomain, type ModelBuilder } from "./ModelBuilder.ts"
import { channelsFirst, filterOrder, plainOrder } from "./order.ts"
import { transpose } from "./transpose.ts"
import { convolveByWinograd, filterSums, isFasterByWinograd } from "./winograd.ts"

type FilterShape = readonly [height: number, width: number, inputs: number, outputs: number]

/** A filter, in the layouts in which convolutions take it. */
export interface Filter {
  readonly shape: FilterShape
  /** [outputs, inputs, height, width]. */
  readonly plain: () => string
  /** The same in name; its innermost axes are blocks of inputs and outputs. */
  readonly inBlocks: (block: number) => string
  /** Of a filter of 3x3, the 16 sums that Winograd's algorithm takes, each a filter of 1x1 in blocks. */
  readonly sumsInBlocks: () => ReadonlyArray<string>
}

/** An image, [batch, channels, height, width]. */
export interface Image {
  readonly name: string
  readonly shape: Shape
}

/** The operator of ONNX, channels in blocks, or fewer products of these. */
export type Way = "plain" | "blocks" | "winograd"

/**
 * Appends a convolution; gives the name of its result, NCHW.
 *
 * @param bias what is added to each output, [outputs]
 */
export const convolve = (model: ModelBuilder, image: Image, filter: Filter, window: Window, bias?: string): string =>
  convolveBy(wayOf(model, image, filter, window), model, image, filter, window, bias)

const wayOf = (
  { convolutionBlock, optimizations }: ModelBuilder,
  { shape }: Image,
  filter: Filter,
  window: Window
): Way => {
  const [, , inputs, outputs] = filter.shape
  if (convolutionBlock === undefined || outputs % convolutionBlock !== 0 || inputs % convolutionBlock !== 0) {
    return "plain"
  }
  const isFaster = optimizations.winogradConvolutions &&
    isFasterByWinograd({ image: shape, filter: filter.shape, window })
  return isFaster ? "winograd" : "blocks"
}

/** Appends a convolution in a certain way. Other ways than the plain one need channels that come in whole blocks. */
export const convolveBy = (
  way: Way,
  model: ModelBuilder,
  { name, shape }: Image,
  filter: Filter,
  window: Window,
  bias?: string
): string => {
  if (way === "plain") return model.node("Conv", [name, filter.plain(), ...given(bias)], windowAttributes(window))
  const x = inBlocks(model, name)
  const result = way === "winograd"
    ? convolveByWinograd(model, x, filter.sumsInBlocks(), { image: shape, filter: filter.shape, window }, bias)
    : convolveBlocks(model, x, filter.inBlocks(model.convolutionBlock!), window, bias)
  return outOfBlocks(model, result, filter.shape[3])
}

/** Appends a convolution of an image in blocks with a filter in blocks; gives the name of its result, in blocks. */
export const convolveBlocks = (model: ModelBuilder, x: string, filter: string, window: Window, bias?: string): string =>
  model.node("Conv", [x, filter, ...given(bias)], windowAttributes(window), blockedDomain)

const given = (bias: string | undefined): ReadonlyArray<string> => bias === undefined ? [] : [bias]

/**
 * Appends the means of windows; gives the name of its result, NCHW. In blocks it takes a fifth of the time, the way there and
 * back included, or less. (Maxima do not: they are as fast without.)
 */
export const average = (model: ModelBuilder, { name, shape }: Image, attributes: Attributes): string => {
  const block = model.convolutionBlock
  const channels = shape[1]!
  return block === undefined || channels % block !== 0
    ? model.node("AveragePool", [name], attributes)
    : outOfBlocks(model, model.node("AveragePool", [inBlocks(model, name)], attributes, blockedDomain), channels)
}

/**
 * A filter of the program's. What brings images into blocks does it for the filter, with all threads: pixels are what is
 * added over, all its rows, and channels the outputs. That leaves whole blocks to be moved.
 */
export const filterOf = (model: ModelBuilder, value: Value): Filter => {
  const [height, width, inputs, outputs] = value.shape as FilterShape
  const elements = height * width
  return {
    shape: [height, width, inputs, outputs],
    plain: () => model.inOrder(value, filterOrder),
    inBlocks: (block) => {
      const plain = model.plain(value)
      // What a constant is moved to at once.
      const inBlocks = [elements, inputs / block, block, outputs / block, block]
      const constant = model.movedConstant(plain, inBlocks, [3, 1, 0, 2, 4], [outputs, inputs, height, width])
      if (constant !== undefined) return constant
      return model.once(`${plain} as a filter in blocks`, () => {
        const rows = model.reshape(plain, [1, elements * inputs, 1, outputs])
        const split = [outputs / block, elements, inputs / block, block * block]
        const blocks = model.reshape(model.node("ReorderInput", [rows], { channels_last: 1 }, blockedDomain), split)
        return model.reshape(transpose(model, blocks, split, [0, 2, 1, 3]), [outputs, inputs, height, width])
      })
    },
    sumsInBlocks: () => filterSums(model, model.plain(value), [inputs, outputs], { turned: false })
  }
}

/**
 * The filter of the convolution that goes the other way: turned by 180 degrees, with inputs and outputs exchanged.
 */
export const turnedFilterOf = (model: ModelBuilder, value: Value): Filter => {
  const [height, width, inputs, outputs] = value.shape as FilterShape
  const elements = height * width
  const turned = (filters: string) => turn(model, model.reshape(filters, [elements, inputs * outputs]), 0, elements)
  return {
    shape: [height, width, outputs, inputs],
    plain: () => {
      const exchanged = model.reshape(turned(model.inOrder(value, [0, 1, 3, 2])), [height, width, outputs, inputs])
      return model.rearrange(exchanged, [height, width, outputs, inputs], plainOrder(4), filterOrder)
    },
    inBlocks: (block) => model.reshape(exchangedBlocks(model, value, block, turned), [inputs, outputs, height, width]),
    sumsInBlocks: () => filterSums(model, model.plain(value), [inputs, outputs], { turned: true })
  }
}

/**
 * A filter with inputs and outputs exchanged, in blocks of both, [blocks, elements, of a block]: each of its elements is brought
 * into blocks as an image whose channels are the inputs, and whose pixels are the outputs.
 *
 * @param arranged puts the elements, which lie one after the other, in another order; they stay as they are unless given
 */
export const exchangedBlocks = (
  model: ModelBuilder,
  value: Value,
  block: number,
  arranged: (elements: string) => string = (elements) => elements
): string => {
  const [height, width, inputs, outputs] = value.shape as FilterShape
  const elements = height * width
  const images = model.reshape(model.plain(value), [elements, inputs, outputs, 1])
  const split = [elements, inputs * outputs / block ** 2, block * block]
  const blocks = model.reshape(arranged(model.node("ReorderInput", [images], {}, blockedDomain)), split)
  return transpose(model, blocks, split, [1, 0, 2])
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

/** An image NCHW in blocks of channels. */
export const inBlocks = (model: ModelBuilder, x: string): string =>
  model.once(blocksOf(x), () => model.node("ReorderInput", [x], {}, blockedDomain))

/** An image in blocks as NCHW; who wants it in blocks takes what it comes from. */
export const outOfBlocks = (model: ModelBuilder, blocks: string, channels: number): string => {
  const image = model.node("ReorderOutput", [blocks], { channels }, blockedDomain)
  model.know(blocksOf(image), blocks)
  return image
}

const blocksOf = (image: string): string => `${image} in blocks`

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
