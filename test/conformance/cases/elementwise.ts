/**
 * Cases of operations that take each element by itself.
 */
import type { Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { broadcastingShapes, integers, type Range, seeds, shapes, values } from "../arbitraries.ts"
import { type Case, float, instance, int } from "../Case.ts"
import * as reference from "../reference/index.ts"
import { array, type NdArray, type Shape } from "../reference/index.ts"

const bool = (tensor: Tensor): Tensor => tf.cast(tensor, "int32")
const around: Range = { low: -2, high: 2 }
const anyShape = shapes({ minRank: 0, maxRank: 4 })

/**
 * One float to one float, with a derivative everywhere in the range.
 *
 * @param scale the size of what is computed on the way, where it is larger than what comes out
 */
const smooth = (
  name: string,
  program: (x: Tensor) => Tensor,
  expected: (x: NdArray) => NdArray,
  range: Range,
  scale?: number
): Case => ({
  name,
  instances: fc.tuple(anyShape, seeds).map(([shape, seed]) =>
    instance(
      name,
      { x: float(values(seed, shape, range)) },
      ({ x }) => [program(x!)],
      ({ x }) => [expected(x!)],
      ["x"],
      scale
    )
  )
})

/** Kinks of the rectifiers, and jumps of the rounding functions, kept at a distance. */
const halves = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]

/** TensorFlow's optimizer took this for a leaky rectifier, which it is where the multiple is smaller; not with a gradient. */
const largerMultiple: Case = {
  name: "the larger of itself and a multiple",
  instances: fc.tuple(anyShape, seeds).map(([shape, seed]) =>
    instance(
      "the larger of itself and a multiple",
      { x: float(values(seed, shape, around)) },
      ({ x }) => [tf.maximum(tf.div(x!, 0.5), x!)],
      ({ x }) => [array(x!.shape, x!.data.map((element) => Math.max(2 * element, element)))]
    )
  )
}

const unary: ReadonlyArray<Case> = [
  largerMultiple,
  smooth("abs", tf.abs, reference.abs, { ...around, away: [0] }),
  smooth("neg", tf.neg, reference.neg, around),
  smooth("sign", tf.sign, reference.sign, { ...around, away: [0] }),
  smooth("exp", tf.exp, reference.exp, { low: -4, high: 4 }),
  smooth("expm1", tf.expm1, reference.expm1, around),
  smooth("log", tf.log, reference.log, { low: 0.0625, high: 8 }),
  smooth("log1p", tf.log1p, reference.log1p, { low: -0.75, high: 4 }),
  smooth("sqrt", tf.sqrt, reference.sqrt, { low: 0.0625, high: 8 }),
  smooth("rsqrt", tf.rsqrt, reference.rsqrt, { low: 0.0625, high: 8 }),
  smooth("square", tf.square, reference.square, around),
  smooth("reciprocal", tf.reciprocal, reference.reciprocal, { ...around, away: [0] }),
  smooth("floor", tf.floor, reference.floor, { ...around, away: halves }),
  smooth("ceil", tf.ceil, reference.ceil, { ...around, away: halves }),
  smooth("round", tf.round, reference.round, { ...around, away: halves }),
  smooth("sin", tf.sin, reference.sin, { low: -8, high: 8 }),
  smooth("cos", tf.cos, reference.cos, { low: -8, high: 8 }),
  smooth("tan", tf.tan, reference.tan, { low: -1, high: 1 }),
  smooth("asin", tf.asin, reference.asin, { low: -0.875, high: 0.875 }),
  smooth("acos", tf.acos, reference.acos, { low: -0.875, high: 0.875 }),
  smooth("atan", tf.atan, reference.atan, around),
  smooth("sinh", tf.sinh, reference.sinh, around),
  smooth("cosh", tf.cosh, reference.cosh, around),
  smooth("tanh", tf.tanh, reference.tanh, around),
  smooth("asinh", tf.asinh, reference.asinh, around),
  smooth("acosh", tf.acosh, reference.acosh, { low: 1.25, high: 4 }),
  smooth("atanh", tf.atanh, reference.atanh, { low: -0.75, high: 0.75 }),
  smooth("erf", tf.erf, reference.erf, around),
  smooth("sigmoid", tf.sigmoid, reference.sigmoid, { low: -4, high: 4 }),
  smooth("the logarithm of sigmoid in its tail", (x) => tf.log(tf.sigmoid(x)), reference.logSigmoid, {
    low: -64,
    high: -4
  }),
  smooth("logSigmoid", tf.logSigmoid, reference.logSigmoid, { low: -4, high: 4 }),
  smooth("softplus", tf.softplus, reference.softplus, { low: -4, high: 4 }),
  smooth("relu", tf.relu, reference.relu, { ...around, away: [0] }),
  smooth("relu6", tf.relu6, reference.relu6, { low: -2, high: 8, away: [0, 6] }),
  smooth("elu", tf.elu, reference.elu, { ...around, away: [0] }),
  smooth("selu", tf.selu, reference.selu, { ...around, away: [0] }),
  smooth("leakyRelu", (x) => tf.leakyRelu(x, 0.25), (x) => reference.leakyRelu(x, 0.25), { ...around, away: [0] }),
  smooth("step", (x) => tf.step(x, 0.25), (x) => reference.step(x, 0.25), { ...around, away: [0] }),
  smooth("clipByValue", (x) => tf.clipByValue(x, -1, 0.5), (x) => reference.clipByValue(x, -1, 0.5), {
    ...around,
    away: [-1, 0.5]
  }),
  smooth(
    "gelu by erf",
    (x) => tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.div(x, Math.SQRT2)))),
    reference.gelu,
    around,
    // 1 + erf(x / sqrt(2)) is the difference of two numbers of this size where x is negative.
    1
  ),
  smooth("silu as x sigmoid(x)", (x) => tf.mul(x, tf.sigmoid(x)), reference.silu, { low: -4, high: 4 })
]

