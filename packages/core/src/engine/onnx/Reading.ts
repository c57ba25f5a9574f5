/**
 * Elements that are read out of an array in another order than they lie in, or that are sums of what is there: the axes of a
 * constant can be moved, and its slices added, without a copy. Its elements are made once, where they are written.
 *
 * The axes of a reading are listed with the slowest first. A tensor's shape may join several of them to one of its own: that
 * of a filter in blocks does.
 */
import { type Shape, sizeOf } from "../../tensor/HostTensor.ts"

/** An axis of elements that lie `stride` apart. */
export interface Axis {
  readonly size: number
  readonly stride: number
}

/** So many times the element that lies `offset` behind the one that is read. */
export interface Term {
  readonly factor: number
  readonly offset: number
}

/** Which elements are read, and in which order. */
export interface Reading {
  readonly axes: ReadonlyArray<Axis>
  /**
   * What is added up to an element, of float32, one after the other; each sum is rounded to float32, and no product is, as
   * where a processor multiplies and adds at once. The element itself unless given.
   */
  readonly terms?: ReadonlyArray<Term>
}

/**
 * All elements of a tensor as they lie.
 *
 * @example
 * inOrder([2, 3]) // => { axes: [{ size: 2, stride: 3 }, { size: 3, stride: 1 }] }
 */
export const inOrder = (shape: Shape): Reading => ({
  axes: shape.map((size, axis) => ({ size, stride: sizeOf(shape.slice(axis + 1)) }))
})

/**
 * How many elements a reading makes.
 *
 * @example
 * count(inOrder([2, 3])) // => 6
 */
export const count = ({ axes }: Reading): number => axes.reduce((product, { size }) => product * size, 1)

/**
 * A reading with the axes of its tensor permuted; undefined where an axis of the tensor begins inside one of the reading.
 *
 * @param shape the tensor's own shape, whose axes are moved
 * @param permutation position i of the result is axis permutation[i] of the tensor
 * @example
 * permuted(inOrder([2, 3]), [2, 3], [1, 0]) // => { axes: [{ size: 3, stride: 1 }, { size: 2, stride: 3 }] }
 */
export const permuted = (reading: Reading, shape: Shape, permutation: ReadonlyArray<number>): Reading | undefined => {
  const groups = split(reading.axes, shape)
  return groups && { ...reading, axes: permutation.flatMap((axis) => groups[axis]!) }
}

/**
 * Sums of the slices of a tensor along its first axis, each slice so many times; undefined where that axis begins inside one
 * of the reading, or the elements are sums already.
 *
 * @param shape the tensor's own shape, whose first axis is added up
 * @param factors how many times each slice is taken; those that are not are left out
 * @example
 * summed(inOrder([3, 2]), [3, 2], [1, 0, -1]) // of [a, b, c, d, e, f] these are [a - e, b - f]
 */
export const summed = (reading: Reading, shape: Shape, factors: ReadonlyArray<number>): Reading | undefined => {
  const groups = reading.terms === undefined ? split(reading.axes, shape) : undefined
  if (groups === undefined) return undefined
  const offsets = groups[0]!.reduce<ReadonlyArray<number>>(
    (offsets, { size, stride }) =>
      offsets.flatMap((offset) => Array.from({ length: size }, (_, i) => offset + i * stride)),
    [0]
  )
  return {
    axes: groups.slice(1).flat(),
    terms: factors.map((factor, i) => ({ factor, offset: offsets[i]! })).filter(({ factor }) => factor !== 0)
  }
}

type Axes = ReadonlyArray<Axis>

/** The axes that each axis of a shape is made of, cut in two where one ends inside another. */
const split = (axes: Axes, shape: Shape): ReadonlyArray<Axes> | undefined => {
  const left = [...joined(axes)]
  const groups: Array<Axes> = []
  // From the fastest axis: what is cut off an axis there keeps its stride.
  for (const size of shape.toReversed()) {
    const group: Array<Axis> = []
    let missing = size
    while (missing > 1) {
      const last = left.pop()
      if (last === undefined) return undefined
      if (missing % last.size === 0) {
        group.unshift(last)
        missing /= last.size
      } else if (last.size % missing === 0) {
        group.unshift({ size: missing, stride: last.stride })
        left.push({ size: last.size / missing, stride: last.stride * missing })
        missing = 1
      } else return undefined
    }
    groups.unshift(group)
  }
  return left.length === 0 ? groups : undefined
}

