/**
 * Elementwise tfjs kernels.
 */
import * as tf from "@tensorflow/tfjs"
import type { Value } from "../../graph/Graph.ts"
import type { BinaryFunction, UnaryFunction } from "../../graph/Operation.ts"
import { type Recorder, typeOf } from "../Tracer.ts"
import type { Kernels, RecordKernel } from "./kernel.ts"
import { numberOf } from "./kernel.ts"

const unary = (name: UnaryFunction): RecordKernel => ({ input, recorder }) => recorder.unary(name, input("x"))

const binary = (name: BinaryFunction): RecordKernel => ({ input, recorder }) =>
  recorder.binary(name, input("a"), input("b"))

const positive = (recorder: Recorder, x: Value): Value => recorder.binary("greater", x, recorder.fill(0, [], x.dtype))

const select = (recorder: Recorder, condition: Value, whenTrue: Value, whenFalse: Value): Value => {
  const shape = [whenTrue, whenFalse].reduce(
    (shape, { shape: next }) => tf.backend_util.assertAndGetBroadcastShape(shape, [...next]),
    [...condition.shape]
  )
  return recorder.append({ kind: "select" }, [condition, whenTrue, whenFalse], shape, whenTrue.dtype)
}

const expm1 = (recorder: Recorder, x: Value): Value => {
  const number = (value: number) => recorder.fill(value, [], x.dtype)
  const t = recorder.unary("tanh", recorder.binary("mul", x, number(0.5)))
  const small = recorder.binary("div", recorder.binary("mul", t, number(2)), recorder.binary("sub", number(1), t))
  const large = recorder.binary("sub", recorder.unary("exp", x), number(1))
  return select(recorder, recorder.binary("less", recorder.unary("abs", x), number(1)), small, large)
}

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
    const alpha = recorder.fill(numberOf(attributes, "alpha"), [], x.dtype)
    return select(recorder, positive(recorder, x), recorder.fill(1, [], x.dtype), alpha)
  },

  Relu6: ({ input, recorder }) => {
    const x = input("x")
    return recorder.binary("minimum", recorder.unary("relu", x), recorder.fill(6, [], x.dtype))
  },

  LeakyRelu: ({ attributes, input, recorder }) => {
    const x = input("x")
    const scaled = recorder.binary("mul", x, recorder.fill(numberOf(attributes, "alpha"), [], x.dtype))
    return select(recorder, positive(recorder, x), x, scaled)
  },

  ClipByValue: ({ attributes, input, recorder }) => {
    const x = input("x")
    const atLeast = recorder.binary("maximum", x, recorder.fill(numberOf(attributes, "clipValueMin"), [], x.dtype))
    return recorder.binary("minimum", atLeast, recorder.fill(numberOf(attributes, "clipValueMax"), [], x.dtype))
  },

  /** exp(x) - 1, by way of tanh where the difference would cancel: exp(x) - 1 = 2 tanh(x/2) / (1 - tanh(x/2)). */
  Expm1: ({ input, recorder }) => expm1(recorder, input("x")),

  /** log(1 + x), by Kahan's formula: the rounding of u = 1 + x is made up for by x / (u - 1). */
  Log1p: ({ input, recorder }) => {
    const x = input("x")
    const one = recorder.fill(1, [], x.dtype)
    const u = recorder.binary("add", x, one)
    const difference = recorder.binary("sub", u, one)
    const exact = recorder.binary("div", recorder.binary("mul", recorder.unary("log", u), x), difference)
    return select(recorder, recorder.binary("equal", difference, recorder.fill(0, [], x.dtype)), x, exact)
  },

  Elu: ({ input, recorder }) => {
    const x = input("x")
    return select(recorder, positive(recorder, x), x, expm1(recorder, x))
  },

  /** From the result y of elu: dy where y >= 0, and dy (y + 1) elsewhere. */
  EluGrad: ({ input, recorder }) => {
    const y = input("y")
    const slope = recorder.binary(
      "add",
      recorder.binary("minimum", y, recorder.fill(0, [], y.dtype)),
      recorder.fill(1, [], y.dtype)
    )
    return recorder.binary("mul", input("dy"), slope)
  },

  Selu: ({ input, recorder }) => {
    const x = input("x")
    const scaled = (value: Value, factor: number) => recorder.binary("mul", value, recorder.fill(factor, [], x.dtype))
    return select(
      recorder,
      positive(recorder, x),
      scaled(x, tf.backend_util.SELU_SCALE),
      scaled(expm1(recorder, x), tf.backend_util.SELU_SCALEALPHA)
    )
  },

  Prelu: ({ input, recorder }) => {
    const x = input("x")
    return select(recorder, positive(recorder, x), x, recorder.binary("mul", x, input("alpha")))
  },

  /** The angle of (b, a): that of a / b, turned by half a circle where b < 0. */
  Atan2: ({ input, recorder }) => {
    const a = input("a")
    const b = input("b")
    const zero = recorder.fill(0, [], a.dtype)
    const is = (x: Value, name: "less" | "equal") => recorder.binary(name, x, zero)
    const half = select(
      recorder,
      is(a, "less"),
      recorder.fill(-Math.PI, [], a.dtype),
      recorder.fill(Math.PI, [], a.dtype)
    )
    const turn = select(recorder, is(b, "less"), half, zero)
    const angle = recorder.binary("add", recorder.unary("atan", recorder.binary("div", a, b)), turn)
    const undefinedAngle = recorder.binary("logicalAnd", is(a, "equal"), is(b, "equal"))
    return select(recorder, undefinedAngle, zero, angle)
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
    return select(recorder, chooser, whenTrue, whenFalse)
  },

  Cast: ({ attributes, input, recorder }) => recorder.cast(input("x"), typeOf(attributes["dtype"] as tf.DataType)),

  Identity: ({ input }) => input("x"),
  OnesLike: ({ input, recorder }) => recorder.fill(1, input("x").shape, input("x").dtype),
  ZerosLike: ({ input, recorder }) => recorder.fill(0, input("x").shape, input("x").dtype)
}
