/**
 * Lowers the gradient of a convolution's filter: for each element of the filter, the products of the output's gradient
 * with the input shifted by that element's offset, summed over positions and over the batch.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation, Window } from "../../graph/Operation.ts"
import { channelsLast, turn, turnedWindow } from "./convolve.ts"
import { product } from "./matMul.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { channelsFirst, type Order } from "./order.ts"
import { slice } from "./shapes.ts"

type FilterGradient = Extract<Operation, { readonly kind: "convolutionFilterGradient" }>
type Shape4 = readonly [number, number, number, number]

const image = channelsFirst(4)

/** NHWC kept as CNHW. */
const batchAsChannels: Order = [3, 0, 1, 2]

export const lowerFilterGradient = (model: ModelBuilder, node: Node, { window }: FilterGradient): void => {
  const padding = exactPadding(node, window)
  const exists = window.dilations.every((dilation) => dilation === 1) && padding.every((n) => n >= 0)
  if (exists && model.optimizations.filterGradientsByConvolution) byConvolution(model, node, { ...window, padding })
  else byShifting(model, node, window)
}

/** The padding without what no window reaches; negative where windows leave rows or columns of the input itself out. */
const exactPadding = ({ inputs, outputs }: Node, { padding, strides }: Window): Window["padding"] => {
  const [, height, width] = inputs[0]!.shape as Shape4
  const [, outputHeight, outputWidth] = inputs[1]!.shape as Shape4
  const [filterHeight, filterWidth] = outputs[0]!.shape as Shape4
  const [top, , left] = padding
  const bottom = strides[0] * (outputHeight - 1) + filterHeight - height - top
  const right = strides[1] * (outputWidth - 1) + filterWidth - width - left
  return [top, bottom, left, right]
}

/**
 * As one convolution: its image is the input, its filter the output's gradient, both with the batch for channels, and its
 * result is as large as the filter. For every channel of the input to be part of the same large product, rather than an
 * image by itself with nine results, the channels lie side by side along the width, pixel after pixel, as NHWC has them;
 * a filter with gaps as wide as there are channels then meets one channel at a time. The runtime gathers the patches of
 * that product piece by piece in the processor's caches.
 *
 * With stride 1 the two may change places, which gives the filter turned by 180 degrees. The product is faster with the
 * fewer channels side by side, and its result is faster to lay out.
 */
const byConvolution = (model: ModelBuilder, node: Node, window: Window): void => {
  const [x, gradient] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const [filterHeight, filterWidth, inputs, outputs] = output.shape as Shape4
  const turned = turnedWindow(window, output.shape)

  if (inputs >= outputs && turned !== undefined) {
    const filter = correlate(model, gradient, x, turned)
    const elements = filterHeight * filterWidth
    const turnedBack = turn(model, model.reshape(filter, [inputs, elements, outputs]), 1, elements)
    model.place(output, model.reshape(turnedBack, [inputs, filterHeight, filterWidth, outputs]), [2, 0, 1, 3])
  } else {
    const filter = correlate(model, x, gradient, window)
    model.place(output, model.reshape(filter, [outputs, filterHeight, filterWidth, inputs]), [3, 0, 1, 2])
  }
}

/** [channels of `filter`, filter height, filter width * channels of `x`]. */
const correlate = (
  model: ModelBuilder,
  x: Value,
  filter: Value,
  { padding: [top, bottom, left, right], strides }: Window
): string => {
  const [batch, height, width, channels] = x.shape as Shape4
  return model.node("Conv", [
    model.reshape(channelsLast(model, x), [1, batch, height, width * channels]),
    model.inOrder(filter, batchAsChannels)
  ], {
    dilations: [strides[0], strides[1] * channels],
    pads: [top, left * channels, bottom, right * channels]
  })
}

/** One product for each element of the filter, and the input cut to where that element meets it. */
const byShifting = (model: ModelBuilder, node: Node, { dilations, padding, strides }: Window): void => {
  const [x, gradient] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const [batch, outputHeight, outputWidth, outputs] = gradient.shape as Shape4
  const [filterHeight, filterWidth, inputs] = output.shape as Shape4
  const [top, bottom, left, right] = padding
  const positions = outputHeight * outputWidth
  const dy = model.reshape(model.inOrder(gradient, image), [batch, outputs, positions])
  const padded = model.node("Pad", [model.inOrder(x, image), model.integers([0, 0, top, left, 0, 0, bottom, right])])
  const along = (axis: number, begin: number, stride: number, count: number) => ({
    axis,
    begin,
    end: begin + (count - 1) * stride + 1,
    stride
  })
  const products = Array.from({ length: filterHeight * filterWidth }, (_, i) => {
    const [row, column] = [Math.floor(i / filterWidth), i % filterWidth]
    const shifted = slice(model, padded, [
      along(2, row * dilations[0], strides[0], outputHeight),
      along(3, column * dilations[1], strides[1], outputWidth)
    ])
    const perExample = product(model, dy, model.reshape(shifted, [batch, inputs, positions]), { transposeB: true })
    return model.node("ReduceSum", [perExample, model.integers([0])], { keepdims: 1 })
  })
  const stacked = products.length === 1 ? products[0]! : model.node("Concat", products, { axis: 0 })
  model.place(output, model.reshape(stacked, [filterHeight, filterWidth, outputs, inputs]), [0, 1, 3, 2])
}
