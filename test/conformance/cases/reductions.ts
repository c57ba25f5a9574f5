/**
 * Cases of operations that fold axes away or run along one.
 */
import type { Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { distinctValues, integers, type Range, seeds, shapes, values } from "../arbitraries.ts"
import { type Case, float, instance, int } from "../Case.ts"
import * as reference from "../reference/index.ts"
import type { NdArray, Shape } from "../reference/index.ts"

const around: Range = { low: -2, high: 2 }

/** A shape, and some of its axes: all by name, all by leaving them out, negative ones, in any order. */
const axesOfShape = shapes({ minRank: 0, maxRank: 4 }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axes: fc.oneof(
      fc.constant(undefined),
      fc.shuffledSubarray(shape.map((_, axis) => axis), { minLength: Math.min(1, shape.length) })
        .map((axes) => axes.map((axis) => axis % 2 === 1 ? axis - shape.length : axis))
    ),
    keepDims: fc.boolean(),
    seed: seeds
  })
)

type Program = (x: Tensor, axes?: number | Array<number>, keepDims?: boolean) => Tensor
type Expected = (x: NdArray, axes?: ReadonlyArray<number>, keepDims?: boolean) => NdArray

const reduction = (
  name: string,
  program: Program,
  expected: Expected,
  draw: (seed: number, shape: Shape) => NdArray,
  differentiable: ReadonlyArray<string> = ["x"],
  of = float
): Case => ({
  name,
  instances: axesOfShape.map(({ axes, keepDims, seed, shape }) =>
    instance(
      `${name} over ${axes === undefined ? "all axes" : `axes ${axes.join(", ")}`}${keepDims ? ", kept," : ""}`,
      { x: of(draw(seed, shape)) },
      ({ x }) => [program(x!, axes === undefined ? undefined : [...axes], keepDims)],
      ({ x }) => [expected(x!, axes, keepDims)],
      differentiable
    )
  )
})

const within = (range: Range) => (seed: number, shape: Shape) => values(seed, shape, range)
const booleans = (seed: number, shape: Shape) => integers(seed, shape, 0, 1)
const asBool = (program: Program): Program => (x, axes, keepDims) =>
  tf.cast(program(tf.cast(x, "bool"), axes, keepDims), "int32")

const folds: ReadonlyArray<Case> = [
  reduction("sum", tf.sum, reference.sum, within(around)),
  reduction("mean", tf.mean, reference.mean, within(around)),
  reduction("max", tf.max, reference.max, distinctValues),
  reduction("min", tf.min, reference.min, distinctValues),
  // tfjs differentiates a product by cumulative products, which are no part of what engines must do.
  reduction("prod", tf.prod, reference.prod, within({ low: 0.5, high: 1.5 }), []),
  reduction("logSumExp", tf.logSumExp, reference.logSumExp, within(around)),
  reduction("any", asBool(tf.any), reference.any, booleans, [], int),
  reduction("all", asBool(tf.all), reference.all, booleans, [], int),
  reduction("sum of int32", tf.sum, reference.sum, (seed, shape) => integers(seed, shape, -50, 50), [], int),
  reduction(
    "mean of int32",
    (x, axes, keepDims) => tf.mean(tf.cast(x, "int32"), axes, keepDims),
    reference.mean,
    (seed, shape) => integers(seed, shape, -50, 50),
    []
  ),
  reduction(
    "sum of comparisons",
    (x, axes, keepDims) => tf.sum(tf.cast(x, "bool"), axes, keepDims),
    reference.sum,
    booleans,
    [],
    int
  ),
  reduction(
    "euclidean norm",
    (x, axes, keepDims) => tf.sqrt(tf.sum(tf.square(x), axes, keepDims)),
    reference.euclideanNorm,
    within({ low: 0.25, high: 2 })
  ),
  reduction(
    "variance",
    (x, axes, keepDims) => tf.moments(x, axes, keepDims).variance,
    (x, axes, keepDims) => reference.moments(x, axes, keepDims).variance,
    within(around)
  )
]

