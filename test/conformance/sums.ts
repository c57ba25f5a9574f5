/**
 * Sums over many elements: float32 added one after the other loses what is small beside the sum so far.
 *
 * The reference is a sum in float64 of the float32 elements, or of their float32 squares. An engine is to be as near to it
 * as one rounding at the end and rows of a few elements allow, relative to the sum of the absolute elements: to 2^-22, where
 * the rounding alone is up to 2^-24. In float32 alone, 30,000 equal numbers along an outer axis lost 2e-4, losses of
 * 64x64x3 elements 2e-6, and of sums of any shape that this draws some 1e-5.
 */
import { assert, expect } from "@effect/vitest"
import { Engine, stateless } from "@effusion/core/engine"
import { float32, type Shape, sizeOf } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import { hash, seeds } from "./arbitraries.ts"
import { property } from "./check.ts"
import type { EngineTests } from "./tests.ts"

/** Where all is added in float64 and rounded once; a norm is rounded after that. */
const oneRounding = 2 ** -23

interface Subject {
  readonly shape: Shape
  readonly axes: ReadonlyArray<number>
}

/** Elements by their kind, each a pure function of a seed and a position. */
const kinds = {
  /** What rounds in the same direction each time. */
  equal: () => 0.1,
  uniform: (seed: number, i: number) => hash(seed, i),
  /** Of both signs, from 2^-12 to 2^12. */
  wide: (seed: number, i: number) => 2 ** (24 * hash(seed, 2 * i) - 12) * (hash(seed, 2 * i + 1) < 0.5 ? -1 : 1),
  /** Large ones first, and many small ones, each less than half the distance between float32 numbers near the sum. */
  falling: (_: number, i: number) => (i % 10_000 < 100 ? 1 : 1e-8)
} as const

type Kind = keyof typeof kinds

const elementsOf = (kind: Kind, seed: number, count: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, (_, i) => kinds[kind](seed, i))

/** For each result, the sums in float64 of the elements, of their absolute values, and of their float32 squares. */
const sumsOf = ({ axes, shape }: Subject, elements: Float32Array) => {
  const strides = shape.map((_, axis) =>
    axes.includes(axis) ? 0 : sizeOf(shape.filter((_, other) => other > axis && !axes.includes(other)))
  )
  const results = sizeOf(shape.filter((_, axis) => !axes.includes(axis)))
  const [sum, absolute, squares] = [0, 1, 2].map(() => new Float64Array(results)) as [
    Float64Array,
    Float64Array,
    Float64Array
  ]
  const index = shape.map(() => 0)
  let at = 0
  for (const element of elements) {
    sum[at]! += element
    absolute[at]! += Math.abs(element)
    squares[at]! += Math.fround(element * element)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]! += 1
      at += strides[axis]!
      if (index[axis]! < shape[axis]!) break
      at -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return { sum, absolute, squares, count: elements.length / results }
}

/** Holds an engine's sum, mean, mean square and norm of some elements to those in float64. */
const checkSums = Effect.fnUntraced(function*(
  subject: Subject,
  elements: ReadonlyArray<Float32Array<ArrayBuffer>>,
  largest: number
) {
  const { axes, shape } = subject
  const program = stateless("sums", { x: { shape, dtype: "float32" } }, ({ x }) => ({
    sum: tf.sum(x, [...axes]),
    mean: tf.mean(x, [...axes]),
    meanSquare: tf.mean(tf.square(x), [...axes]),
    norm: tf.sqrt(tf.sum(tf.square(x), [...axes], true))
  }))
  const instance = yield* (yield* (yield* Engine).compile(program)).start({})
  for (const data of elements) {
    const output = yield* instance.step({ x: float32(shape, data) })
    const { absolute, count, squares, sum } = sumsOf(subject, data)
    const expected = {
      sum: { truth: sum, scale: absolute },
      mean: { truth: sum.map((x) => x / count), scale: absolute.map((x) => x / count) },
      meanSquare: { truth: squares.map((x) => x / count), scale: squares.map((x) => x / count) },
      norm: { truth: squares.map(Math.sqrt), scale: squares.map(Math.sqrt) }
    }
    for (const [name, { scale, truth }] of Object.entries(expected)) {
      const actual = output[name as keyof typeof expected].data
      expect(actual).toHaveLength(truth.length)
      truth.forEach((value, i) => {
        const lost = Math.abs(actual[i]! - value) / scale[i]!
        assert.isAtMost(
          lost,
          largest,
          `${name} ${i} of [${shape.join()}] over ${axes.join()}: ${actual[i]} for ${value}`
        )
      })
    }
  }
}, Effect.scoped)

/** Shapes whose sums have many terms: losses of examples and of batches, gradients of biases, norms of all gradients. */
const large: ReadonlyArray<Subject> = [
  { shape: [2, 28, 28, 1], axes: [1, 2, 3] },
  { shape: [8, 64, 64, 3], axes: [1, 2, 3] },
  { shape: [8, 64, 64, 3], axes: [0, 1, 2, 3] },
  { shape: [64, 32, 32, 5], axes: [0, 1, 2] },
  { shape: [30_000, 4], axes: [0] },
  { shape: [4_194_304], axes: [0] },
  { shape: [4_194_301], axes: [0] },
  { shape: [3, 1_000_003], axes: [1] },
  { shape: [1_500_000, 2], axes: [0] },
  { shape: [600, 2, 5_000], axes: [0, 2] }
]

/** Shapes of any rank and axes of any kind, whose sums have from 257 terms to some 200,000. */
const subjects: fc.Arbitrary<Subject> = fc.array(
  fc.record({
    size: fc.oneof(fc.constantFrom(1, 2, 3), fc.integer({ min: 4, max: 600 })),
    isAdded: fc.boolean()
  }),
  { minLength: 1, maxLength: 4 }
).map((dimensions) => ({
  shape: dimensions.map(({ size }) => size),
  axes: dimensions.flatMap(({ isAdded }, axis) => (isAdded ? [axis] : []))
})).filter(({ axes, shape }) => sizeOf(axes.map((axis) => shape[axis]!)) > 256 && sizeOf(shape) <= 200_000)

/**
 * Registers the tests.
 *
 * @param bound how near to the reference, relative to the sum of the absolute elements
 */
export const sumTests = (it: EngineTests, bound: number): void => {
  for (const subject of large) {
    it.effect(`[${subject.shape.join(", ")}] over ${subject.axes.join(", ")}, of elements of several kinds`, () => {
      const count = sizeOf(subject.shape)
      // The hash of millions of elements takes longer than all the rest.
      const kinds = count > 1_000_000 ? ["equal", "falling"] as const : ["equal", "falling", "uniform", "wide"] as const
      return checkSums(subject, kinds.map((kind) => elementsOf(kind, 1, count)), bound)
    })
  }

  it.effect("of any shape over any axes", () =>
    property(
      fc.record({ subject: subjects, kind: fc.constantFrom<Kind>("equal", "falling", "uniform", "wide"), seed: seeds }),
      ({ kind, seed, subject }) => checkSums(subject, [elementsOf(kind, seed, sizeOf(subject.shape))], bound),
      { numRuns: 60 }
    ))

  it.effect("of a few numbers to one: a loss", () =>
    property(
      fc.record({ count: fc.integer({ min: 3, max: 256 }), kind: fc.constantFrom<Kind>("equal", "wide"), seed: seeds }),
      ({ count, kind, seed }) => checkSums({ shape: [count], axes: [0] }, [elementsOf(kind, seed, count)], oneRounding),
      { numRuns: 20 }
    ))
}