/** Two broadcast floats to one, elements drawn by the given functions. */
const binary = (
  name: string,
  program: (a: Tensor, b: Tensor) => Tensor,
  expected: (a: NdArray, b: NdArray) => NdArray,
  draw: (seed: number, shape: Shape) => NdArray,
  drawOther: (seed: number, shape: Shape) => NdArray = draw,
  differentiable: ReadonlyArray<string> = ["a", "b"]
): Case => ({
  name,
  instances: fc.tuple(broadcastingShapes, seeds).map(([[left, right], seed]) => {
    return instance(
      name,
      { a: float(draw(seed, left)), b: float(drawOther(seed + 1, right)) },
      ({ a, b }) => [program(a!, b!)],
      ({ a, b }) => [expected(a!, b!)],
      differentiable
    )
  })
})

const within = (range: Range) => (seed: number, shape: Shape) => values(seed, shape, range)
const shifted = (distance: number) => (seed: number, shape: Shape) =>
  reference.map((x) => x + distance)(integers(seed, shape, -16, 16))
/** Few different elements, so that equal ones meet. */
const few = (seed: number, shape: Shape) => integers(seed, shape, -2, 2)
const none: ReadonlyArray<string> = []

const binaries: ReadonlyArray<Case> = [
  binary("add", tf.add, reference.add, within(around)),
  binary("sub", tf.sub, reference.sub, within(around)),
  binary("mul", tf.mul, reference.mul, within(around)),
  binary("div", tf.div, reference.div, within(around), within({ ...around, away: [0] })),
  binary("divNoNan", tf.divNoNan, reference.divNoNan, few, few, none),
  binary("pow", tf.pow, reference.pow, within({ low: 0.25, high: 2 }), within(around)),
  binary("atan2", tf.atan2, reference.atan2, within({ ...around, away: [0] }), within({ ...around, away: [0] })),
  binary("maximum", tf.maximum, reference.maximum, shifted(0.25), shifted(0.5)),
  binary("minimum", tf.minimum, reference.minimum, shifted(0.25), shifted(0.5)),
  binary("maximum where equals meet", tf.maximum, reference.maximum, few, few, none),
  binary(
    "squaredDifference",
    tf.squaredDifference,
    reference.squaredDifference,
    within(around),
    within(around)
  ),
  binary("prelu", tf.prelu, reference.prelu, within({ ...around, away: [0] }), within(around)),
  binary(
    "mod",
    tf.mod,
    reference.mod,
    shifted(0.125),
    (seed, shape) => reference.map((x) => x < 0 ? x : x + 0.5)(integers(seed, shape, -2, 2))
  ),
  binary(
    "floorDiv",
    tf.floorDiv,
    reference.floorDiv,
    shifted(0.125),
    (seed, shape) => reference.map((x) => x < 0 ? x : x + 0.5)(integers(seed, shape, -2, 2)),
    none
  )
]

