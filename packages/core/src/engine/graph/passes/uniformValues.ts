/**
 * Finds tensors all of whose elements are one known number, and keeps the number in place of the tensor.
 *
 * Reverse-mode differentiation in tfjs makes many of these: a tensor of ones for every mean, a tensor of zeros for every
 * untouched branch, each as large as an activation.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value, ValueType } from "../Graph.ts"
import type { BinaryFunction, ReduceFunction, UnaryFunction } from "../Operation.ts"
import type { Pass, RewriteContext } from "../rewrite.ts"
import { rewrite } from "../rewrite.ts"

export const uniformValues: Pass = (graph) =>
  rewrite(graph, () => (node, context) => {
    if (node.outputs.length !== 1 || node.operation.kind === "fill") return undefined
    const output = node.outputs[0]!
    const value = uniformValue(node, context)
    return value === undefined ? undefined : [fill(context, value, output.shape, output.dtype)]
  })

/** The number that every element of the node's output is, if it is known. */
const uniformValue = (node: Node, context: RewriteContext): number | undefined => {
  const of = (index: number): number | undefined => fillOf(node.inputs[index]!, context)
  const { operation } = node
  switch (operation.kind) {
    case "constant":
      return operation.data.length > 0 && operation.data.every((x) => Object.is(x, operation.data[0]))
        ? operation.data[0]
        : undefined
    case "reshape":
    case "transpose":
    case "broadcast":
    case "tile":
    case "slice":
    case "reverse":
      return of(0)
    case "cast": {
      const x = of(0)
      return x === undefined ? undefined : castNumber(x, node.outputs[0]!.dtype)
    }
    case "pad":
      return of(0) === operation.value ? operation.value : undefined
    case "concat": {
      const first = of(0)
      return node.inputs.every((_, i) => Object.is(of(i), first)) ? first : undefined
    }
    case "unary": {
      const x = of(0)
      return x === undefined ? undefined : unary[operation.function]?.(x)
    }
    case "binary": {
      const a = of(0)
      const b = of(1)
      if (a === undefined || b === undefined) return undefined
      const result = binary[operation.function]?.(a, b)
      return result === undefined || node.outputs[0]!.dtype === "float32" ? result : Math.trunc(result)
    }
    case "reduce": {
      const x = of(0)
      if (x === undefined) return undefined
      const count = sizeOf(node.inputs[0]!.shape) / sizeOf(node.outputs[0]!.shape)
      return reduce[operation.function]?.(x, count)
    }
    default:
      return undefined
  }
}

/** The number of a `fill`, if the value is one. */
export const fillOf = (value: Value, { producer }: RewriteContext): number | undefined => {
  const node = producer(value)
  return node?.operation.kind === "fill" ? node.operation.value : undefined
}

/** Appends a tensor of one number; float32 numbers are rounded as the tensor's elements would be. */
export const fill = ({ builder }: RewriteContext, value: number, shape: Shape, dtype: ValueType): Value =>
  builder.append({ kind: "fill", value: dtype === "float32" ? Math.fround(value) : value }, [], shape, dtype)

const castNumber = (x: number, dtype: ValueType): number =>
  dtype === "float32" ? Math.fround(x) : dtype === "int32" ? Math.trunc(x) : x === 0 ? 0 : 1

/** Only what is exact, or rounds as float32 arithmetic does, is computed ahead. */
const unary: { readonly [F in UnaryFunction]?: (x: number) => number } = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  logicalNot: (x) => (x === 0 ? 1 : 0),
  neg: (x) => -x,
  reciprocal: (x) => 1 / x,
  relu: (x) => Math.max(x, 0),
  sign: Math.sign,
  sqrt: Math.sqrt,
  square: (x) => x * x
}

const binary: { readonly [F in BinaryFunction]?: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  mul: (a, b) => a * b,
  sub: (a, b) => a - b
}

const reduce: { readonly [F in ReduceFunction]?: (x: number, count: number) => number } = {
  all: (x) => x,
  any: (x) => x,
  max: (x) => x,
  mean: (x) => x,
  min: (x) => x,
  sum: (x, count) => x * count
}
