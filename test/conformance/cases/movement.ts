/**
 * Cases of operations that move elements without computing on them.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { hash, integers, type Range, seeds, shapes, values } from "../arbitraries.ts"
import { type Case, float, instance, int } from "../Case.ts"
import * as reference from "../reference/index.ts"
import { type NdArray, type Shape, sizeOf } from "../reference/index.ts"

const around: Range = { low: -2, high: 2 }
const x = (seed: number, shape: Shape) => float(values(seed, shape, around))
/** A whole number from 0 to `count - 1`, a pure function of a seed and a place. */
const pick = (seed: number, place: number, count: number): number => Math.floor(count * hash(seed, place))

const someShape = fc.tuple(shapes({ minRank: 1, maxRank: 4 }), seeds)

/** A case whose attributes are a function of a shape and a seed; its program maps float x to one tensor. */
const moving = (
  name: string,
  choose: (shape: Shape, seed: number) => {
    readonly attributes: string
    readonly program: (x: tf.Tensor) => tf.Tensor | ReadonlyArray<tf.Tensor>
    readonly expected: (x: NdArray) => NdArray | ReadonlyArray<NdArray>
    readonly differentiable?: boolean
  }
): Case => ({
  name,
  instances: someShape.map(([shape, seed]) => {
    const { attributes, differentiable = true, expected, program } = choose(shape, seed)
    return instance(
      `${name} ${attributes}`,
      { x: x(seed, shape) },
      ({ x }) => [program(x!)].flat(),
      ({ x }) => [expected(x!)].flat(),
      differentiable ? ["x"] : []
    )
  })
})

const show = (numbers: ReadonlyArray<number>): string => `[${numbers.join(", ")}]`

/** The same elements under another shape: axes merged, ones added, or split by a factor. */
const reshaped = (shape: Shape, seed: number): Shape => {
  const merged = pick(seed, 0, shape.length)
  const choices: ReadonlyArray<Shape> = [
    [sizeOf(shape)],
    [...shape.slice(0, merged), sizeOf(shape.slice(merged))],
    [sizeOf(shape.slice(0, merged)), ...shape.slice(merged)],
    [1, ...shape, 1],
    shape.flatMap((size) => size === 4 ? [2, 2] : [size]),
    shape.toReversed(),
    shape
  ]
  return choices[pick(seed, 1, choices.length)]!
}

const permuted = (rank: number, seed: number): ReadonlyArray<number> =>
  Array.from({ length: rank }, (_, axis) => axis).sort((i, j) => hash(seed, i) - hash(seed, j))

/** An axis cut into pieces, as lengths. */
const pieces = (length: number, seed: number): ReadonlyArray<number> => {
  const first = 1 + pick(seed, 7, length)
  const rest = length - first
  return rest === 0 ? [first] : rest === 1 ? [first, 1] : [first, 1, rest - 1]
}

