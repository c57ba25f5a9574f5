/**
 * Arrays of float64: what the reference computes with.
 *
 * The reference is written from each operation's definition, one output element at a time, and shares nothing with
 * the engines or with tfjs: it is slow, obvious, and right to about 1e-15. Booleans are the numbers 0 and 1.
 */

/** The sizes of an array's axes, outermost first. */
export type Shape = ReadonlyArray<number>

/** A position in an array: one number an axis. */
export type Index = ReadonlyArray<number>

/** A row-major array of float64. */
export interface NdArray {
  readonly shape: Shape
  readonly data: Float64Array
}

/** The number of elements of a shape. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1)

/** The distance between neighbours along each axis of a row-major array. */
export const stridesOf = (shape: Shape): ReadonlyArray<number> => {
  const strides = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/**
 * The array whose element at each index is `at(index)`. The index is the same array each time, counted up.
 *
 * @example
 * build([2, 2], ([i, j]) => 10 * i! + j!).data // => 0, 1, 10, 11
 */
export const build = (shape: Shape, at: (index: Index) => number): NdArray => {
  const data = new Float64Array(sizeOf(shape))
  const index = shape.map(() => 0)
  for (let position = 0; position < data.length; position++) {
    data[position] = at(index)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = index[axis]! + 1
      if (index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
  return { shape, data }
}

/** The element at an index. */
export const get = (x: NdArray, index: Index): number => {
  let position = 0
  for (let axis = 0; axis < x.shape.length; axis++) position = position * x.shape[axis]! + index[axis]!
  return x.data[position]!
}

/** An array over the given elements. */
export const array = (shape: Shape, elements: ArrayLike<number>): NdArray => {
  if (sizeOf(shape) !== elements.length) {
    throw new RangeError(`[${shape.join(", ")}] has ${sizeOf(shape)} elements, not ${elements.length}`)
  }
  return { shape, data: Float64Array.from(elements) }
}

/** An array with the same element everywhere. */
export const full = (shape: Shape, value: number): NdArray => build(shape, () => value)

/** An array without axes. */
export const scalar = (value: number): NdArray => full([], value)

/** An axis counted from the front: -1 is the last. */
export const axisOf = (axis: number, rank: number): number => axis < 0 ? axis + rank : axis

/** The sum of `term(i)` over 0 <= i < count. */
export const sumOver = (count: number, term: (i: number) => number): number => {
  let total = 0
  for (let i = 0; i < count; i++) total += term(i)
  return total
}
