/**
 * Elements that are read out of an array in another order than they lie in: the axes of a constant can be moved without a
 * copy, and its elements are put where they belong once, when they are written.
 *
 * A reading is a list of axes, the slowest first. A tensor's shape may join several of them to one of its own: that of a
 * filter in blocks does.
 */
import type { Shape } from "../../tensor/HostTensor.ts"

/** An axis of elements that lie `stride` apart. */
export interface Axis {
  readonly size: number
  readonly stride: number
}

/** Which elements are read, and in which order. */
export type Reading = ReadonlyArray<Axis>

/**
 * All elements of a tensor as they lie.
 *
 * @example
 * inOrder([2, 3]) // => [{ size: 2, stride: 3 }, { size: 3, stride: 1 }]
 */
export const inOrder = (shape: Shape): Reading =>
  shape.map((size, axis) => ({ size, stride: shape.slice(axis + 1).reduce((product, n) => product * n, 1) }))

/**
 * A reading with the axes of its tensor permuted; undefined where an axis of the tensor begins inside one of the reading.
 *
 * @param shape the tensor's own shape, whose axes are moved
 * @param permutation position i of the result is axis permutation[i] of the tensor
 * @example
 * permuted(inOrder([2, 3]), [2, 3], [1, 0]) // => [{ size: 3, stride: 1 }, { size: 2, stride: 3 }]
 */
export const permuted = (reading: Reading, shape: Shape, permutation: ReadonlyArray<number>): Reading | undefined => {
  const groups = split(joined(reading), shape)
  return groups && permutation.flatMap((axis) => groups[axis]!)
}

/** The axes of a reading that each axis of a shape is made of, cut in two where one ends inside another. */
const split = (reading: Reading, shape: Shape): ReadonlyArray<Reading> | undefined => {
  const left = [...reading]
  const groups: Array<Reading> = []
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
 * Copies elements into another array, in the order of a reading.
 *
 * @param size bytes of an element; both arrays begin at a multiple of it
 * @example
 * const target = new Uint8Array(6)
 * copy(Uint8Array.of(0, 1, 2, 3, 4, 5), 1, permuted(inOrder([2, 3]), [2, 3], [1, 0])!, target) // target is 0 3 1 4 2 5
 */
export const copy = (source: Uint8Array, size: 1 | 4 | 8, reading: Reading, target: Uint8Array): void =>
  copyUnits(unitsOf(source, size), joined(reading), unitsOf(target, size))

/** Elements as they are copied without being understood: numbers might come to be others that mean the same. */
type Units = Uint8Array | Uint32Array | BigUint64Array

const unitsOf = ({ buffer, byteLength, byteOffset }: Uint8Array, size: 1 | 4 | 8): Units => {
  if (size === 1) return new Uint8Array(buffer, byteOffset, byteLength)
  return size === 4
    ? new Uint32Array(buffer, byteOffset, byteLength / size)
    : new BigUint64Array(buffer, byteOffset, byteLength / size)
}

const copyUnits = (source: Units, axes: Reading, target: Units): void => {
  const [rows, columns] = [axes.at(-2) ?? one, axes.at(-1) ?? one]
  const planes = axes.slice(0, -2)
  const step = rows.size * columns.size
  const copyPlanes = (depth: number, from: number, to: number): number => {
    if (depth === planes.length) {
      copyPlane(source, from, rows, columns, target, to)
      return to + step
    }
    const { size, stride } = planes[depth]!
    let next = to
    for (let i = 0; i < size; i++) next = copyPlanes(depth + 1, from + i * stride, next)
    return next
  }
  copyPlanes(0, 0, 0)
}

const copyPlane = (source: Units, from: number, rows: Axis, columns: Axis, target: Units, to: number): void => {
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

/** A reading with as few axes as it takes. */
const joined = (reading: Reading): Reading => {
  const axes: Array<Axis> = []
  for (const axis of reading) {
    if (axis.size === 1) continue
    const last = axes.at(-1)
    if (last !== undefined && last.stride === axis.size * axis.stride) {
      axes[axes.length - 1] = { size: last.size * axis.size, stride: axis.stride }
    } else axes.push(axis)
  }
  return axes
}
