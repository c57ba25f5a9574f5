/**
 * tfjs kernels of pooling.
 */
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import type { Kernels } from "./kernel.ts"
import { givenBack, poolGeometry, seen, type Windows } from "./windows.ts"

export const pooling: Kernels = {
  AvgPool: ({ attributes, input, recorder }) => {
    const x = input("x")
    const { info, size, window } = poolGeometry(attributes, x.shape)
    return recorder.append({ kind: "averagePool", window, size }, [x], info.outShape, "float32")
  },

  AvgPoolGrad: ({ attributes, input, recorder }) => {
    const x = input("input")
    const { size, window } = poolGeometry(attributes, x.shape)
    return recorder.append({ kind: "averagePoolGradient", window, size }, [input("dy")], x.shape, "float32")
  },

  MaxPool: ({ attributes, input, recorder }) => {
    const x = input("x")
    const { info, size, window } = poolGeometry(attributes, x.shape)
    const operation = { kind: "maxPool", window, size } as const
    return recorder.cast(recorder.append(operation, [recorder.cast(x, "float32")], info.outShape, "float32"), x.dtype)
  },

  /** The gradient goes to the largest element of a window, and to the first where several are equal. */
  MaxPoolGrad: ({ attributes, input, recorder }) => {
    const x = input("input")
    const result = input("output")
    const gradient = input("dy")
    const { info, size, window } = poolGeometry(attributes, x.shape)
    const windows: Windows = { window, size, image: x.shape, count: [info.outHeight, info.outWidth] }
    const zero = recorder.fill(0, [], gradient.dtype)
    // Outside of the image there is what no maximum is.
    const hits = seen(recorder, x, windows, -Infinity).map((part) => recorder.binary("equal", part, result))
    return givenBack(recorder, firstOf(recorder, hits).map((hit) => select(recorder, hit, gradient, zero)), windows)
  }
}

/** Of conditions, whether each holds and none before it. */
const firstOf = (recorder: Recorder, conditions: ReadonlyArray<Value>): ReadonlyArray<Value> => {
  let before: Value | undefined
  return conditions.map((condition) => {
    const first = before === undefined
      ? condition
      : recorder.binary("logicalAnd", condition, recorder.unary("logicalNot", before))
    before = before === undefined ? condition : recorder.binary("logicalOr", before, condition)
    return first
  })
}

const select = (recorder: Recorder, condition: Value, whenTrue: Value, whenFalse: Value): Value =>
  recorder.append({ kind: "select" }, [condition, whenTrue, whenFalse], condition.shape, whenTrue.dtype)