const comparison = (
  name: string,
  program: (a: Tensor, b: Tensor) => Tensor,
  expected: (a: NdArray, b: NdArray) => NdArray
): Case => ({
  name,
  instances: fc.tuple(broadcastingShapes, seeds, fc.constantFrom(float, int)).map(([[left, right], seed, of]) =>
    instance(
      name,
      { a: of(few(seed, left)), b: of(few(seed + 1, right)) },
      ({ a, b }) => [bool(program(a!, b!)), tf.cast(program(a!, b!), "float32")],
      ({ a, b }) => [expected(a!, b!), expected(a!, b!)]
    )
  )
})

const logical = (
  name: string,
  program: (a: Tensor, b: Tensor) => Tensor,
  expected: (a: NdArray, b: NdArray) => NdArray
): Case =>
  comparison(
    name,
    (a, b) => program(tf.cast(a, "bool"), tf.cast(b, "bool")),
    expected
  )

const comparisons: ReadonlyArray<Case> = [
  comparison("equal", tf.equal, reference.equal),
  comparison("notEqual", tf.notEqual, reference.notEqual),
  comparison("greater", tf.greater, reference.greater),
  comparison("greaterEqual", tf.greaterEqual, reference.greaterEqual),
  comparison("less", tf.less, reference.less),
  comparison("lessEqual", tf.lessEqual, reference.lessEqual),
  logical("logicalAnd", tf.logicalAnd, reference.logicalAnd),
  logical("logicalOr", tf.logicalOr, reference.logicalOr),
  logical("logicalXor", tf.logicalXor, reference.logicalXor),
  logical(
    "logicalNot",
    (a, b) => tf.logicalNot(tf.logicalOr(a, b)),
    (a, b) => reference.logicalNot(reference.logicalOr(a, b))
  )
]

const int32Binary = (
  name: string,
  program: (a: Tensor, b: Tensor) => Tensor,
  expected: (a: NdArray, b: NdArray) => NdArray,
  nonZero = false
): Case => ({
  name: `${name} of int32`,
  instances: fc.tuple(broadcastingShapes, seeds).map(([[left, right], seed]) => {
    const divisor = integers(seed + 1, right, -7, 7)
    return instance(
      name,
      {
        a: int(integers(seed, left, -100, 100)),
        b: int(nonZero ? reference.map((x) => x === 0 ? 3 : x)(divisor) : divisor)
      },
      ({ a, b }) => [program(a!, b!)],
      ({ a, b }) => [expected(a!, b!)]
    )
  })
})

const int32Arithmetic: ReadonlyArray<Case> = [
  int32Binary("add", tf.add, reference.add),
  int32Binary("sub", tf.sub, reference.sub),
  int32Binary("mul", tf.mul, reference.mul),
  int32Binary("maximum", tf.maximum, reference.maximum),
  int32Binary("minimum", tf.minimum, reference.minimum),
  int32Binary("floorDiv", tf.floorDiv, reference.floorDiv, true),
  int32Binary("div, which tfjs rounds down,", tf.div, reference.floorDiv, true),
  int32Binary("mod", tf.mod, reference.mod, true)
]

const choosing: Case = {
  name: "where",
  instances: fc.tuple(broadcastingShapes, fc.boolean(), seeds).map(([[left, right], swapped, seed]) => {
    const condition = integers(seed, swapped ? right : left, 0, 1)
    return instance(
      "where",
      {
        condition: int(condition),
        a: float(values(seed + 1, left, around)),
        b: float(values(seed + 2, right, around))
      },
      ({ a, b, condition }) => [tf.where(tf.cast(condition!, "bool"), a!, b!)],
      ({ a, b, condition }) => [reference.where(condition!, a!, b!)],
      ["a", "b"]
    )
  }),
  examples: [
    instance(
      "where between constants of more axes than the condition",
      { condition: int(array([3], [1, 0, 1])), x: float(array([3], [1, 2, 3])) },
      ({ condition, x }) => [
        tf.where(tf.cast(condition!, "bool"), tf.ones([2, 3]), tf.zeros([2, 3])),
        tf.mul(tf.where(tf.cast(condition!, "bool"), tf.ones([2, 3]), tf.zeros([1, 1])), x!)
      ],
      ({ condition, x }) => [
        reference.broadcastTo(condition!, [2, 3]),
        reference.broadcastTo(reference.mul(condition!, x!), [2, 3])
      ]
    )
  ]
}

