/**
 * Lowers convolutions, images NHWC and filters HWIO as they are recorded.
 *
 * TensorFlow computes the gradients of a convolution on a processor for two kinds of padding only, `SAME` and `VALID`, and
 * without dilation. Any other padding is laid around the image, or cut off its gradient; a dilated filter is one with
 * zeros between its elements.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Window } from "../../graph/Operation.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { text } from "./ModelBuilder.ts"
import { preciseSum } from "./reductions.ts"
import { concat, pad, slice, stridedSlice } from "./shapes.ts"

type Shape4 = readonly [number, number, number, number]

export const lowerConvolution = (model: ModelBuilder, node: Node, { window }: { readonly window: Window }): void => {
  const [x, filter] = node.inputs as [Value, Value]
  const named = namedPadding(window, x.shape as Shape4, filter.shape as Shape4)
  const padding = named === undefined
    ? { padding: text("EXPLICIT"), explicit_paddings: [0, 0, ...window.padding, 0, 0] }
    : { padding: text(named) }
  const attributes = {
    T: "float32",
    strides: [1, ...window.strides, 1],
    dilations: [1, ...window.dilations, 1]
  } as const
  model.place(
    node.outputs[0]!,
    model.node("Conv2D", [model.tensor(x), model.tensor(filter)], { ...attributes, ...padding })
  )
}

export const lowerInputGradient = (model: ModelBuilder, node: Node, { window }: { readonly window: Window }): void => {
  const [gradient, filter] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const shape = output.shape as Shape4
  const named = namedPadding(window, shape, filter.shape as Shape4)
  const [top, , left] = window.padding.slice(0, 3) as [number, number, number]
  const whole = named === undefined ? paddedShape(shape, window) : shape
  const dx = model.node(
    "Conv2DBackpropInput",
    [model.integers(whole), dilated(model, filter, window), model.tensor(gradient)],
    { T: "float32", strides: [1, ...window.strides, 1], padding: text(named ?? "VALID") }
  )
  model.place(output, named === undefined ? slice(model, dx, [0, top, left, 0], shape) : dx)
}

export const lowerFilterGradient = (model: ModelBuilder, node: Node, { window }: { readonly window: Window }): void => {
  const [x, gradient] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const shape = output.shape as Shape4
  const named = namedPadding(window, x.shape as Shape4, shape)
  const whole = dilatedShape(shape, window)
  const [top, bottom, left, right] = window.padding
  const padded = named === undefined
    ? pad(model, model.tensor(x), [[0, 0], [top, bottom], [left, right], [0, 0]])
    : model.tensor(x)
  const dFilter = model.node(
    "Conv2DBackpropFilter",
    [padded, model.integers(whole), model.tensor(gradient)],
    { T: "float32", strides: [1, ...window.strides, 1], padding: text(named ?? "VALID") }
  )
  model.place(
    output,
    isDilated(window)
      ? stridedSlice(model, dFilter, { begin: [0, 0, 0, 0], end: whole, strides: [...window.dilations, 1, 1] })
      : dFilter
  )
}

/** TensorFlow has it for strides that are the same down and across, and on a processor without dilation. */
export const lowerDepthwiseConvolution = (
  model: ModelBuilder,
  node: Node,
  { window }: { readonly window: Window }
): void => {
  const [x, filter] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const shape = x.shape as Shape4
  const [batch, rows, columns, results] = output.shape as Shape4
  const [down, across] = window.strides
  const isEven = down === across
  const named = isEven ? namedPadding(window, shape, filter.shape as Shape4) : undefined
  const [top, bottom, left, right] = window.padding
  const image = named === undefined
    ? pad(model, model.tensor(x), [[0, 0], [top, bottom], [left, right], [0, 0]])
    : model.tensor(x)
  const convolved = model.node("DepthwiseConv2dNative", [image, dilated(model, filter, window)], {
    T: "float32",
    strides: isEven ? [1, down, across, 1] : [1, 1, 1, 1],
    padding: text(named ?? "VALID")
  })
  if (isEven) return model.place(output, convolved)
  const end = [batch, (rows - 1) * down + 1, (columns - 1) * across + 1, results]
  model.place(output, stridedSlice(model, convolved, { begin: [0, 0, 0, 0], end, strides: [1, down, across, 1] }))
}