const single: ReadonlyArray<Case> = [
  moving("reshape", (shape, seed) => {
    const to = reshaped(shape, seed)
    return {
      attributes: `to ${show(to)}`,
      program: (x) => tf.reshape(x, [...to]),
      expected: (x) => reference.reshape(x, to)
    }
  }),
  moving("reshape with -1", (shape) => ({
    attributes: "to [last, -1]",
    program: (x) => tf.reshape(x, [shape[shape.length - 1]!, -1]),
    expected: (x) => reference.reshape(x, [shape[shape.length - 1]!, -1])
  })),
  moving("expandDims and squeeze", (shape, seed) => {
    const axis = pick(seed, 0, shape.length + 1)
    return {
      attributes: `at ${axis}`,
      program: (x) => [tf.expandDims(x, axis), tf.squeeze(tf.expandDims(x, axis), [axis]), tf.squeeze(x)],
      expected: (x) => [
        reference.expandDims(x, axis),
        x,
        reference.reshape(x, shape.filter((size) => size !== 1))
      ]
    }
  }),
  moving("transpose", (shape, seed) => {
    const permutation = permuted(shape.length, seed)
    return {
      attributes: show(permutation),
      program: (x) => [tf.transpose(x, [...permutation]), tf.transpose(x)],
      expected: (x) => [reference.transpose(x, permutation), reference.transpose(x)]
    }
  }),
  moving("transpose twice", (shape, seed) => {
    const [first, second] = [permuted(shape.length, seed), permuted(shape.length, seed + 1)]
    return {
      attributes: `${show(first)} then ${show(second)}`,
      program: (x) => tf.transpose(tf.transpose(x, [...first]), [...second]),
      expected: (x) => reference.transpose(reference.transpose(x, first), second)
    }
  }),
  moving("split", (shape, seed) => {
    const axis = pick(seed, 0, shape.length)
    const lengths = pieces(shape[axis]!, seed)
    return {
      attributes: `into ${show(lengths)} along axis ${axis}`,
      program: (x) => tf.split(x, [...lengths], axis),
      expected: (x) => reference.split(x, lengths, axis),
      // tfjs cannot differentiate a split into one piece.
      differentiable: lengths.length > 1
    }
  }),
  moving("split, of which one piece is used", (shape, seed) => {
    const axis = pick(seed, 0, shape.length)
    const lengths = pieces(shape[axis]!, seed)
    const used = pick(seed, 1, lengths.length)
    return {
      attributes: `into ${show(lengths)} along axis ${axis}, piece ${used}`,
      program: (x) => tf.square(tf.split(x, [...lengths], axis)[used]!),
      expected: (x) => reference.square(reference.split(x, lengths, axis)[used]!),
      differentiable: lengths.length > 1
    }
  }),
  moving("slice", (shape, seed) => {
    const begin = shape.map((size, axis) => pick(seed, axis, size))
    const size = shape.map((length, axis) =>
      pick(seed, axis + 8, 4) === 0 ? -1 : 1 + pick(seed, axis + 4, length - begin[axis]!)
    )
    return {
      attributes: `from ${show(begin)}, sizes ${show(size)}`,
      program: (x) => tf.slice(x, [...begin], [...size]),
      expected: (x) => reference.slice(x, begin, size)
    }
  }),
  moving("stridedSlice", (shape, seed) => {
    const begin = shape.map((size, axis) => pick(seed, axis, size))
    const end = shape.map((size, axis) => begin[axis]! + 1 + pick(seed, axis + 4, size - begin[axis]!))
    const strides = shape.map((_, axis) => 1 + pick(seed, axis + 8, 3))
    return {
      attributes: `from ${show(begin)} to ${show(end)} by ${show(strides)}`,
      program: (
        x
      ) => [tf.stridedSlice(x, [...begin], [...end], [...strides]), tf.stridedSlice(x, [...begin], [...end])],
      expected: (x) => [
        reference.stridedSlice(x, begin, end, strides),
        reference.stridedSlice(x, begin, end, strides.map(() => 1))
      ],
      // tfjs has no gradient of it.
      differentiable: false
    }
  }),
  moving("pad", (shape, seed) => {
    const paddings = shape.map((_, axis) => [pick(seed, axis, 3), pick(seed, axis + 4, 3)] as [number, number])
    const constant = [0, 1, -0.5][pick(seed, 9, 3)]!
    return {
      attributes: `by ${paddings.map(show).join(" ")} with ${constant}`,
      program: (x) => tf.pad(x, paddings, constant),
      expected: (x) => reference.pad(x, paddings, constant)
    }
  }),
  moving("tile", (shape, seed) => {
    const repeats = shape.map((_, axis) => 1 + pick(seed, axis, 3))
    return {
      attributes: show(repeats),
      program: (x) => tf.tile(x, repeats),
      expected: (x) => reference.tile(x, repeats)
    }
  }),
  moving("broadcastTo", (shape, seed) => {
    const from = shape.map((size, axis) => pick(seed, axis, 2) === 0 ? 1 : size)
    const to = [...(shape.length < 4 && pick(seed, 5, 2) === 0 ? [2] : []), ...shape]
    return {
      attributes: `from the corner ${show(from)} to ${show(to)}`,
      program: (x) => tf.broadcastTo(tf.slice(x, shape.map(() => 0), from), to),
      expected: (x) => reference.broadcastTo(reference.slice(x, shape.map(() => 0), from), to)
    }
  }),
  moving("reverse", (shape, seed) => {
    const axes = shape.map((_, axis) => axis).filter((axis) => pick(seed, axis, 2) === 0)
    return {
      attributes: `along ${show(axes)}`,
      program: (x) => tf.reverse(x, axes),
      expected: (x) => reference.reverse(x, axes)
    }
  }),
  moving("unstack and stack", (shape, seed) => {
    const [from, to] = [pick(seed, 0, shape.length), pick(seed, 1, shape.length)]
    return {
      attributes: `from axis ${from} to ${to}`,
      program: (x) => tf.stack(tf.unstack(x, from), to),
      expected: (x) => reference.stack(reference.unstack(x, from), to),
      differentiable: shape[from]! > 1
    }
  })
]

