/**
 * Lowers convolutions and what belongs to them, all in NCHW.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation } from "../../graph/Operation.ts"
import { average, convolve, filterOf, type Image, turnedFilterOf, turnedWindow, windowAttributes } from "./convolve.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { text } from "./ModelBuilder.ts"
import { arrange, channelsFirst, filterOrder } from "./order.ts"
import { stridedInputGradient } from "./stridedInputGradient.ts"

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>
type Shape4 = readonly [number, number, number, number]

/** NHWC kept as NCHW. */
const image = channelsFirst(4)

export const lowerConvolution = (model: ModelBuilder, node: Node, { window }: Of<"convolution">): void => {
  const [x, filter, bias] = node.inputs as [Value, Value, Value?]
  const begin = bias === undefined ? undefined : byChannel(model, bias)
  model.place(node.outputs[0]!, convolve(model, imageOf(model, x), filterOf(model, filter), window, begin), image)
}

/** What is one number a channel, whatever axes of size 1 are before it, as [channels]. */
const byChannel = (model: ModelBuilder, value: Value): string =>
  value.shape.length === 1 ? model.plain(value) : model.reshape(model.plain(value), [value.shape.at(-1)!])

/**
 * The gradient of the input: a convolution of the output's gradient with the filter turned by 180 degrees, or with strides
 * several. Where neither exists, or that is switched off, it is a transposed convolution.
 */
export const lowerInputGradient = (
  model: ModelBuilder,
  node: Node,
  { window }: Of<"convolutionInputGradient">
): void => {
  const [gradient, filter] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const [filterHeight, filterWidth] = filter.shape as Shape4

  if (model.optimizations.inputGradientsByConvolution) {
    const turned = turnedWindow(window, filter.shape)
    const dx = turned === undefined
      ? stridedInputGradient(model, node, window)
      : convolve(model, imageOf(model, gradient), turnedFilterOf(model, filter), turned)
    if (dx !== undefined) return model.place(output, dx, image)
  }

  const { dilations, padding: [top, bottom, left, right], strides } = window
  const [, outputHeight, outputWidth] = gradient.shape as Shape4
  const [, height, width] = output.shape as Shape4
  const extra = [
    height - (strides[0] * (outputHeight - 1) + dilations[0] * (filterHeight - 1) + 1 - top - bottom),
    width - (strides[1] * (outputWidth - 1) + dilations[1] * (filterWidth - 1) + 1 - left - right)
  ]
  const attributes = { ...windowAttributes(window), output_padding: extra }
  const operands = [model.inOrder(gradient, image), model.inOrder(filter, filterOrder)]
  model.place(output, model.node("ConvTranspose", operands, attributes), image)
}

const imageOf = (model: ModelBuilder, value: Value): Image => ({
  name: model.inOrder(value, image),
  shape: arrange(value.shape, image)
})

export const lowerMaxPool = (model: ModelBuilder, node: Node, operation: Of<"maxPool">): void => {
  const largest = model.node("MaxPool", [model.inOrder(node.inputs[0]!, image)], poolAttributes(operation))
  model.place(node.outputs[0]!, largest, image)
}

export const lowerAveragePool = (model: ModelBuilder, node: Node, operation: Of<"averagePool">): void => {
  const means = average(model, imageOf(model, node.inputs[0]!), poolAttributes(operation))
  model.place(node.outputs[0]!, means, image)
}

const poolAttributes = ({ size, window }: Of<"averagePool" | "maxPool">) => {
  const { pads, strides } = windowAttributes(window)
  return { kernel_shape: size, strides, pads }
}

/** Each element's share of every window that it is in: a transposed convolution with ones, channel by channel. */
export const lowerAveragePoolGradient = (
  model: ModelBuilder,
  node: Node,
  { size: [height, width], window }: Of<"averagePoolGradient">
): void => {
  const [gradient] = node.inputs as [Value]
  const output = node.outputs[0]!
  const [, rows, columns, channels] = output.shape as Shape4
  const [, outputRows, outputColumns] = gradient.shape as Shape4
  const { padding: [top, bottom, left, right], strides } = window
  const down = coverage(outputRows, strides[0], height, top, rows)
  const across = coverage(outputColumns, strides[1], width, left, columns)
  const shares = model.constant(
    Float32Array.from(
      { length: outputRows * outputColumns },
      (_, i) => 1 / (down[Math.floor(i / outputColumns)]! * across[i % outputColumns]!)
    ),
    [1, 1, outputRows, outputColumns],
    "float32"
  )
  const ones = model.constant(
    new Float32Array(channels * height * width).fill(1),
    [channels, 1, height, width],
    "float32"
  )
  const extra = [
    rows - (strides[0] * (outputRows - 1) + height - top - bottom),
    columns - (strides[1] * (outputColumns - 1) + width - left - right)
  ]
  const shared = model.node("Mul", [model.inOrder(gradient, image), shares])
  const attributes = { ...windowAttributes(window), group: channels, output_padding: extra }
  model.place(output, model.node("ConvTranspose", [shared, ones], attributes), image)
}

/** For each window along an axis, how many of its elements are not padding. */
const coverage = (windows: number, stride: number, size: number, before: number, length: number) =>
  Array.from({ length: windows }, (_, i) => {
    const begin = i * stride - before
    return Math.min(begin + size, length) - Math.max(begin, 0)
  })

export const lowerUpsample = (model: ModelBuilder, node: Node, { factor }: Of<"upsampleNearest">): void => {
  const scales = model.constant([1, 1, factor, factor], [4], "float32")
  const enlarged = model.node("Resize", [model.inOrder(node.inputs[0]!, image), "", scales], {
    mode: text("nearest"),
    coordinate_transformation_mode: text("asymmetric"),
    nearest_mode: text("floor")
  })
  model.place(node.outputs[0]!, enlarged, image)
}

/** The sum over each block of repeated pixels. */
export const lowerUpsampleGradient = (
  model: ModelBuilder,
  node: Node,
  { factor }: Of<"upsampleNearestGradient">
): void => {
  const attributes = { kernel_shape: [factor, factor], strides: [factor, factor] }
  const mean = average(model, imageOf(model, node.inputs[0]!), attributes)
  model.place(node.outputs[0]!, model.node("Mul", [mean, model.scalar(factor * factor)]), image)
}
