/**
 * Lowers elementwise operations. They work in whatever order their operands are kept in.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import { sameShape } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import type { BinaryFunction, UnaryFunction } from "../../graph/Operation.ts"
import { dataTypes } from "../internal/schema.ts"
import type { OnnxType } from "../Model.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { float, microsoft } from "./ModelBuilder.ts"
import type { Order } from "./order.ts"
import { isPlain, plainOrder } from "./order.ts"

export const lowerUnary = (model: ModelBuilder, node: Node, name: UnaryFunction): void => {
  const [x] = node.inputs as [Value]
  const { name: input, order } = model.placement(x)
  model.place(node.outputs[0]!, unary(model, name, input, x), order)
}

export const lowerBinary = (model: ModelBuilder, node: Node, name: BinaryFunction): void => {
  const [a] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const order = commonOrder(model, node.inputs, output)
  const [left, right] = operandsOf(model, node, order) as [string, string]
  model.place(output, binary(model, name, left, right, a), order)
}

export const lowerSelect = (model: ModelBuilder, node: Node): void => {
  const output = node.outputs[0]!
  const order = commonOrder(model, node.inputs, output)
  model.place(output, model.node("Where", operandsOf(model, node, order)), order)
}

export const lowerCast = (model: ModelBuilder, node: Node): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  const { name, order } = model.placement(x)
  model.place(output, cast(model, name, output.dtype), order)
}

export const cast = (model: ModelBuilder, name: string, dtype: OnnxType): string =>
  model.node("Cast", [name], { to: dataTypes[dtype] })

/**
 * The order that the result of an elementwise operation is kept in: that of the first operand of the result's shape
 * which an operation has rearranged, so that images stay as convolutions made them.
 */
export const commonOrder = (model: ModelBuilder, operands: ReadonlyArray<Value>, output: Value): Order => {
  const orders = operands
    .filter((operand) => sameShape(operand.shape, output.shape))
    .map((operand) => model.orderOf(operand))
  return orders.find((order) => order !== undefined && !isPlain(order)) ?? plainOrder(output.shape.length)
}

/**
 * The operands of an elementwise operation. One that is a single number throughout is given as a scalar, unless its shape
 * is what gives the result its shape.
 */
const operandsOf = (model: ModelBuilder, { inputs, outputs }: Node, order: Order): ReadonlyArray<string> => {
  const shape = inputs
    .filter((input) => model.fillOf(input) === undefined)
    .reduce<Shape>((shape, input) => broadcastShape(shape, input.shape), [])
  const shaped = sameShape(shape, outputs[0]!.shape)
  return inputs.map((input) => shaped ? model.operand(input, order) : model.tensorOperand(input, order))
}

const broadcastShape = (a: Shape, b: Shape): Shape => {
  const rank = Math.max(a.length, b.length)
  const sizeAt = (shape: Shape, axis: number) => shape[axis - rank + shape.length] ?? 1
  return Array.from({ length: rank }, (_, axis) => sizeAt(a, axis) === 1 ? sizeAt(b, axis) : sizeAt(a, axis))
}

const unary = (model: ModelBuilder, name: UnaryFunction, x: string, { dtype }: Value): string => {
  switch (name) {
    case "isFinite":
      return model.node("Not", [model.node("Or", [model.node("IsNaN", [x]), model.node("IsInf", [x])])])
    case "rsqrt":
      return model.node("Reciprocal", [model.node("Sqrt", [x])])
    case "sigmoid":
      // ONNX Runtime's own is right to 1e-7 of 1: of sigmoid(-15) a sixth is wrong, and from -18 on it is 0. Probabilities
      // and variances are small numbers that are divided by. (SiLU, which has its own kernel, multiplies it by x.)
      return model.node("Reciprocal", [
        model.node("Add", [model.node("Exp", [model.node("Neg", [x])]), model.scalar(1, dtype)])
      ])
    case "silu":
      return model.node("QuickGelu", [x], { alpha: float(1) }, microsoft)
    case "square":
      return model.node("Mul", [x, x])
    case "relu":
      return model.node("Max", [x, model.scalar(0, dtype)])
    default:
      return model.node(unaryOperators[name], [x])
  }
}

const unaryOperators: {
  readonly [F in Exclude<UnaryFunction, "isFinite" | "rsqrt" | "sigmoid" | "silu" | "square" | "relu">]: string
} = {
  abs: "Abs",
  acos: "Acos",
  acosh: "Acosh",
  asin: "Asin",
  asinh: "Asinh",
  atan: "Atan",
  atanh: "Atanh",
  ceil: "Ceil",
  cos: "Cos",
  cosh: "Cosh",
  erf: "Erf",
  exp: "Exp",
  floor: "Floor",
  isInf: "IsInf",
  isNaN: "IsNaN",
  log: "Log",
  logicalNot: "Not",
  neg: "Neg",
  reciprocal: "Reciprocal",
  round: "Round",
  sign: "Sign",
  sin: "Sin",
  sinh: "Sinh",
  softplus: "Softplus",
  sqrt: "Sqrt",
  tan: "Tan",
  tanh: "Tanh"
}

const binary = (model: ModelBuilder, name: BinaryFunction, a: string, b: string, { dtype }: Value): string => {
  switch (name) {
    case "notEqual":
      return model.node("Not", [model.node("Equal", [a, b])])
    case "mod":
      return dtype === "int32"
        ? model.node("Mod", [a, b])
        : model.node("Sub", [a, model.node("Mul", [model.node("Floor", [model.node("Div", [a, b])]), b])])
    case "floorDiv":
      return dtype === "int32"
        ? model.node("Div", [model.node("Sub", [a, model.node("Mod", [a, b])]), b])
        : model.node("Floor", [model.node("Div", [a, b])])
    default:
      return model.node(binaryOperators[name], [a, b])
  }
}

const binaryOperators: { readonly [F in Exclude<BinaryFunction, "notEqual" | "mod" | "floorDiv">]: string } = {
  add: "Add",
  div: "Div",
  equal: "Equal",
  greater: "Greater",
  greaterEqual: "GreaterOrEqual",
  less: "Less",
  lessEqual: "LessOrEqual",
  logicalAnd: "And",
  logicalOr: "Or",
  logicalXor: "Xor",
  maximum: "Max",
  minimum: "Min",
  mul: "Mul",
  pow: "Pow",
  sub: "Sub"
}