/**
 * The sums of products with what meets an element of the filter, element by element. TensorFlow has the gradient as one, but
 * not on a GPU where it is to be the same each time.
 */
export const lowerDepthwiseFilterGradient = (
  model: ModelBuilder,
  node: Node,
  { window: { dilations, padding: [top, bottom, left, right], strides } }: { readonly window: Window }
): void => {
  const [x, gradient] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const [batch, height, width, channels, multiplier] = output.shape as [...Shape4, number]
  const [, rows, columns] = gradient.shape as Shape4
  const padded = pad(model, model.tensor(x), [[0, 0], [top, bottom], [left, right], [0, 0]])
  const shape = [batch, rows, columns, channels, multiplier]
  const dy = model.reshape(model.tensor(gradient), shape)
  const sums = Array.from({ length: height * width }, (_, i) => {
    const [down, across] = [Math.floor(i / width) * dilations[0], (i % width) * dilations[1]]
    const met = stridedSlice(model, padded, {
      begin: [0, down, across, 0],
      end: [batch, down + (rows - 1) * strides[0] + 1, across + (columns - 1) * strides[1] + 1, channels],
      strides: [1, ...strides, 1]
    })
    const products = model.node("Mul", [model.reshape(met, [batch, rows, columns, channels, 1]), dy], { T: "float32" })
    const sum = preciseSum(model, products, { of: "sum", shape, axes: [1, 2], result: [batch, channels, multiplier] })
    return model.reshape(sum, [batch, 1, channels, multiplier])
  })
  model.place(output, model.reshape(concat(model, sums, 1), output.shape))
}

/** TensorFlow's name for the window's padding, if it has one. */
export const namedPadding = (
  { dilations, padding, strides }: Window,
  [, height, width]: Shape4,
  [filterHeight, filterWidth]: readonly [number, number, ...ReadonlyArray<number>]
): "SAME" | "VALID" | undefined => {
  if (padding.every((zeros) => zeros === 0)) return "VALID"
  const same = [
    ...samePadding(height, strides[0], dilations[0] * (filterHeight - 1) + 1),
    ...samePadding(width, strides[1], dilations[1] * (filterWidth - 1) + 1)
  ]
  return padding.every((zeros, i) => zeros === same[i]) ? "SAME" : undefined
}

/**
 * Zeros before and after an axis so that its result is as long as itself, divided by the stride and rounded up
 * (TensorFlow's documentation of `tf.nn`, "Padding").
 */
const samePadding = (length: number, stride: number, reach: number): readonly [number, number] => {
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach - length)
  return [Math.floor(total / 2), Math.ceil(total / 2)]
}

export const paddedShape = ([batch, height, width, channels]: Shape4, { padding }: Window): Shape4 => {
  const [top, bottom, left, right] = padding
  return [batch, height + top + bottom, width + left + right, channels]
}

const isDilated = ({ dilations }: Window): boolean => dilations.some((dilation) => dilation !== 1)

const dilatedShape = ([height, width, inputs, outputs]: Shape4, { dilations }: Window): Shape4 => [
  dilations[0] * (height - 1) + 1,
  dilations[1] * (width - 1) + 1,
  inputs,
  outputs
]

/** A filter with the zeros between its elements that the window's dilation stands for. */
const dilated = (model: ModelBuilder, filter: Value, window: Window): string => {
  const name = model.tensor(filter)
  if (!isDilated(window)) return name
  const [height, width, inputs, outputs] = filter.shape as Shape4
  const [down, across] = window.dilations
  const apart = pad(
    model,
    model.reshape(name, [height, 1, width, 1, inputs * outputs]),
    [[0, 0], [0, down - 1], [0, 0], [0, across - 1], [0, 0]]
  )
  const whole = model.reshape(apart, [height * down, width * across, inputs, outputs])
  return slice(model, whole, [0, 0, 0, 0], dilatedShape(filter.shape as Shape4, window))
}
