/**
 * Lowers the gradient of a convolution's filter: for each element of the filter, the products of the output's gradient
 * with the input shifted by that element's offset, summed over positions and over the batch.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation, Window } from "../../graph/Operation.ts"
import { channelsLast } from "./convolve.ts"
import { product } from "./matMul.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { channelsFirst } from "./order.ts"
import { slice } from "./shapes.ts"

type FilterGradient = Extract<Operation, { readonly kind: "convolutionFilterGradient" }>
type Shape4 = readonly [number, number, number, number]

const image = channelsFirst(4)

/**
 * Up to so many positions of the output, all shifted inputs are gathered into one matrix, for one large product: half the
 * time at 8x8, less than 10 % off at 16x16. Beyond, that matrix is too large for the processor's caches, and a product
 * for each shift is faster.
 */
const gatheredPositions = 256

export const lowerFilterGradient = (model: ModelBuilder, node: Node, { window }: FilterGradient): void => {
  const [, height, width] = node.inputs[1]!.shape as Shape4
  const [filterHeight, filterWidth] = node.outputs[0]!.shape as Shape4
  if (filterHeight * filterWidth > 1 && height * width <= gatheredPositions) byGathering(model, node, window)
  else byShifting(model, node, window)
}

const byGathering = (model: ModelBuilder, node: Node, { dilations, padding, strides }: Window): void => {
  const [x, gradient] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const [batch, height, width, inputs] = x.shape as Shape4
  const [, outputHeight, outputWidth, outputs] = gradient.shape as Shape4
  const [filterHeight, filterWidth] = output.shape as Shape4
  const [top, bottom, left, right] = padding
  const paddedWidth = left + width + right
  const pads = model.integers([0, top, left, 0, 0, bottom, right, 0])
  const padded = model.node("Pad", [channelsLast(model, model.inOrder(x, image), inputs), pads])

  // The row of the padded image that each position of the output meets under each element of the filter.
  const elements = filterHeight * filterWidth
  const rows = Int32Array.from({ length: outputHeight * outputWidth * elements }, (_, i) => {
    const position = Math.floor(i / elements)
    const [row, column] = [Math.floor(position / outputWidth), position % outputWidth]
    const [filterRow, filterColumn] = [Math.floor((i % elements) / filterWidth), i % filterWidth]
    return (row * strides[0] + filterRow * dilations[0]) * paddedWidth + column * strides[1] +
      filterColumn * dilations[1]
  })
  const patches = model.node("Gather", [
    model.reshape(padded, [batch, (top + height + bottom) * paddedWidth, inputs]),
    model.constant(rows, [rows.length], "int32")
  ], { axis: 1 })
  const positions = batch * outputHeight * outputWidth
  const dy = model.reshape(channelsLast(model, model.inOrder(gradient, image), outputs), [positions, outputs])
  const filter = product(model, dy, model.reshape(patches, [positions, elements * inputs]), { transposeA: true })
  model.place(output, model.reshape(filter, [outputs, filterHeight, filterWidth, inputs]), [3, 0, 1, 2])
}

const byShifting = (model: ModelBuilder, node: Node, { dilations, padding, strides }: Window): void => {
  const [x, gradient] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const [batch, outputHeight, outputWidth, outputs] = gradient.shape as Shape4
  const [filterHeight, filterWidth, inputs] = output.shape as Shape4
  const [, height, width] = x.shape as Shape4
  const [top, bottom, left, right] = padding
  const positions = outputHeight * outputWidth
  const dy = model.reshape(model.inOrder(gradient, image), [batch, outputs, positions])
  const input = model.inOrder(x, image)
  const padded = padding.every((n) => n === 0)
    ? input
    : model.node("Pad", [input, model.integers([0, 0, top, left, 0, 0, bottom, right])])

  const shifted = (row: number, column: number): string => {
    const along = [
      { axis: 2, begin: row * dilations[0], stride: strides[0], count: outputHeight, before: top, size: height },
      { axis: 3, begin: column * dilations[1], stride: strides[1], count: outputWidth, before: left, size: width }
    ]
    // Where the shift is that of the padding, the input is met as it is.
    if (along.every(({ before, begin, count, size, stride }) => begin === before && count === size && stride === 1)) {
      return input
    }
    return slice(
      model,
      padded,
      along.map(({ axis, begin, count, stride }) => ({
        axis,
        begin,
        end: begin + (count - 1) * stride + 1,
        stride
      }))
    )
  }
  const products = Array.from({ length: filterHeight * filterWidth }, (_, i) => {
    const patch = model.reshape(shifted(Math.floor(i / filterWidth), i % filterWidth), [batch, inputs, positions])
    const perExample = product(model, dy, patch, { transposeB: true })
    return model.node("ReduceSum", [perExample, model.integers([0])], { keepdims: 1 })
  })
  const stacked = products.length === 1 ? products[0]! : model.node("Concat", products, { axis: 0 })
  model.place(output, model.reshape(stacked, [filterHeight, filterWidth, outputs, inputs]), [0, 1, 3, 2])
}
