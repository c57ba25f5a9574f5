/**
 * Operations that fold axes away, and those that run along one axis.
 */
import { axisOf, build, get, type Index, type NdArray } from "./NdArray.ts"

/** Axes as tfjs takes them: one, several, or (undefined) all. Negative ones count from the back. */
export type Axes = number | ReadonlyArray<number> | undefined

const axesOf = (axes: Axes, rank: number): ReadonlyArray<number> =>
  axes === undefined
    ? Array.from({ length: rank }, (_, axis) => axis)
    : [axes].flat().map((axis) => axisOf(axis, rank))

/** Folds the elements along some axes by a function of them all. */
const reduce = (fold: (elements: ReadonlyArray<number>) => number) => (x: NdArray, axes?: Axes, keepDims = false) => {
  const folded = axesOf(axes, x.shape.length)
  const inner = folded.map((axis) => x.shape[axis]!)
  const outer = x.shape.map((size, axis) => folded.includes(axis) ? 1 : size)
  const reduced = build(outer, (index) => {
    const elements: Array<number> = []
    build(inner, (offset) => {
      elements.push(
        get(x, x.shape.map((_, axis) => folded.includes(axis) ? offset[folded.indexOf(axis)]! : index[axis]!))
      )
      return 0
    })
    return fold(elements)
  })
  return keepDims ? reduced : { shape: x.shape.filter((_, axis) => !folded.includes(axis)), data: reduced.data }
}

const total = (elements: ReadonlyArray<number>): number => elements.reduce((a, b) => a + b, 0)

export const sum = reduce(total)
export const mean = reduce((elements) => total(elements) / elements.length)
export const prod = reduce((elements) => elements.reduce((a, b) => a * b, 1))
export const max = reduce((elements) => Math.max(...elements))
export const min = reduce((elements) => Math.min(...elements))
export const any = reduce((elements) => Number(elements.some((x) => x !== 0)))
export const all = reduce((elements) => Number(elements.every((x) => x !== 0)))
export const logSumExp = reduce((elements) => {
  const largest = Math.max(...elements)
  return largest + Math.log(total(elements.map((x) => Math.exp(x - largest))))
})
/** The square root of the sum of squares. */
export const euclideanNorm = reduce((elements) => Math.sqrt(total(elements.map((x) => x * x))))

/** The place of the first largest element along an axis. */
export const argMax = (x: NdArray, axis: number): NdArray =>
  reduce((elements) => elements.indexOf(Math.max(...elements)))(x, axis)

/** The place of the first smallest element along an axis. */
export const argMin = (x: NdArray, axis: number): NdArray =>
  reduce((elements) => elements.indexOf(Math.min(...elements)))(x, axis)

/** The places of the largest elements along the last axis, falling; the first of equals comes first. */
export const placesOfLargest = (x: NdArray, count: number): NdArray =>
  build([...x.shape.slice(0, -1), count], (index) => {
    const last = x.shape.length - 1
    const row = Array.from({ length: x.shape[last]! }, (_, i) => get(x, at(index, last, i)))
    return Array.from(row.keys()).toSorted((a, b) => row[b]! - row[a]! || a - b)[index[last]!]!
  })

/** The largest elements along the last axis, falling. */
export const largest = (x: NdArray, count: number): NdArray => {
  const places = placesOfLargest(x, count)
  const last = x.shape.length - 1
  return build(places.shape, (index) => get(x, at(index, last, get(places, index))))
}

const at = (index: Index, axis: number, i: number): Index => index.map((value, a) => a === axis ? i : value)

/** The running sum along an axis; `exclusive` leaves out the element itself, `reverse` runs from the end. */
export const cumsum = (x: NdArray, axis: number, exclusive = false, reverse = false): NdArray =>
  build(x.shape, (index) => {
    const here = index[axis]!
    return Array.from({ length: x.shape[axis]! }, (_, i) => i)
      .filter((i) => (reverse ? i > here : i < here) || (!exclusive && i === here))
      .reduce((running, i) => running + get(x, at(index, axis, i)), 0)
  })

/** exp(x) over its sum along the last axis. */
export const softmax = (x: NdArray): NdArray => {
  const normalizer = logSumExp(x, -1, true)
  const length = x.shape[x.shape.length - 1] ?? 1
  return { shape: x.shape, data: x.data.map((value, i) => Math.exp(value - normalizer.data[Math.floor(i / length)]!)) }
}

/** x minus the logarithm of the sum of exp(x) along an axis. */
export const logSoftmax = (x: NdArray, axis = -1): NdArray => {
  const along = axisOf(axis, x.shape.length)
  const normalizer = logSumExp(x, along, true)
  return build(x.shape, (index) => get(x, index) - get(normalizer, at(index, along, 0)))
}

/** Mean and (population) variance over axes. */
export const moments = (x: NdArray, axes?: Axes, keepDims = false): { mean: NdArray; variance: NdArray } => ({
  mean: mean(x, axes, keepDims),
  variance: reduce((elements) => {
    const centre = total(elements) / elements.length
    return total(elements.map((value) => (value - centre) ** 2)) / elements.length
  })(x, axes, keepDims)
})
