/**
 * Sums of float32 elements, as the engines lower them.
 *
 * Runtimes add elements one after the other in float32 (some next to each other, in vector registers), and what is small
 * beside the sum so far is rounded off: of 30,000 equal numbers along an outer axis 2e-4 was lost, of 36 million 0.4 %, of
 * 3 million along outer axes 3 %. Here the elements are viewed as short rows. The rows are added in float32, which is the one
 * pass over all elements, and their sums in float64 (Higham, "The Accuracy of Floating Point Summation", 1993, on blocks
 * and extended precision). What is lost is what a row loses, and one rounding at the end.
 */
import type { Shape } from "../../tensor/HostTensor.ts"
import { sameShape, sizeOf } from "../../tensor/HostTensor.ts"

/** The element types that a sum passes through. */
export type SumType = "float32" | "float64"

/** The operations of an engine that a sum is made of, on tensors as the engine has them. */
export interface SumOperations<Tensor> {
  /** The same float32 elements in another shape. */
  readonly reshape: (x: Tensor, shape: Shape) => Tensor
  /** The sum over some axes, which are gone. */
  readonly sum: (x: Tensor, axes: ReadonlyArray<number>, type: SumType) => Tensor
  /** Zeros after the elements of the second of three axes of float32 elements. */
  readonly padSecond: (x: Tensor, zeros: number) => Tensor
  /** float32 elements as float64. */
  readonly widen: (x: Tensor) => Tensor
  /** float64 elements as float32. */
  readonly narrow: (x: Tensor) => Tensor
  /** A float64 tensor over a number. */
  readonly divide: (x: Tensor, divisor: number) => Tensor
}

/** A sum, or a mean, over some axes of a tensor. */
export interface Sum {
  readonly of: "sum" | "mean"
  /** The shape of the tensor, in the order in which its axes are kept. */
  readonly shape: Shape
  /** The axes that are added, rising. */
  readonly axes: ReadonlyArray<number>
  /** The shape of the result. */
  readonly result: Shape
}

/**
 * Whether a sum is made with float64: it has many terms, or it is one number, as a loss is, and a norm. Short sums along one
 * axis of many lose little, and there are many such: the gradient of each bias is one.
 */
export const needsFloat64 = (count: number, results: number): boolean => count > 256 || (results === 1 && count > 2)

/**
 * The sum or the mean over some axes of float32 elements, to one float32 rounding and what rows of a few elements lose.
 *
 * @example
 * // Sums of 64 in float32, and of the 262,144 that are left in float64.
 * sumInFloat64(operations, "x", { of: "sum", shape: [16_777_216], axes: [0], result: [] })
 */
export const sumInFloat64 = <Tensor>(
  operations: SumOperations<Tensor>,
  x: Tensor,
  { axes, of, result, shape }: Sum
): Tensor => {
  const groups = groupsOf(shape, axes)
  const rows = sumsOfRows(operations, x, groups)
  const sum = operations.sum(rows.sums, positionsOf(rows.groups), "float64")
  const exact = of === "sum" ? sum : operations.divide(sum, sizeOf(axes.map((axis) => shape[axis]!)))
  const rounded = operations.narrow(exact)
  return sameShape(sizesOf(groups.filter(({ isAdded }) => !isAdded)), result)
    ? rounded
    : operations.reshape(rounded, result)
}

/** Neighbouring axes as one: how many elements, and whether they are added. */
interface Group {
  readonly size: number
  readonly isAdded: boolean
}

const groupsOf = (shape: Shape, axes: ReadonlyArray<number>): ReadonlyArray<Group> =>
  shape.map((size, axis): Group => ({ size, isAdded: axes.includes(axis) }))
    // An axis of one element is no matter to a sum, and runtimes take a slow way, and a less exact one, where one follows.
    .filter(({ size }) => size !== 1)
    .reduce<ReadonlyArray<Group>>((groups, { isAdded, size }) => {
      const last = groups.at(-1)
      return last?.isAdded === isAdded
        ? [...groups.slice(0, -1), { size: last.size * size, isAdded }]
        : [...groups, { size, isAdded }]
    }, [])

const sizesOf = (groups: ReadonlyArray<Group>): Shape => groups.map(({ size }) => size)

const positionsOf = (groups: ReadonlyArray<Group>): ReadonlyArray<number> =>
  groups.flatMap(({ isAdded }, position) => (isAdded ? [position] : []))

/** The sums of rows as float64: the largest group of added elements, as one for each row. */
const sumsOfRows = <Tensor>(
  operations: SumOperations<Tensor>,
  x: Tensor,
  groups: ReadonlyArray<Group>
): { readonly sums: Tensor; readonly groups: ReadonlyArray<Group> } => {
  const split = positionsOf(groups).reduce((best, at) => (groups[at]!.size > (groups[best]?.size ?? 0) ? at : best), -1)
  const [before, after] = [groups.slice(0, split), groups.slice(split + 1)]
  const lengths = after.length === 0 ? along : across
  const { size } = groups[split]!
  if (size <= lengths.shortest || sizeOf(sizesOf(groups)) <= few) {
    return { sums: operations.widen(operations.reshape(x, sizesOf(groups))), groups }
  }
  const length = lengthOf(size, lengths)
  if (length === undefined) {
    const zeros = lengths.wished - size % lengths.wished
    const [outer, inner] = [sizeOf(sizesOf(before)), sizeOf(sizesOf(after))]
    const padded = operations.padSecond(operations.reshape(x, [outer, size, inner]), zeros)
    return sumsOfRows(operations, padded, [...before, { size: size + zeros, isAdded: true }, ...after])
  }
  const rows = operations.reshape(x, [...sizesOf(before), size / length, length, ...sizesOf(after)])
  return {
    sums: operations.widen(operations.sum(rows, [before.length + 1], "float32")),
    groups: [...before, { size: size / length, isAdded: true }, ...after]
  }
}

/** So many elements are all turned to float64: that takes less time than a node more. */
const few = 4096

/** Lengths of rows: the one wished for, and what it may be where that does not divide the elements. */
interface Lengths {
  readonly wished: number
  readonly shortest: number
  readonly longest: number
}

/** Of elements next to each other, of which runtimes add several at once. */
const along: Lengths = { wished: 64, shortest: 32, longest: 128 }

/** Of elements with others between them, which runtimes add one by one. */
const across: Lengths = { wished: 16, shortest: 8, longest: 32 }

/** The length that divides the elements and is nearest to the one wished for; undefined where none does. */
const lengthOf = (count: number, { longest, shortest, wished }: Lengths): number | undefined => {
  for (let distance = 0; distance <= longest - shortest; distance++) {
    for (const length of [wished + distance, wished - distance]) {
      if (length >= shortest && length <= longest && count % length === 0) return length
    }
  }
  return undefined
}