/** A shape of at least one axis, and one of its axes. */
const axisOfShape = shapes({ minRank: 1, maxRank: 4 }).chain((shape) =>
  fc.record({ shape: fc.constant(shape), axis: fc.nat(shape.length - 1), seed: seeds })
)

const along: ReadonlyArray<Case> = [
  {
    name: "argMax and argMin",
    instances: axisOfShape.map(({ axis, seed, shape }) =>
      instance(
        `argMax and argMin along axis ${axis}`,
        { x: float(distinctValues(seed, shape)) },
        ({ x }) => [tf.argMax(x!, axis), tf.argMin(x!, axis)],
        ({ x }) => [reference.argMax(x!, axis), reference.argMin(x!, axis)]
      )
    )
  },
  {
    name: "argMax where equals meet",
    instances: axisOfShape.map(({ axis, seed, shape }) =>
      instance(
        `argMax along axis ${axis}`,
        { x: float(integers(seed, shape, 0, 1)) },
        ({ x }) => [tf.argMax(x!, axis)],
        ({ x }) => [reference.argMax(x!, axis)]
      )
    )
  },
  {
    name: "topk",
    instances: fc.tuple(shapes({ minRank: 1, maxRank: 4 }), seeds, fc.nat(), fc.boolean()).map(
      ([shape, seed, k, equals]) => {
        const count = 1 + k % shape.at(-1)!
        return instance(
          `the ${count} largest${equals ? " where equals meet" : ""}`,
          { x: float(equals ? integers(seed, shape, 0, 2) : distinctValues(seed, shape)) },
          ({ x }) => {
            const { indices, values } = tf.topk(x!, count)
            return [values, indices]
          },
          ({ x }) => [reference.largest(x!, count), reference.placesOfLargest(x!, count)]
        )
      }
    )
  },
  {
    name: "cumsum",
    instances: fc.tuple(axisOfShape, fc.boolean(), fc.boolean()).map(([{ axis, seed, shape }, exclusive, reverse]) =>
      instance(
        `cumsum along axis ${axis}${exclusive ? " exclusive" : ""}${reverse ? " reverse" : ""}`,
        { x: float(values(seed, shape, around)) },
        ({ x }) => [tf.cumsum(x!, axis, exclusive, reverse)],
        ({ x }) => [reference.cumsum(x!, axis, exclusive, reverse)],
        ["x"]
      )
    )
  },
  {
    name: "softmax",
    instances: axisOfShape.map(({ seed, shape }) =>
      instance(
        "softmax",
        { x: float(values(seed, shape, { low: -4, high: 4 })) },
        ({ x }) => [tf.softmax(x!)],
        ({ x }) => [reference.softmax(x!)],
        ["x"],
        // Where one probability is nearly 1 the gradient is the small difference of two products.
        1
      )
    )
  },
  {
    name: "softmax of large elements",
    instances: axisOfShape.map(({ seed, shape }) =>
      instance(
        "softmax of elements near 1000",
        { x: float(values(seed, shape, { low: 998, high: 1002 })) },
        ({ x }) => [tf.softmax(x!), tf.logSoftmax(x!), tf.logSumExp(x!, -1)],
        ({ x }) => [reference.softmax(x!), reference.logSoftmax(x!), reference.logSumExp(x!, -1)],
        [],
        1000
      )
    )
  },
  {
    name: "logSoftmax",
    instances: axisOfShape.map(({ seed, shape }) =>
      instance(
        "logSoftmax",
        { x: float(values(seed, shape, { low: -4, high: 4 })) },
        ({ x }) => [tf.logSoftmax(x!)],
        ({ x }) => [reference.logSoftmax(x!)],
        ["x"],
        4
      )
    )
  }
]

export const reductions: ReadonlyArray<Case> = [...folds, ...along]