const concatenations: Case = {
  name: "concat",
  instances: fc.tuple(shapes({ minRank: 1, maxRank: 4, maxSize: 30 }), fc.integer({ min: 1, max: 3 }), seeds).map(
    ([shape, count, seed]) => {
      const axis = pick(seed, 0, shape.length)
      const names = ["a", "b", "c"].slice(0, count)
      const inputs = Object.fromEntries(
        names.map((name, i) => [name, x(seed + i, shape.map((size, a) => a === axis ? 1 + ((size + i) % 3) : size))])
      )
      return instance(
        `concat along axis ${axis}, the first twice,`,
        inputs,
        (all) => [tf.concat([...names, "a"].map((name) => all[name]!), axis)],
        (all) => [reference.concat([...names, "a"].map((name) => all[name]!), axis)],
        names
      )
    }
  )
}

const gathers: Case = {
  name: "gather",
  instances: fc.tuple(
    shapes({ minRank: 1, maxRank: 3 }),
    shapes({ minRank: 1, maxRank: 2, maxSize: 12 }),
    seeds
  ).map(([shape, placesShape, seed]) => {
    const axis = pick(seed, 0, shape.length)
    return instance(
      `gather along axis ${axis}`,
      { x: x(seed, shape), places: int(integers(seed + 1, placesShape, 0, shape[axis]! - 1)) },
      ({ places, x }) => [tf.gather(x!, tf.cast(places!, "int32"), axis)],
      ({ places, x }) => [reference.gather(x!, places!, axis)],
      ["x"]
    )
  })
}

/** Tables that a program brings along, as schedules are: too long to be written as scalars. */
const constants: Case = {
  name: "constants of a program",
  instances: fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 5 }), seeds).map(
    ([length, batch, seed]) => {
      const table = values(seed, [length, 2], around)
      const [whole, mask] = [integers(seed + 1, [length], -5, 5), integers(seed + 2, [batch, 1], 0, 1)]
      const nonFinite = reference.array([3], [Infinity, -Infinity, NaN])
      return instance(
        `rows of a constant table of ${length}, with constant integers and booleans,`,
        { t: int(integers(seed + 3, [batch], 0, length - 1)), x: x(seed + 4, [batch, 2]) },
        ({ t, x }) => [
          tf.mul(tf.gather(tf.tensor2d(Float32Array.from(table.data), [length, 2]), t as tf.Tensor1D), x!),
          tf.gather(tf.tensor1d(Int32Array.from(whole.data), "int32"), t as tf.Tensor1D),
          tf.where(tf.tensor2d(Uint8Array.from(mask.data), [batch, 1], "bool"), x!, 0),
          tf.tensor1d(Float32Array.from(nonFinite.data))
        ],
        ({ t, x }) => [
          reference.mul(reference.gather(table, t!), x!),
          reference.gather(whole, t!),
          reference.where(mask, x!, reference.scalar(0)),
          nonFinite
        ]
      )
    }
  )
}

const oneHots: Case = {
  name: "oneHot",
  instances: fc.tuple(shapes({ minRank: 1, maxRank: 3, maxSize: 20 }), fc.integer({ min: 2, max: 5 }), seeds).map(
    ([shape, depth, seed]) =>
      instance(
        `oneHot of depth ${depth}`,
        // One place beyond the depth: its row is off everywhere.
        { places: int(integers(seed, shape, 0, depth)) },
        (
          { places }
        ) => [tf.cast(tf.oneHot(places!, depth), "float32"), tf.oneHot(places!, depth, 0.75, -0.25, "float32")],
        ({ places }) => [reference.oneHot(places!, depth), reference.oneHot(places!, depth, 0.75, -0.25)]
      )
  )
}

const resizes: Case = {
  name: "resizeNearestNeighbor by an integer factor",
  instances: fc.tuple(
    fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(2), fc.nat(2), fc.integer({ min: 1, max: 3 })),
    fc.integer({ min: 1, max: 3 }),
    seeds
  ).map(([[batch, height, width, channels], factor, seed]) =>
    instance(
      `resizeNearestNeighbor by ${factor}`,
      { x: x(seed, [batch, height + 1, width + 1, channels]) },
      ({ x }) => [tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [(height + 1) * factor, (width + 1) * factor])],
      ({ x }) => [reference.upsampleNearest(x!, factor)],
      ["x"]
    )
  )
}

export const movement: ReadonlyArray<Case> = [...single, concatenations, gathers, constants, oneHots, resizes]
