/**
 * Elementwise tfjs kernels.
 */
import * as tf from "@tensorflow/tfjs"
import type { BinaryFunction, UnaryFunction } from "../../graph/Operation.ts"
import { typeOf } from "../Tracer.ts"
import type { Kernels, RecordKernel } from "./kernel.ts"
import { numberOf } from "./kernel.ts"

const unary = (name: UnaryFunction): RecordKernel => ({ input, recorder }) => recorder.unary(name, input("x"))

const binary = (name: BinaryFunction): RecordKernel => ({ input, recorder }) =>
  recorder.binary(name, input("a"), input("b"))

export const elementwise: Kernels = {
  Abs: unary("abs"),
  Acos: unary("acos"),
  Acosh: unary("acosh"),
  Asin: unary("asin"),
  Asinh: unary("asinh"),
  Atan: unary("atan"),
  Atanh: unary("atanh"),
  Ceil: unary("ceil"),
  Cos: unary("cos"),
  Cosh: unary("cosh"),
  Erf: unary("erf"),
  Exp: unary("exp"),
  Floor: unary("floor"),
  IsFinite: unary("isFinite"),
  IsInf: unary("isInf"),
  IsNan: unary("isNaN"),
  Log: unary("log"),
  LogicalNot: unary("logicalNot"),
  Neg: unary("neg"),
  Reciprocal: unary("reciprocal"),
  Relu: unary("relu"),
  Round: unary("round"),
  Rsqrt: unary("rsqrt"),
  Sigmoid: unary("sigmoid"),
  Sign: unary("sign"),
  Sin: unary("sin"),
  Sinh: unary("sinh"),
  Softplus: unary("softplus"),
  Sqrt: unary("sqrt"),
  Square: unary("square"),
  Tan: unary("tan"),
  Tanh: unary("tanh"),

  Add: binary("add"),
  Equal: binary("equal"),
  FloorDiv: binary("floorDiv"),
  Greater: binary("greater"),
  GreaterEqual: binary("greaterEqual"),
  Less: binary("less"),
  LessEqual: binary("lessEqual"),
  LogicalAnd: binary("logicalAnd"),
  LogicalOr: binary("logicalOr"),
  LogicalXor: binary("logicalXor"),
  Maximum: binary("maximum"),
  Minimum: binary("minimum"),
  Mod: binary("mod"),
  Multiply: binary("mul"),
  NotEqual: binary("notEqual"),
  Pow: binary("pow"),
  RealDiv: binary("div"),
  Sub: binary("sub"),

  AddN: ({ inputs, recorder }) => inputs.reduce((sum, x) => recorder.binary("add", sum, x)),

  SquaredDifference: ({ input, recorder }) => {
    const difference = recorder.binary("sub", input("a"), input("b"))
    return recorder.unary("square", difference)
  },

  /** 1 where x > 0, alpha elsewhere. */
  Step: ({ attributes, input, recorder }) => {
    const x = input("x")
    const positive = recorder.binary("greater", x, recorder.fill(0, [], x.dtype))
    return recorder.append(
      { kind: "select" },
      [positive, recorder.fill(1, [], x.dtype), recorder.fill(numberOf(attributes, "alpha"), [], x.dtype)],
      x.shape,
      x.dtype
    )
  },

  Relu6: ({ input, recorder }) => {
    const x = input("x")
    return recorder.binary("minimum", recorder.unary("relu", x), recorder.fill(6, [], x.dtype))
  },

  LeakyRelu: ({ attributes, input, recorder }) => {
    const x = input("x")
    const scaled = recorder.binary("mul", x, recorder.fill(numberOf(attributes, "alpha"), [], x.dtype))
    const positive = recorder.binary("greater", x, recorder.fill(0, [], x.dtype))
    return recorder.append({ kind: "select" }, [positive, x, scaled], x.shape, x.dtype)
  },

  ClipByValue: ({ attributes, input, recorder }) => {
    const x = input("x")
    const atLeast = recorder.binary("maximum", x, recorder.fill(numberOf(attributes, "clipValueMin"), [], x.dtype))
    return recorder.binary("minimum", atLeast, recorder.fill(numberOf(attributes, "clipValueMax"), [], x.dtype))
  },

  Select: ({ input, recorder }) => {
    const condition = input("condition")
    const whenTrue = input("t")
    const whenFalse = input("e")
    // tfjs lets a condition of rank 1 choose whole rows.
    const rows = condition.shape.length === 1 && whenTrue.shape.length > 1
    const chooser = rows
      ? recorder.reshape(condition, [condition.shape[0]!, ...whenTrue.shape.slice(1).map(() => 1)])
      : condition
    const shape = tf.backend_util.assertAndGetBroadcastShape(
      tf.backend_util.assertAndGetBroadcastShape([...chooser.shape], [...whenTrue.shape]),
      [...whenFalse.shape]
    )
    return recorder.append({ kind: "select" }, [chooser, whenTrue, whenFalse], shape, whenTrue.dtype)
  },

  Cast: ({ attributes, input, recorder }) => recorder.cast(input("x"), typeOf(attributes["dtype"] as tf.DataType)),

  Identity: ({ input }) => input("x"),
  OnesLike: ({ input, recorder }) => recorder.fill(1, input("x").shape, input("x").dtype),
  ZerosLike: ({ input, recorder }) => recorder.fill(0, input("x").shape, input("x").dtype)
}
