/**
 * Lowers the gradient of the input of a convolution with strides, on blocked channels.
 *
 * Of the pixels of the input, those that are a stride apart meet the same elements of the filter, and are what a
 * convolution without strides makes of the output's gradient with these elements. There are as many such convolutions as
 * the stride has places ("sub-pixel convolution", Shi et al. 2016), and their results are interleaved. Together they
 * multiply what has to be multiplied, and use all threads; the runtime's transposed convolution does not.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Window } from "../../graph/Operation.ts"
import { convolveBlocks, exchangedBlocks, inBlocks, outOfBlocks } from "./convolve.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { channelsFirst } from "./order.ts"
import { interleave } from "./shapes.ts"

type Shape4 = readonly [number, number, number, number]

/** The pixels along an axis that begin at one place of the stride. */
interface Phase {
  /** The elements of the filter that they meet, in the order in which those lie over the output's gradient. */
  readonly elements: ReadonlyArray<number>
  /** Zeros before and after that gradient. */
  readonly padding: readonly [number, number]
}

/**
 * Appends the gradient; gives its name, NCHW. There is none without blocks, with dilation, where the strides do not divide
 * the input or are longer than the filter, or with more padding than a phase's part of the filter reaches.
 */
export const stridedInputGradient = (model: ModelBuilder, node: Node, window: Window): string | undefined => {
  const [gradient, filter] = node.inputs as [Value, Value]
  const [batch, height, width, inputs] = node.outputs[0]!.shape as Shape4
  const [filterHeight, filterWidth, , outputs] = filter.shape as Shape4
  const { dilations, padding: [top, , left], strides } = window
  const block = model.convolutionBlock
  const fits = block !== undefined && inputs % block === 0 && outputs % block === 0 &&
    dilations.every((dilation) => dilation === 1)
  const down = phases(filterHeight, strides[0], top, height, gradient.shape[1]!)
  const across = phases(filterWidth, strides[1], left, width, gradient.shape[2]!)
  if (!fits || down === undefined || across === undefined) return undefined

  const dy = inBlocks(model, model.inOrder(gradient, channelsFirst(4)))
  const blocks = exchangedBlocks(model, filter, block)
  const convolved = (rows: Phase, columns: Phase): string => {
    const elements = rows.elements.flatMap((row) => columns.elements.map((column) => row * filterWidth + column))
    const some = model.node("Gather", [blocks, model.integers(elements)], { axis: 1 })
    const weights = model.reshape(some, [inputs, outputs, rows.elements.length, columns.elements.length])
    const padding = [...rows.padding, ...columns.padding] as const
    return convolveBlocks(model, dy, weights, { strides: [1, 1], dilations: [1, 1], padding })
  }
  // A pixel is a block of channels, and a row all its pixels.
  const row = (rows: Phase) => interleave(model, across.map((columns) => convolved(rows, columns)), block)
  const image = interleave(model, down.map(row), width * block)
  return outOfBlocks(model, model.reshape(image, [batch, inputs, height, width]), inputs)
}

/** The phases along an axis of `length` pixels, whose gradient has `outputs`; undefined where one has nothing to do. */
const phases = (
  size: number,
  stride: number,
  before: number,
  length: number,
  outputs: number
): ReadonlyArray<Phase> | undefined => {
  // Pixel i and element k are met by output j where i + before = stride j + k.
  const found = Array.from({ length: stride }, (_, place): Phase => {
    const first = (place + before) % stride
    const count = Math.max(0, Math.ceil((size - first) / stride))
    const elements = Array.from({ length: count }, (_, i) => first + stride * (count - 1 - i))
    const ahead = Math.floor((place + before) / stride)
    return { elements, padding: [count - 1 - ahead, length / stride + ahead - outputs] }
  })
  const exist = length % stride === 0 &&
    found.every(({ elements, padding }) => elements.length > 0 && padding.every((n) => n >= 0))
  return exist ? found : undefined
}
