/**
 * tfjs kernels that move elements without computing on them.
 */
import * as tf from "@tensorflow/tfjs"
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import { typeOf, UnknownKernel } from "../Tracer.ts"
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
    const { begin, size } = attributes as {
      readonly begin: number | Array<number>
      readonly size?: number | Array<number>
    }
    return slice(recorder, x, begin, size)
  },

  StridedSlice: ({ attributes, input, recorder }) => {
    const x = input("x")
    const info = tf.slice_util.sliceInfo(
      [...x.shape],
      [...numbersOf(attributes, "begin")],
      [...numbersOf(attributes, "end")],
      attributes["strides"] === undefined ? x.shape.map(() => 1) : [...numbersOf(attributes, "strides")],
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
    return pad(recorder, x, paddings, numberOf(attributes, "constantValue"))
  },

  Reverse: ({ attributes, input, recorder }) => {
    const x = input("x")
    const dims = attributes["dims"] as number | Array<number> | undefined
    const axes = tf.util.parseAxisParam(dims as number | Array<number>, [...x.shape])
    return recorder.append({ kind: "reverse", axes }, [x], x.shape, x.dtype)
  },

  MirrorPad: ({ attributes, input, recorder }) => {
    const x = input("x")
    const paddings = attributes["paddings"] as ReadonlyArray<readonly [number, number]>
    const apart = attributes["mode"] === "reflect" ? 1 : 0
    return paddings.reduce((x, [before, after], axis) => {
      if (before === 0 && after === 0) return x
      const length = x.shape[axis]!
      const places = Int32Array.from({ length: before + length + after }, (_, i) => {
        const place = i - before
        return place < 0 ? apart - 1 - place : place >= length ? 2 * length - 1 - apart - place : place
      })
      const indices = recorder.constant(places, [places.length], "int32")
      return recorder.append({ kind: "gather", axis }, [x, indices], x.shape.with(axis, places.length), x.dtype)
    }, x)
  },

  /** Channels to blocks of pixels. */
  DepthToSpace: ({ attributes, input, recorder }) => {
    const x = input("x")
    const format = attributes["dataFormat"] as string
    if (format !== "NHWC") {
      throw new UnknownKernel(`DepthToSpace with dataFormat "${format}"`, "transpose it to NHWC")
    }
    const block = numberOf(attributes, "blockSize")
    const [batch, height, width, channels] = x.shape as [number, number, number, number]
    const depth = channels / block ** 2
    const split = recorder.reshape(x, [batch, height, width, block, block, depth])
    const moved = recorder.transpose(split, [0, 1, 3, 2, 4, 5])
    return recorder.reshape(moved, [batch, height * block, width * block, depth])
  },

  SpaceToBatchND: ({ attributes, input, recorder }) => {
    const x = input("x")
    const blocks = [...numbersOf(attributes, "blockShape")]
    const paddings = attributes["paddings"] as ReadonlyArray<readonly [number, number]>
    const pairs = x.shape.map((_, axis) => paddings[axis - 1] ?? [0, 0])
    const padded = pad(recorder, x, pairs, 0)
    const [shape, count] = [[...padded.shape], sizeOf(blocks)]
    const split = recorder.reshape(padded, tf.backend_util.getReshaped(shape, blocks, count, false))
    const moved = recorder.transpose(split, tf.backend_util.getPermuted(split.shape.length, blocks.length, false))
    return recorder.reshape(moved, tf.backend_util.getReshapedPermuted(shape, blocks, count, false))
  },

  BatchToSpaceND: ({ attributes, input, recorder }) => {
    const x = input("x")
    const blocks = [...numbersOf(attributes, "blockShape")]
    const crops = attributes["crops"] as Array<Array<number>>
    const [shape, count] = [[...x.shape], sizeOf(blocks)]
    const split = recorder.reshape(x, tf.backend_util.getReshaped(shape, blocks, count))
    const moved = recorder.transpose(split, tf.backend_util.getPermuted(split.shape.length, blocks.length))
    const whole = recorder.reshape(moved, tf.backend_util.getReshapedPermuted(shape, blocks, count))
    const begin = tf.backend_util.getSliceBeginCoords(crops, blocks.length)
    const size = tf.backend_util.getSliceSize([...whole.shape], crops, blocks.length)
    return slice(recorder, whole, begin, size)
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

/** Both may be a number, or of fewer axes than there are; sizes may be left out. */
const slice = (
  recorder: Recorder,
  x: Value,
  from: number | Array<number>,
  sizes: number | Array<number> | undefined
): Value => {
  const info = { shape: [...x.shape] } as tf.TensorInfo
  const [begin, size] = tf.slice_util.parseSliceParams(info, from, sizes)
  const end = begin.map((start, axis) => start + size[axis]!)
  return recorder.append({ kind: "slice", begin, end, strides: begin.map(() => 1) }, [x], size, x.dtype)
}

const pad = (
  recorder: Recorder,
  x: Value,
  paddings: ReadonlyArray<readonly [number, number]>,
  value: number
): Value => {
  const before = paddings.map(([start]) => start)
  const after = paddings.map(([, end]) => end)
  const shape = x.shape.map((size, axis) => before[axis]! + size + after[axis]!)
  return recorder.append({ kind: "pad", before, after, value }, [x], shape, x.dtype)
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