const casting: Case = {
  name: "cast",
  instances: fc.tuple(anyShape, seeds).map(([shape, seed]) =>
    instance(
      "cast",
      { x: float(values(seed, shape, { low: -8, high: 8 })), n: int(integers(seed, shape, -3, 3)) },
      ({ n, x }) => [
        tf.cast(x!, "int32"),
        tf.cast(n!, "float32"),
        tf.cast(tf.cast(n!, "bool"), "int32"),
        tf.cast(tf.cast(x!, "bool"), "float32"),
        tf.cast(tf.cast(x!, "int32"), "float32"),
        tf.mul(tf.cast(n!, "float32"), x!)
      ],
      ({ n, x }) => [
        reference.truncate(x!),
        n!,
        reference.notEqual(n!, reference.scalar(0)),
        reference.notEqual(x!, reference.scalar(0)),
        reference.truncate(x!),
        reference.mul(n!, x!)
      ]
    )
  )
}

const adding: Case = {
  name: "addN",
  instances: fc.tuple(anyShape, seeds).map(([shape, seed]) =>
    instance(
      "addN",
      {
        a: float(values(seed, shape, around)),
        b: float(values(seed + 1, shape, around)),
        c: float(values(seed + 2, shape, around))
      },
      ({ a, b, c }) => [tf.addN([a!, b!, c!, a!])],
      ({ a, b, c }) => [[a!, b!, c!, a!].reduce(reference.add)],
      ["a", "b", "c"]
    )
  )
}

/** Where functions jump or bend: 0 is not positive, halves round to the even integer. */
const atJumps: Case = {
  name: "values at jumps and bends",
  instances: fc.tuple(anyShape, seeds).map(([shape, seed]) =>
    instance(
      "values at integers and halves",
      { x: float(reference.map((x) => x / 2)(integers(seed, shape, -5, 5))) },
      ({ x }) => [
        tf.floor(x!),
        tf.ceil(x!),
        tf.round(x!),
        tf.sign(x!),
        tf.step(x!, 0.25),
        tf.abs(x!),
        tf.relu(x!),
        tf.relu6(x!),
        tf.leakyRelu(x!, 0.25),
        tf.clipByValue(x!, -1, 0.5),
        tf.maximum(x!, 0.5)
      ],
      ({ x }) => [
        reference.floor(x!),
        reference.ceil(x!),
        reference.round(x!),
        reference.sign(x!),
        reference.step(x!, 0.25),
        reference.abs(x!),
        reference.relu(x!),
        reference.relu6(x!),
        reference.leakyRelu(x!, 0.25),
        reference.clipByValue(x!, -1, 0.5),
        reference.maximum(x!, reference.scalar(0.5))
      ]
    )
  )
}

/** What has no finite result has the infinite or undefined one of IEEE 754: training stops on it. */
const nonFinite: Case = {
  name: "infinities and NaN",
  instances: fc.tuple(fc.integer({ min: 1, max: 5 }), seeds).map(([size, seed]) =>
    instance(
      "infinities and NaN",
      {
        zero: int(array([size], new Float64Array(size))),
        x: int(integers(seed, [size], 1, 5))
      },
      ({ x, zero }) => {
        const [positive, nothing] = [tf.cast(x!, "float32"), tf.cast(zero!, "float32")]
        const undefinedness = tf.div(nothing, nothing)
        return [
          tf.div(positive, nothing),
          tf.log(nothing),
          tf.exp(tf.mul(positive, 100)),
          tf.sqrt(tf.neg(positive)),
          undefinedness,
          tf.sum(tf.concat([positive, undefinedness])),
          tf.mean(tf.square(undefinedness)),
          tf.where(tf.greater(positive, 0), positive, undefinedness),
          tf.cast(tf.isNaN(undefinedness), "int32"),
          tf.cast(tf.isFinite(tf.log(nothing)), "int32"),
          tf.cast(tf.isInf(tf.log(nothing)), "int32")
        ]
      },
      ({ x }) => [
        reference.map(() => Infinity)(x!),
        reference.map(() => -Infinity)(x!),
        reference.map(() => Infinity)(x!),
        reference.map(() => NaN)(x!),
        reference.map(() => NaN)(x!),
        reference.scalar(NaN),
        reference.scalar(NaN),
        x!,
        reference.map(() => 1)(x!),
        reference.map(() => 0)(x!),
        reference.map(() => 1)(x!)
      ]
    )
  )
}

export const elementwise: ReadonlyArray<Case> = [
  ...unary,
  ...binaries,
  ...comparisons,
  ...int32Arithmetic,
  choosing,
  casting,
  adding,
  atJumps,
  nonFinite
]
