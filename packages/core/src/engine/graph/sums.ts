/**
 * Sums over many elements, as the engines lower them.
 *
 * Runtimes add elements one after the other in float32 (some next to each other, in vector registers), and what is small
 * beside the sum so far is rounded off: of a sum of 36 million equal numbers 0.4 % was lost, of one over outer axes 3 %.
 * Sums of sums keep it, as pairwise summation does (Higham, "The Accuracy of Floating Point Summation", 1993): the
 * elements are viewed as rows, and the rows' sums are added, in as many stages as it takes.
 */
import type { Shape } from "../../tensor/HostTensor.ts"
import { sizeOf } from "../../tensor/HostTensor.ts"

/** The operations of an engine that a sum is made of; tensors go by their names. */
export interface SumOperations {
  readonly reshape: (name: string, shape: Shape) => string
  /** The sum over one axis, which is gone. */
  readonly sum: (name: string, axis: number) => string
  /** Zeros after the elements of the second of three axes. */
  readonly padSecond: (name: string, zeros: number) => string
}

/**
 * Whether a sum over so many elements is made in stages. Fewer lose little, and there are many such sums: the gradient of
 * each bias is one.
 */
export const areMany = (count: number): boolean => count > 32_768

/**
 * The sum over some axes of a tensor, in stages.
 *
 * @param shape the shape in the order in which the axes are kept
 * @param axes which of them are added, rising
 * @param result the shape of the sum
 * @example
 * sumInStages(operations, "x", [16_777_216], [0], []) // sums of 256, of 256 of those, and of the 256 that are left
 */
export const sumInStages = (
  operations: SumOperations,
  name: string,
  shape: Shape,
  axes: ReadonlyArray<number>,
  result: Shape
): string => {
  const sums = runsOf(axes).toReversed().reduce((partial, [first, last]) => {
    const before = partial.shape.slice(0, first)
    const run = partial.shape.slice(first, last + 1)
    const after = partial.shape.slice(last + 1)
    return {
      name: sumOfRun(operations, partial.name, [sizeOf(before), sizeOf(run), sizeOf(after)]),
      shape: [...before, ...run.map(() => 1), ...after]
    }
  }, { name, shape })
  return operations.reshape(sums.name, result)
}

/** Neighbouring axes: [0, 2, 3] are those from 0 to 0 and from 2 to 3. */
const runsOf = (axes: ReadonlyArray<number>): ReadonlyArray<readonly [first: number, last: number]> =>
  axes.reduce<ReadonlyArray<readonly [number, number]>>((runs, axis) => {
    const [first, last] = runs.at(-1) ?? [axis, axis - 2]
    return last === axis - 1 ? [...runs.slice(0, -1), [first, axis]] : [...runs, [axis, axis]]
  }, [])

/** The sum over the middle one of three axes. */
const sumOfRun = (
  operations: SumOperations,
  name: string,
  [before, count, after]: readonly [before: number, count: number, after: number]
): string => {
  // Runtimes take a slow way, and a less exact one, where an axis of size 1 follows.
  const last = after === 1 ? [] : [after]
  const lengths = after === 1 ? along : across
  if (count === 1) return name
  if (count <= lengths.longest) return operations.sum(operations.reshape(name, [before, count, ...last]), 1)
  const length = lengthOf(count, lengths)
  if (length !== undefined) {
    const rows = count / length
    const sums = operations.sum(operations.reshape(name, [before, rows, length, ...last]), 2)
    return sumOfRun(operations, sums, [before, rows, after])
  }
  const zeros = lengths.wished - count % lengths.wished
  const padded = operations.padSecond(operations.reshape(name, [before, count, after]), zeros)
  return sumOfRun(operations, padded, [before, count + zeros, after])
}

/** Lengths of rows: the one wished for, and what it may be where that does not divide the elements. */
interface Lengths {
  readonly wished: number
  readonly shortest: number
  readonly longest: number
}

/** Of elements next to each other, of which runtimes add several at once. */
const along: Lengths = { wished: 256, shortest: 64, longest: 512 }

/** Of elements with others between them, which runtimes add one by one. */
const across: Lengths = { wished: 64, shortest: 16, longest: 128 }

/** The length that divides the elements and is nearest to the one wished for; undefined where none does. */
const lengthOf = (count: number, { longest, shortest, wished }: Lengths): number | undefined => {
  for (let distance = 0; distance <= longest - shortest; distance++) {
    for (const length of [wished + distance, wished - distance]) {
      if (length >= shortest && length <= longest && count % length === 0) return length
    }
  }
  return undefined
}
