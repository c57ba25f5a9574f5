/**
 * Lowers convolutions in which each channel has filters of its own.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation } from "../../graph/Operation.ts"
import { inBlocks, outOfBlocks, windowAttributes } from "./convolve.ts"
import { blockedDomain, type ModelBuilder } from "./ModelBuilder.ts"
import { channelsFirst } from "./order.ts"
import { slice } from "./shapes.ts"

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>
type Shape4 = readonly [number, number, number, number]

/** NHWC kept as NCHW. */
const image = channelsFirst(4)

export const lowerDepthwiseConvolution = (
  model: ModelBuilder,
  node: Node,
  { window }: Of<"depthwiseConvolution">
): void => {
  const [x, filter] = node.inputs as [Value, Value]
  const [height, width, channels, multiplier] = filter.shape as Shape4
  const weights = model.reshape(model.inOrder(filter, [2, 3, 0, 1]), [channels * multiplier, 1, height, width])
  const attributes = { ...windowAttributes(window), group: channels }
  model.place(node.outputs[0]!, model.node("Conv", [model.inOrder(x, image), weights], attributes), image)
}

/**
 * The gradient of the filters: one convolution of the same kind. Every channel of every example is a channel of its image, the
 * gradient of what comes of it is that channel's filter, and its result is as large as the filter was. Strides and gaps
 * in the filter change places.
 */
export const lowerDepthwiseFilterGradient = (
  model: ModelBuilder,
  node: Node,
  { window: { dilations, padding, strides } }: Of<"depthwiseFilterGradient">
): void => {
  const [x, gradient] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const [batch, filterHeight, filterWidth, channels, multiplier] = output.shape as [...Shape4, number]
  const [, height, width] = x.shape as Shape4
  const [, rows, columns] = gradient.shape as Shape4
  const [images, filters] = [batch * channels, batch * channels * multiplier]

  const given = model.reshape(model.inOrder(x, image), [1, images, height, width])
  const dy = model.inOrder(gradient, image)
  const attributes = { ...windowAttributes({ strides: dilations, dilations: strides, padding }), group: images }
  const convolved = (): string => {
    const block = model.convolutionBlock
    if (block === undefined || multiplier !== 1 || images % block !== 0) {
      return model.node("Conv", [given, model.reshape(dy, [filters, 1, rows, columns])], attributes)
    }
    // In blocks, filters of one channel each lie as an image of so many channels does.
    const weights = model.reshape(inBlocks(model, model.reshape(dy, [1, images, rows, columns])), [
      images,
      1,
      rows,
      columns
    ])
    const result = model.node("Conv", [inBlocks(model, given), weights], attributes, blockedDomain)
    return outOfBlocks(model, result, images)
  }

  // Where windows leave rows or columns of the image out, there are more results than the filter has elements.
  const filter = slice(model, convolved(), [
    { axis: 2, begin: 0, end: filterHeight, stride: 1 },
    { axis: 3, begin: 0, end: filterWidth, stride: 1 }
  ])
  const shape = [batch, channels, multiplier, filterHeight, filterWidth]
  model.place(output, model.reshape(filter, shape), [0, 3, 4, 1, 2])
}
