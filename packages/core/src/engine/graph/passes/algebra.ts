/**
 * Drops operations that do nothing: x + 0, x * 1, a reshape to the same shape, a cast to the same type, a slice of all.
 *
 * Every rule gives the same elements, bit for bit, except that x + 0 keeps a negative zero. Rules that would change
 * what becomes of infinities and NaNs (x * 0 = 0, x - x = 0) are left out on purpose.
 */
import { sameShape, sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../Graph.ts"
import type { Pass, RewriteContext } from "../rewrite.ts"
import { rewrite } from "../rewrite.ts"
import { fill, fillOf } from "./uniformValues.ts"

export const algebra: Pass = (graph) =>
  rewrite(graph, () => (node, context) => {
    const simpler = simplify(node, context)
    return simpler === undefined ? undefined : [simpler]
  })

const simplify = (node: Node, context: RewriteContext): Value | undefined => {
  const { operation } = node
  const input = node.inputs[0]!
  const output = node.outputs[0]!
  switch (operation.kind) {
    case "binary":
      return simplifyBinary(node, context)
    case "select":
      return narrowed(node, context)
    case "cast":
      return input.dtype === output.dtype ? input : undefined
    case "reshape": {
      if (sameShape(input.shape, output.shape)) return input
      const before = context.producer(input)
      if (before?.operation.kind !== "reshape") return undefined
      const source = before.inputs[0]!
      return sameShape(source.shape, output.shape)
        ? source
        : context.builder.append({ kind: "reshape" }, [source], output.shape, output.dtype)
    }
    case "broadcast":
      return sameShape(input.shape, output.shape) ? input : undefined
    case "tile":
      return operation.repetitions.every((count) => count === 1)
        ? input
        : operation.repetitions.every((count, axis) => count === 1 || input.shape[axis] === 1)
        ? context.builder.append({ kind: "broadcast" }, [input], output.shape, output.dtype)
        : undefined
    case "slice":
      return sameShape(input.shape, output.shape) && operation.strides.every((stride) => stride === 1)
        ? input
        : undefined
    case "pad":
      return sameShape(input.shape, output.shape) ? input : undefined
    case "concat":
      return node.inputs.length === 1 ? input : undefined
    case "split":
      return node.outputs.length === 1 ? input : undefined
    case "reduce":
      return operation.function !== "all" && operation.function !== "any" &&
          sizeOf(input.shape) === sizeOf(output.shape)
        ? reshaped(input, output, context)
        : undefined
    case "unary":
      return operation.function === "neg" ? simplifyNegation(node, context) : undefined
    default:
      return undefined
  }
}

const simplifyNegation = (node: Node, { producer }: RewriteContext): Value | undefined => {
  const before = producer(node.inputs[0]!)
  return before?.operation.kind === "unary" && before.operation.function === "neg" ? before.inputs[0]! : undefined
}

const simplifyBinary = (node: Node, context: RewriteContext): Value | undefined => {
  if (node.operation.kind !== "binary") return undefined
  const name = node.operation.function
  const [left, right] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const a = fillOf(left, context)
  const b = fillOf(right, context)

  if (b === 0 && (name === "add" || name === "sub")) return broadcastTo(left, output, context)
  if (a === 0 && name === "add") return broadcastTo(right, output, context)
  if (b === 1 && (name === "mul" || name === "div" || name === "pow")) return broadcastTo(left, output, context)
  if (a === 1 && name === "mul") return broadcastTo(right, output, context)
  if (b === 2 && name === "pow") {
    const square = context.builder.append({ kind: "unary", function: "square" }, [left], left.shape, left.dtype)
    return broadcastTo(square, output, context)
  }

  return narrowed(node, context)
}

/** What is only repeated to match need not be repeated: the operation broadcasts. */
const narrowed = ({ inputs, operation, outputs }: Node, context: RewriteContext): Value | undefined => {
  const output = outputs[0]!
  const operands = [...inputs]
  operands.forEach((value, i) => {
    if (operands.some((other, j) => j !== i && sameShape(other.shape, output.shape))) {
      operands[i] = narrow(value, context)
    }
  })
  return operands.every((value, i) => value === inputs[i])
    ? undefined
    : context.builder.append(operation, operands, output.shape, output.dtype)
}

/** The value before it was broadcast. */
const narrow = (value: Value, context: RewriteContext): Value => {
  const number = fillOf(value, context)
  if (number !== undefined) return value.shape.length === 0 ? value : fill(context, number, [], value.dtype)
  const before = context.producer(value)
  return before?.operation.kind === "broadcast" ? before.inputs[0]! : value
}

const broadcastTo = (value: Value, output: Value, { builder }: RewriteContext): Value =>
  sameShape(value.shape, output.shape)
    ? value
    : builder.append({ kind: "broadcast" }, [value], output.shape, output.dtype)

const reshaped = (value: Value, output: Value, { builder }: RewriteContext): Value =>
  sameShape(value.shape, output.shape)
    ? value
    : builder.append({ kind: "reshape" }, [value], output.shape, output.dtype)
