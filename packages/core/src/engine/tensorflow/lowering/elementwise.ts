/**
 * Lowers elementwise operations.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import { sameShape } from "../../../tensor/HostTensor.ts"
import type { Node, Value, ValueType } from "../../graph/Graph.ts"
import type { BinaryFunction, UnaryFunction } from "../../graph/Operation.ts"
import type { TensorflowType } from "../Model.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"

export const lowerUnary = (model: ModelBuilder, node: Node, name: UnaryFunction): void => {
  const [x] = node.inputs as [Value]
  model.place(node.outputs[0]!, unary(model, name, model.tensor(x), x.dtype))
}

export const lowerBinary = (model: ModelBuilder, node: Node, name: BinaryFunction): void => {
  const [a, b] = node.inputs as [Value, Value]
  const [left, right] = operandsOf(model, node) as [string, string]
  if (name === "maximum" && a.dtype === "float32" && [a, b].every((input) => model.fillOf(input) === undefined)) {
    return model.place(node.outputs[0]!, larger(model, left, right))
  }
  model.place(node.outputs[0]!, binary(model, name, left, right, a.dtype))
}

export const lowerSelect = (model: ModelBuilder, node: Node): void => {
  const output = node.outputs[0]!
  model.place(output, model.node("SelectV2", operandsOf(model, node), { T: output.dtype }))
}

export const lowerCast = (model: ModelBuilder, node: Node): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  model.place(output, cast(model, model.tensor(x), x.dtype, output.dtype))
}

export const cast = (model: ModelBuilder, name: string, from: TensorflowType, to: TensorflowType): string =>
  from === to ? name : model.node("Cast", [name], { SrcT: from, DstT: to })

/** x sigmoid(x). */
export const silu = (model: ModelBuilder, x: string): string =>
  model.node("Mul", [x, model.node("Sigmoid", [x], { T: "float32" })], { T: "float32" })

/**
 * The larger of two, as minus the smaller of their opposites: TensorFlow's optimizer takes the larger of x and c x for a leaky
 * rectifier whatever c is, which is wrong where c is greater than 1 (tensorflow/core/grappler/optimizers/remapper.cc).
 */
const larger = (model: ModelBuilder, a: string, b: string): string => {
  const opposite = (x: string) => model.node("Neg", [x], { T: "float32" })
  return opposite(model.node("Minimum", [opposite(a), opposite(b)], { T: "float32" }))
}

/**
 * The operands of an elementwise operation. One that is a single number throughout is given as a scalar, unless its shape
 * is what gives the result its shape.
 */
const operandsOf = (model: ModelBuilder, { inputs, outputs }: Node): ReadonlyArray<string> => {
  const shape = inputs
    .filter((input) => model.fillOf(input) === undefined)
    .reduce<Shape>((shape, input) => broadcastShape(shape, input.shape), [])
  const shaped = sameShape(shape, outputs[0]!.shape)
  return inputs.map((input) => {
    const number = shaped ? model.fillOf(input) : undefined
    return number === undefined ? model.tensor(input) : model.scalar(number, input.dtype)
  })
}

const broadcastShape = (a: Shape, b: Shape): Shape => {
  const rank = Math.max(a.length, b.length)
  const sizeAt = (shape: Shape, axis: number) => shape[axis - rank + shape.length] ?? 1
  return Array.from({ length: rank }, (_, axis) => sizeAt(a, axis) === 1 ? sizeAt(b, axis) : sizeAt(a, axis))
}

const unary = (model: ModelBuilder, name: UnaryFunction, x: string, dtype: ValueType): string => {
  if (name === "logicalNot") return model.node("LogicalNot", [x])
  if (dtype !== "float32") return ofIntegers(model, name, x, dtype)
  return name === "silu" ? silu(model, x) : model.node(unaryOperators[name], [x], { T: dtype })
}

/** TensorFlow has kernels of few functions for integers; integers are whole already. */
const ofIntegers = (model: ModelBuilder, name: UnaryFunction, x: string, dtype: ValueType): string => {
  switch (name) {
    case "abs":
    case "neg":
    case "relu":
    case "sign":
    case "square":
      return dtype === "int32"
        ? model.node(unaryOperators[name], [x], { T: dtype })
        : model.refuse(`${name} of ${dtype}`)
    case "ceil":
    case "floor":
    case "round":
      return x
    case "isFinite":
    case "isInf":
    case "isNaN":
      return model.node(unaryOperators[name], [cast(model, x, dtype, "float32")], { T: "float32" })
    default:
      return model.refuse(`${name} of ${dtype}`)
  }
}

const unaryOperators: { readonly [F in Exclude<UnaryFunction, "logicalNot" | "silu">]: string } = {
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
  isFinite: "IsFinite",
  isInf: "IsInf",
  isNaN: "IsNan",
  log: "Log",
  neg: "Neg",
  reciprocal: "Reciprocal",
  relu: "Relu",
  // Halves go to the even integer, as in tfjs.
  round: "Round",
  rsqrt: "Rsqrt",
  sigmoid: "Sigmoid",
  sign: "Sign",
  sin: "Sin",
  sinh: "Sinh",
  softplus: "Softplus",
  sqrt: "Sqrt",
  square: "Square",
  tan: "Tan",
  tanh: "Tanh"
}

const binary = (model: ModelBuilder, name: BinaryFunction, a: string, b: string, dtype: ValueType): string => {
  switch (name) {
    case "logicalAnd":
    case "logicalOr":
      return model.node(binaryOperators[name], [a, b])
    case "logicalXor":
      return model.node("NotEqual", [a, b], { T: "bool" })
    case "div":
      // Of integers, what is rounded towards zero.
      return model.node(dtype === "int32" ? "Div" : "RealDiv", [a, b], { T: dtype })
    case "equal":
    case "notEqual":
      return model.node(binaryOperators[name], [a, b], { T: dtype })
    case "greater":
    case "greaterEqual":
    case "less":
    case "lessEqual":
      return dtype === "bool"
        ? binary(model, name, cast(model, a, dtype, "int32"), cast(model, b, dtype, "int32"), "int32")
        : model.node(binaryOperators[name], [a, b], { T: dtype })
    default:
      return dtype === "bool"
        ? model.refuse(`${name} of bool`)
        : model.node(binaryOperators[name], [a, b], { T: dtype })
  }
}

const binaryOperators: { readonly [F in Exclude<BinaryFunction, "logicalXor" | "div">]: string } = {
  add: "AddV2",
  equal: "Equal",
  floorDiv: "FloorDiv",
  greater: "Greater",
  greaterEqual: "GreaterEqual",
  less: "Less",
  lessEqual: "LessEqual",
  logicalAnd: "LogicalAnd",
  logicalOr: "LogicalOr",
  maximum: "Maximum",
  minimum: "Minimum",
  mod: "FloorMod",
  mul: "Mul",
  notEqual: "NotEqual",
  pow: "Pow",
  sub: "Sub"
}
