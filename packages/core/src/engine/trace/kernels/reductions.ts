/**
 * tfjs kernels that reduce or scan axes.
 */
import * as tf from "@tensorflow/tfjs"
import type { Value } from "../../graph/Graph.ts"
import type { ReduceFunction } from "../../graph/Operation.ts"
import type { Attributes, Kernels, RecordKernel } from "./kernel.ts"
import { flagOf, numberOf } from "./kernel.ts"

/** No axes given means all of them. tf.max has a name of its own for them. */
const axesOf = (attributes: Attributes, x: Value): Array<number> =>
  tf.util.parseAxisParam((attributes["reductionIndices"] ?? attributes["axis"]) as number | Array<number>, [...x.shape])

const reduce = (name: ReduceFunction): RecordKernel => ({ attributes, input, recorder }) => {
  // A mean of integers is not an integer.
  const x = name === "mean" ? recorder.cast(input("x"), "float32") : input("x")
  const axes = axesOf(attributes, x)
  const keepDims = flagOf(attributes, "keepDims")
  const shape = keepDims
    ? x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : x.shape.filter((_, axis) => !axes.includes(axis))
  return recorder.append({ kind: "reduce", function: name, axes, keepDims }, [x], shape, x.dtype)
}

const argument = (kind: "argMax" | "argMin"): RecordKernel => ({ attributes, input, recorder }) => {
  const x = input("x")
  const [axis] = axesOf(attributes, x)
  return recorder.append({ kind, axis: axis! }, [x], x.shape.toSpliced(axis!, 1), "int32")
}

export const reductions: Kernels = {
  All: reduce("all"),
  Any: reduce("any"),
  Max: reduce("max"),
  Mean: reduce("mean"),
  Min: reduce("min"),
  Prod: reduce("prod"),
  Sum: reduce("sum"),
  ArgMax: argument("argMax"),
  ArgMin: argument("argMin"),

  TopK: ({ attributes, input, recorder }) => {
    const x = input("x")
    const count = numberOf(attributes, "k")
    const shape = [...x.shape.slice(0, -1), count]
    return recorder.builder.appendMany({ kind: "largest", count }, [x], [
      { shape, dtype: x.dtype },
      { shape, dtype: "int32" }
    ])
  },

  Cumsum: ({ attributes, input, recorder }) => {
    const x = input("x")
    const [axis] = axesOf(attributes, x) as [number]
    const exclusive = flagOf(attributes, "exclusive")
    const reverse = flagOf(attributes, "reverse")
    return recorder.append({ kind: "cumulativeSum", axis, exclusive, reverse }, [x], x.shape, x.dtype)
  }
}
