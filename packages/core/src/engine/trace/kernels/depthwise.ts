/**
 * tfjs kernels of depthwise convolutions, in which each channel has filters of its own: [height, width, channels, results
 * of each channel].
 */
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import type { Attributes, Kernels } from "./kernel.ts"
import { numbersOf } from "./kernel.ts"
import { convolutionGeometry, givenBack, seen, type Windows } from "./windows.ts"

export const depthwise: Kernels = {
  DepthwiseConv2dNative: ({ attributes, input, recorder }) => {
    const x = input("x")
    const filter = input("filter")
    const { info, window } = convolutionGeometry(attributes, x.shape, filter.shape, true)
    return recorder.append({ kind: "depthwiseConvolution", window }, [x, filter], info.outShape, "float32")
  },

  DepthwiseConv2dNativeBackpropInput: ({ attributes, input, recorder }) => {
    const filter = input("filter")
    const windows = windowsOf(attributes, numbersOf(attributes, "inputShape"), filter.shape)
    const gradient = byChannel(recorder, input("dy"), filter.shape)
    const parts = tapsOf(recorder, filter).map((tap) => sumOver(recorder, recorder.binary("mul", gradient, tap), [4]))
    return givenBack(recorder, parts, windows)
  },

  DepthwiseConv2dNativeBackpropFilter: ({ attributes, input, recorder }) => {
    const x = input("x")
    const shape = numbersOf(attributes, "filterShape")
    const gradient = byChannel(recorder, input("dy"), shape)
    const sums = seen(recorder, x, windowsOf(attributes, x.shape, shape), 0).map((part) =>
      sumOver(recorder, recorder.binary("mul", recorder.reshape(part, [...part.shape, 1]), gradient), [0, 1, 2])
    )
    const rows = sums.map((sum) => recorder.reshape(sum, [1, ...sum.shape]))
    const stacked = rows.length === 1
      ? rows[0]!
      : recorder.append({ kind: "concat", axis: 0 }, rows, rows[0]!.shape.with(0, rows.length), "float32")
    return recorder.reshape(stacked, shape)
  }
}

const windowsOf = (attributes: Attributes, image: ReadonlyArray<number>, filter: ReadonlyArray<number>): Windows => {
  const { info, window } = convolutionGeometry(attributes, image, filter, true)
  return { window, size: [filter[0]!, filter[1]!], image, count: [info.outHeight, info.outWidth] }
}

/** [batch, height, width, channels, results of each channel]. */
const byChannel = (recorder: Recorder, dy: Value, filter: ReadonlyArray<number>): Value =>
  recorder.reshape(dy, [...dy.shape.slice(0, 3), ...filter.slice(2)])

/** The filter at each of its places, row by row: [channels, results of each channel]. */
const tapsOf = (recorder: Recorder, filter: Value): ReadonlyArray<Value> => {
  const [height, width, ...rest] = filter.shape as [number, number, number, number]
  const count = height * width
  const flat = recorder.reshape(filter, [count, ...rest])
  const parts = recorder.builder.appendMany(
    { kind: "split", axis: 0, sizes: Array.from({ length: count }, () => 1) },
    [flat],
    Array.from({ length: count }, () => ({ shape: [1, ...rest], dtype: filter.dtype }))
  )
  return parts.map((part) => recorder.reshape(part, rest))
}

const sumOver = (recorder: Recorder, x: Value, axes: ReadonlyArray<number>): Value => {
  const shape = x.shape.filter((_, axis) => !axes.includes(axis))
  return recorder.append({ kind: "reduce", function: "sum", axes, keepDims: false }, [x], shape, x.dtype)
}
