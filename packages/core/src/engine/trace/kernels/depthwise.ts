/**
 * tfjs kernels of depthwise convolutions, in which each channel has filters of its own: [height, width, channels, results
 * of each channel].
 */
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import { type Kernels, numbersOf } from "./kernel.ts"
import { apart, convolutionGeometry, paddedShape, type Shape4, type Windows, withoutPadding } from "./windows.ts"

export const depthwise: Kernels = {
  DepthwiseConv2dNative: ({ attributes, input, recorder }) => {
    const x = input("x")
    const filter = input("filter")
    const { count, window } = convolutionGeometry(attributes, x.shape, filter.shape)
    const shape = [x.shape[0]!, ...count, filter.shape[2]! * filter.shape[3]!]
    return recorder.append({ kind: "depthwiseConvolution", window }, [x, filter], shape, "float32")
  },

  /** A depthwise convolution of the gradient, its pixels apart by the strides, with filters turned by 180 degrees. */
  DepthwiseConv2dNativeBackpropInput: ({ attributes, input, recorder }) => {
    const filter = input("filter")
    const [height, width, channels, multiplier] = filter.shape as Shape4
    const results = channels * multiplier
    const image = numbersOf(attributes, "inputShape")
    const windows: Windows = { ...convolutionGeometry(attributes, image, filter.shape, input("dy").shape), image }
    const { window: { dilations, padding: [top, bottom, left, right], strides } } = windows
    const gradient = apart(recorder, input("dy"), strides)
    const reach = [dilations[0] * (height - 1), dilations[1] * (width - 1)] as const
    // What lies further outside than a filter reaches is computed as well, and cut off.
    const isWithin = [top, bottom].every((zeros) => zeros <= reach[0]) &&
      [left, right].every((zeros) => zeros <= reach[1])
    const [batch, rows, columns] = isWithin ? windows.image : paddedShape(windows)
    const before = isWithin ? [reach[0] - top, reach[1] - left] as const : reach
    const padding = [
      before[0],
      rows! - gradient.shape[1]! + reach[0] - before[0],
      before[1],
      columns! - gradient.shape[2]! + reach[1] - before[1]
    ] as const
    const flat = recorder.reshape(filter, [height, width, results, 1])
    const turned = recorder.append({ kind: "reverse", axes: [0, 1] }, [flat], flat.shape, "float32")
    const each = recorder.append(
      { kind: "depthwiseConvolution", window: { strides: [1, 1], dilations, padding } },
      [gradient, turned],
      [batch!, rows!, columns!, results],
      "float32"
    )
    const sum = multiplier === 1
      ? each
      : sumOver(recorder, recorder.reshape(each, [batch!, rows!, columns!, channels, multiplier]), [4])
    return isWithin ? sum : withoutPadding(recorder, sum, windows)
  },

  DepthwiseConv2dNativeBackpropFilter: ({ attributes, input, recorder }) => {
    const [x, gradient] = [input("x"), input("dy")]
    const shape = numbersOf(attributes, "filterShape")
    const { window } = convolutionGeometry(attributes, x.shape, shape, gradient.shape)
    const operation = { kind: "depthwiseFilterGradient", window } as const
    const each = recorder.append(operation, [x, gradient], [x.shape[0]!, ...shape], "float32")
    return sumOver(recorder, each, [0])
  }
}

const sumOver = (recorder: Recorder, x: Value, axes: ReadonlyArray<number>): Value => {
  const shape = x.shape.filter((_, axis) => !axes.includes(axis))
  return recorder.append({ kind: "reduce", function: "sum", axes, keepDims: false }, [x], shape, x.dtype)
}
