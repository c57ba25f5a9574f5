/**
 * tfjs kernels that move elements without computing on them.
 */
import * as tf from "@tensorflow/tfjs"
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import { typeOf } from "../Tracer.ts"
import type { Attributes, Kernels } from "./kernel.ts"
import { numberOf, numbersOf } from "./kernel.ts"

export const shapes: Kernels = {
  Reshape: ({ attributes, input, recorder }) => {
    const x = input("x")
    return recorder.reshape(x, tf.util.inferFromImplicitShape([...numbersOf(attributes, "shape")], sizeOf(x.shape)))
  },

  ExpandDims: ({ attributes, input, recorder }) => {
    const x = input("input")
    const dim = numberOf(attributes, "dim")
    const axis = dim < 0 ? x.shape.length + dim + 1 : dim
    return recorder.reshape(x, x.shape.toSpliced(axis, 0, 1))
  },

  Transpose: ({ attributes, input, recorder }) => recorder.transpose(input("x"), numbersOf(attributes, "perm")),

  BroadcastTo: ({ attributes, input, recorder }) => {
    const x = input("x")
    return recorder.append({ kind: "broadcast" }, [x], numbersOf(attributes, "shape"), x.dtype)
  },

  Tile: ({ attributes, input, recorder }) => {
    const x = input("x")
    const repetitions = numbersOf(attributes, "reps")
    const shape = x.shape.map((size, axis) => size * repetitions[axis]!)
    return recorder.append({ kind: "tile", repetitions }, [x], shape, x.dtype)
  },

  Concat: ({ attributes, inputs, recorder }) => concat(recorder, inputs, axisOf(attributes, inputs[0]!)),

  Pack: ({ attributes, inputs, recorder }) => {
    const given = numberOf(attributes, "axis")
    const axis = given < 0 ? inputs[0]!.shape.length + 1 + given : given
    return concat(recorder, inputs.map((x) => recorder.reshape(x, x.shape.toSpliced(axis, 0, 1))), axis)
  },

  Unpack: ({ attributes, input, recorder }) => {
    const x = input("value")
    const axis = axisOf(attributes, x)
    const parts = split(recorder, x, axis, Array.from({ length: x.shape[axis]! }, () => 1))
    return parts.map((part) => recorder.reshape(part, x.shape.toSpliced(axis, 1)))
  },

  SplitV: ({ attributes, input, recorder }) => {
    const x = input("x")
    const axis = axisOf(attributes, x)
    const given = attributes["numOrSizeSplits"]
    const sizes = typeof given === "number"
      ? Array.from({ length: given }, () => x.shape[axis]! / given)
      : withoutImplicit(numbersOf(attributes, "numOrSizeSplits"), x.shape[axis]!)
    return split(recorder, x, axis, sizes)
  },

  Slice: ({ attributes, input, recorder }) => {
    const x = input("x")
    const begin = numbersOf(attributes, "begin")
    const size = numbersOf(attributes, "size").map((n, axis) => (n === -1 ? x.shape[axis]! - begin[axis]! : n))
    const end = begin.map((start, axis) => start + size[axis]!)
    return recorder.append({ kind: "slice", begin, end, strides: begin.map(() => 1) }, [x], size, x.dtype)
  },

  StridedSlice: ({ attributes, input, recorder }) => {
    const x = input("x")
    const info = tf.slice_util.sliceInfo(
      [...x.shape],
      [...numbersOf(attributes, "begin")],
      [...numbersOf(attributes, "end")],
      [...numbersOf(attributes, "strides")],
      numberOf(attributes, "beginMask"),
      numberOf(attributes, "endMask"),
      numberOf(attributes, "ellipsisMask"),
      numberOf(attributes, "newAxisMask"),
      numberOf(attributes, "shrinkAxisMask")
    )
    if (info.isIdentity) return recorder.reshape(x, info.finalShape)
    const shape = tf.slice_util.computeOutShape(info.begin, info.end, info.strides)
    const sliced = recorder.append(
      { kind: "slice", begin: info.begin, end: info.end, strides: info.strides },
      [x],
      shape,
      x.dtype
    )
    return recorder.reshape(sliced, info.finalShape)
  },

  PadV2: ({ attributes, input, recorder }) => {
    const x = input("x")
    const paddings = attributes["paddings"] as ReadonlyArray<readonly [number, number]>
    const before = paddings.map(([start]) => start)
    const after = paddings.map(([, end]) => end)
    const shape = x.shape.map((size, axis) => before[axis]! + size + after[axis]!)
    const value = numberOf(attributes, "constantValue")
    return recorder.append({ kind: "pad", before, after, value }, [x], shape, x.dtype)
  },

  Reverse: ({ attributes, input, recorder }) => {
    const x = input("x")
    const axes = tf.util.parseAxisParam([...numbersOf(attributes, "dims")], [...x.shape])
    return recorder.append({ kind: "reverse", axes }, [x], x.shape, x.dtype)
  },

  GatherV2: ({ attributes, input, recorder }) => {
    const table = input("x")
    const indices = input("indices")
    if (numberOf(attributes, "batchDims") !== 0) throw new RangeError("tf.gather with batchDims is not supported")
    const axis = axisOf(attributes, table)
    const shape = table.shape.toSpliced(axis, 1, ...indices.shape)
    return recorder.append({ kind: "gather", axis }, [table, indices], shape, table.dtype)
  },

  UnsortedSegmentSum: ({ attributes, input, recorder }) => {
    const rows = input("x")
    const segmentIds = input("segmentIds")
    const segments = numberOf(attributes, "numSegments")
    const shape = [segments, ...rows.shape.slice(segmentIds.shape.length)]
    return recorder.append({ kind: "segmentSum", segments }, [rows, segmentIds], shape, rows.dtype)
  },

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
  },

  Fill: ({ attributes, recorder }) =>
    recorder.fill(
      numberOf(attributes, "value"),
      numbersOf(attributes, "shape"),
      typeOf((attributes["dtype"] ?? "float32") as tf.DataType)
    ),

  Range: ({ attributes, recorder }) => {
    const start = numberOf(attributes, "start")
    const stop = numberOf(attributes, "stop")
    const step = numberOf(attributes, "step")
    const length = Math.max(0, Math.ceil((stop - start) / step))
    const elements = Array.from({ length }, (_, i) => start + i * step)
    return attributes["dtype"] === "int32"
      ? recorder.constant(Int32Array.from(elements), [length], "int32")
      : recorder.constant(Float32Array.from(elements), [length], "float32")
  },

  LinSpace: ({ attributes, recorder }) => {
    const start = numberOf(attributes, "start")
    const length = numberOf(attributes, "num")
    const step = length > 1 ? (numberOf(attributes, "stop") - start) / (length - 1) : 0
    return recorder.constant(Float32Array.from({ length }, (_, i) => start + i * step), [length], "float32")
  }
}

