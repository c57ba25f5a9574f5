/**
 * Random shapes and elements. Shapes come from fast-check, so that a failing case shrinks to small ones; elements come
 * from a seed, so that a large array costs nothing to generate or to shrink.
 */
import * as fc from "fast-check"
import { build, type NdArray, type Shape, sizeOf } from "./reference/index.ts"

/** Axis sizes: 1, which broadcasts; primes, which divide into nothing; and 4, which does. */
export const dimension: fc.Arbitrary<number> = fc.constantFrom(1, 2, 3, 4, 5)

/** Seeds for {@link values}. */
export const seeds: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0x3fff_ffff })

/** Shapes of a rank in a range, of at most `maxSize` elements. */
export const shapes = (
  { maxRank, maxSize = 60, minRank }: { readonly minRank: number; readonly maxRank: number; readonly maxSize?: number }
): fc.Arbitrary<Shape> =>
  fc.array(dimension, { minLength: minRank, maxLength: maxRank, size: "max" })
    .filter((shape) => sizeOf(shape) <= maxSize)

/** Two shapes that broadcast: both are cut from one, by leaving out leading axes and by making axes 1. */
export const broadcastingShapes: fc.Arbitrary<readonly [Shape, Shape]> = shapes({ minRank: 0, maxRank: 4, maxSize: 48 })
  .chain((shape) => {
    const part = fc.record({ left: fc.nat(shape.length), ones: fc.array(fc.nat(3), { size: "small" }) })
      .map(({ left, ones }) => shape.map((size, axis) => ones[axis] === 1 ? 1 : size).slice(left))
    return fc.oneof(
      part.map((other): readonly [Shape, Shape] => [shape, other]),
      part.map((other): readonly [Shape, Shape] => [other, shape]),
      fc.tuple(part, part)
    )
  })

/** Where elements may lie. */
export interface Range {
  readonly low: number
  readonly high: number
  /** Points that every element keeps 1/64 away from: kinks and poles. */
  readonly away?: ReadonlyArray<number>
}

/** Numbers in [0, 1), each a pure function of a seed and a position (the finaliser of MurmurHash3). */
export const hash = (seed: number, position: number): number => {
  let h = Math.imul(seed ^ Math.imul(position + 1, 0x9e37_79b1), 0x85eb_ca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35)
  h = Math.imul(h ^ (h >>> 16), 0x27d4_eb2f)
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32
}

/**
 * Elements spread over a range in steps of 1/1024 of it, so that they are exact in float32 when the range's ends are
 * dyadic. One in eight is exactly 0 where 0 is allowed: zeros are where simplifications go wrong.
 */
export const values = (seed: number, shape: Shape, { away = [], high, low }: Range): NdArray => {
  let draws = 0
  const draw = (): number => {
    const value = low + ((high - low) * Math.floor(1025 * hash(seed, draws++))) / 1024
    const element = low <= 0 && high >= 0 && hash(seed, draws++) < 1 / 8 ? 0 : value
    return away.some((point) => Math.abs(element - point) < 1 / 64) ? draw() : element
  }
  return build(shape, draw)
}

/** Elements no two of which are nearer than 1/8: what a maximum needs to have a derivative. */
export const distinctValues = (seed: number, shape: Shape): NdArray => {
  const size = sizeOf(shape)
  const order = Array.from({ length: size }, (_, i) => i).sort((i, j) => hash(seed, i) - hash(seed, j))
  let position = 0
  return build(shape, () => (order[position++]! - size / 2) / 8)
}

/** Integers from `low` to `high`, both included. */
export const integers = (seed: number, shape: Shape, low: number, high: number): NdArray => {
  let position = 0
  return build(shape, () => low + Math.floor((high - low + 1) * hash(seed, position++)))
}