/**
 * Writes the elements that a reading makes of an array into another one.
 *
 * @param size bytes of an element; both arrays begin at a multiple of it
 * @example
 * const target = new Uint8Array(6)
 * copy(Uint8Array.of(0, 1, 2, 3, 4, 5), 1, permuted(inOrder([2, 3]), [2, 3], [1, 0])!, target) // target is 0 3 1 4 2 5
 */
export const copy = (source: Uint8Array, size: 1 | 4 | 8, { axes, terms }: Reading, target: Uint8Array): void => {
  if (terms === undefined) {
    const [from, to] = [unitsOf(source, size), unitsOf(target, size)]
    eachPlane(axes, (begin, plane, at) => copyPlane(from, begin, plane, to, at))
  } else {
    const [from, to] = [floatsOf(source), floatsOf(target)]
    eachPlane(axes, (begin, plane, at) => addPlane(from, begin, plane, terms, to, at))
  }
}

/** Elements as they are copied without being understood: numbers might come to be others that mean the same. */
type Units = Uint8Array | Uint32Array | BigUint64Array

const unitsOf = ({ buffer, byteLength, byteOffset }: Uint8Array, size: 1 | 4 | 8): Units => {
  if (size === 1) return new Uint8Array(buffer, byteOffset, byteLength)
  return size === 4
    ? new Uint32Array(buffer, byteOffset, byteLength / size)
    : new BigUint64Array(buffer, byteOffset, byteLength / size)
}

const floatsOf = ({ buffer, byteLength, byteOffset }: Uint8Array): Float32Array =>
  new Float32Array(buffer, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT)

/** The two fastest axes. */
interface Plane {
  readonly rows: Axis
  readonly columns: Axis
}

/** Calls a function for each plane: where it begins in the source, its axes, and where it belongs in the target. */
const eachPlane = (reading: Axes, write: (begin: number, plane: Plane, at: number) => void): void => {
  const axes = joined(reading)
  const plane = { rows: axes.at(-2) ?? one, columns: axes.at(-1) ?? one }
  const planes = axes.slice(0, -2)
  const step = plane.rows.size * plane.columns.size
  const writePlanes = (depth: number, from: number, to: number): number => {
    if (depth === planes.length) {
      write(from, plane, to)
      return to + step
    }
    const { size, stride } = planes[depth]!
    let next = to
    for (let i = 0; i < size; i++) next = writePlanes(depth + 1, from + i * stride, next)
    return next
  }
  writePlanes(0, 0, 0)
}

const copyPlane = (source: Units, from: number, { columns, rows }: Plane, target: Units, to: number): void => {
  let at = to
  for (let row = 0; row < rows.size; row++) {
    const begin = from + row * rows.stride
    if (columns.stride === 1 && columns.size > few) {
      target.set(source.subarray(begin, begin + columns.size) as never, at)
      at += columns.size
    } else for (let column = 0; column < columns.size; column++) target[at++] = source[begin + column * columns.stride]!
  }
}

const one: Axis = { size: 1, stride: 1 }

/** Elements that are copied one by one sooner than by a call. */
const few = 32

/** Adds a term to all elements before the next one: that takes two thirds of the time of all terms to each element. */
const addPlane = (
  source: Float32Array,
  from: number,
  { columns, rows }: Plane,
  terms: ReadonlyArray<Term>,
  target: Float32Array,
  to: number
): void => {
  target.fill(0, to, to + rows.size * columns.size)
  for (const { factor, offset } of terms) {
    let at = to
    for (let row = 0; row < rows.size; row++) {
      const begin = from + row * rows.stride + offset
      for (let column = 0; column < columns.size; column++, at++) {
        target[at] = target[at]! + factor * source[begin + column * columns.stride]!
      }
    }
  }
}

/** As few axes as it takes. */
const joined = (axes: Axes): Axes => {
  const result: Array<Axis> = []
  for (const axis of axes) {
    if (axis.size === 1) continue
    const last = result.at(-1)
    if (last !== undefined && last.stride === axis.size * axis.stride) {
      result[result.length - 1] = { size: last.size * axis.size, stride: axis.stride }
    } else result.push(axis)
  }
  return result
}
