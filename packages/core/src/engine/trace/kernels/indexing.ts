/**
 * tfjs kernels that pick elements by numbers which are tensors themselves.
 */
import * as tf from "@tensorflow/tfjs"
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import { typeOf, UnknownKernel } from "../Tracer.ts"
import type { Kernels } from "./kernel.ts"
import { numberOf, numbersOf } from "./kernel.ts"

export const indexing: Kernels = {
  GatherV2: ({ attributes, input, recorder }) => {
    const table = input("x")
    const indices = input("indices")
    const [axis] = tf.util.parseAxisParam(numberOf(attributes, "axis") ?? 0, [...table.shape]) as [number]
    const batchDims = numberOf(attributes, "batchDims") ?? 0
    if (batchDims === 0) return gather(recorder, table, indices, axis)
    if (batchDims !== 1) {
      // tfjs gives a wrong gradient for more.
      throw new UnknownKernel("gather with several batchDims", "make one axis of them with tf.reshape")
    }
    // Tables under one another are one table, in which the rows of each begin further down.
    const [count, ...own] = indices.shape as [number, ...Array<number>]
    const [before, length, after] = [table.shape.slice(1, axis), table.shape[axis]!, table.shape.slice(axis + 1)]
    const others = table.shape.map((_, i) => i).filter((i) => i > 0 && i !== axis)
    const rows = recorder.reshape(recorder.transpose(table, [0, axis, ...others]), [
      count * length,
      ...before,
      ...after
    ])
    const starts = recorder.constant(Int32Array.from({ length: count }, (_, i) => i * length), [count, 1], "int32")
    const flat = recorder.reshape(indices, [count, sizeOf(own)])
    const places = recorder.reshape(recorder.binary("add", flat, starts), [count * sizeOf(own)])
    const picked = recorder.reshape(gather(recorder, rows, places, 0), [count, ...own, ...before, ...after])
    // The axes before the gathered one come before its numbers again.
    const from = 1 + own.length
    return recorder.transpose(picked, [
      0,
      ...before.map((_, i) => from + i),
      ...own.map((_, i) => 1 + i),
      ...after.map((_, i) => from + before.length + i)
    ])
  },

  GatherNd: ({ input, recorder }) => {
    const table = input("params")
    const indices = input("indices")
    const depth = indices.shape.at(-1)!
    const rest = table.shape.slice(depth)
    const rows = recorder.reshape(table, [sizeOf(table.shape.slice(0, depth)), ...rest])
    const places = placesOf(recorder, indices, table.shape.slice(0, depth))
    return recorder.reshape(gather(recorder, rows, places, 0), [...indices.shape.slice(0, -1), ...rest])
  },

  ScatterNd: ({ attributes, input, recorder }) => {
    const shape = numbersOf(attributes, "shape")
    const indices = input("indices")
    const updates = input("updates")
    const depth = indices.shape.at(-1)!
    const [segments, rest] = [sizeOf(shape.slice(0, depth)), shape.slice(depth)]
    const places = placesOf(recorder, indices, shape.slice(0, depth))
    const rows = recorder.reshape(updates, [sizeOf(places.shape), ...rest])
    return recorder.reshape(segmentSum(recorder, rows, places, segments), shape)
  },

  UnsortedSegmentSum: ({ attributes, input, recorder }) =>
    segmentSum(recorder, input("x"), input("segmentIds"), numberOf(attributes, "numSegments")),

  OneHot: ({ attributes, input, recorder }) => {
    const indices = input("indices")
    const depth = numberOf(attributes, "depth")
    const dtype = typeOf((attributes["dtype"] ?? "int32") as tf.DataType)
    return recorder.append(
      { kind: "oneHot", depth, on: numberOf(attributes, "onValue"), off: numberOf(attributes, "offValue") },
      [indices],
      [...indices.shape, depth],
      dtype
    )
  }
}

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, size) => product * size, 1)

const gather = (recorder: Recorder, table: Value, indices: Value, axis: number): Value =>
  recorder.append(
    { kind: "gather", axis },
    [table, indices],
    table.shape.toSpliced(axis, 1, ...indices.shape),
    table.dtype
  )

const segmentSum = (recorder: Recorder, rows: Value, segmentIds: Value, segments: number): Value => {
  const shape = [segments, ...rows.shape.slice(segmentIds.shape.length)]
  return recorder.append({ kind: "segmentSum", segments }, [rows, segmentIds], shape, rows.dtype)
}

/** The place of each index [..., axes] among the elements of those axes. */
const placesOf = (recorder: Recorder, indices: Value, shape: ReadonlyArray<number>): Value => {
  const count = sizeOf(indices.shape.slice(0, -1))
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))
  const weighed = recorder.binary(
    "mul",
    recorder.reshape(indices, [count, shape.length]),
    recorder.constant(Int32Array.from(strides), [shape.length], "int32")
  )
  const operation = { kind: "reduce", function: "sum", axes: [1], keepDims: false } as const
  return recorder.append(operation, [weighed], [count], "int32")
}