const axisOf = (attributes: Attributes, x: Value): number => {
  const axis = numberOf(attributes, "axis") ?? 0
  return axis < 0 ? x.shape.length + axis : axis
}

const concat = (recorder: Recorder, given: ReadonlyArray<Value>, axis: number): Value => {
  const inputs = given.filter((x) => sizeOf(x.shape) > 0)
  if (inputs.length === 0) return given[0]!
  const size = inputs.reduce((sum, x) => sum + x.shape[axis]!, 0)
  return recorder.append({ kind: "concat", axis }, inputs, inputs[0]!.shape.with(axis, size), inputs[0]!.dtype)
}

const split = (recorder: Recorder, x: Value, axis: number, sizes: ReadonlyArray<number>): ReadonlyArray<Value> =>
  recorder.builder.appendMany(
    { kind: "split", axis, sizes },
    [x],
    sizes.map((size) => ({ shape: x.shape.with(axis, size), dtype: x.dtype }))
  )

/** One size may be -1: the rest. */
const withoutImplicit = (sizes: ReadonlyArray<number>, total: number): ReadonlyArray<number> => {
  const rest = total - sizes.filter((size) => size !== -1).reduce((sum, size) => sum + size, 0)
  return sizes.map((size) => (size === -1 ? rest : size))
}
