/**
 * Axis orders: in which order an engine keeps the axes of a tensor in memory.
 *
 * A tensor with logical axes (0, 1, ..., n-1) kept in the order `order` has logical axis order[i] at position i.
 * Images are logically NHWC; convolutions want and make them as NCHW, which is the order (0, 3, 1, 2).
 */
import type { Shape } from "../../../tensor/HostTensor.ts"

export type Order = ReadonlyArray<number>

/** The axes as the program wrote them. */
export const plainOrder = (rank: number): Order => Array.from({ length: rank }, (_, axis) => axis)

/** NHWC kept as NCHW, and so for any number of positions between: [batch, channels, ...positions]. */
export const channelsFirst = (rank: number): Order => [0, rank - 1, ...plainOrder(rank).slice(1, -1)]

/** A filter HWIO kept as OIHW. */
export const filterOrder: Order = [3, 2, 0, 1]

export const isPlain = (order: Order): boolean => order.every((axis, position) => axis === position)

export const sameOrder = (a: Order, b: Order): boolean =>
  a.length === b.length && a.every((axis, position) => axis === b[position])

/** Sizes, or anything else that is listed by axis, in the order in which the axes are kept. */
export const arrange = <A>(listed: ReadonlyArray<A>, order: Order): ReadonlyArray<A> =>
  order.map((axis) => listed[axis]!)

/** The permutation that takes a tensor from one order to another, as ONNX's Transpose wants it. */
export const permutationBetween = (from: Order, to: Order): ReadonlyArray<number> =>
  to.map((axis) => from.indexOf(axis))

/** Whether going from one order to another moves only axes of size 1, so that no element moves. */
export const movesNothing = (shape: Shape, from: Order, to: Order): boolean => {
  const significant = (order: Order) => order.filter((axis) => shape[axis] !== 1)
  return sameOrder(significant(from), significant(to))
}

/** The order of the result of a logical transpose, so that no element has to move. */
export const orderAfterTranspose = (order: Order, permutation: ReadonlyArray<number>): Order =>
  order.map((axis) => permutation.indexOf(axis))

/** The order that is left when some axes are gone. */
export const withoutAxes = (order: Order, gone: ReadonlyArray<number>): Order => {
  const kept = plainOrder(order.length).filter((axis) => !gone.includes(axis))
  return order.filter((axis) => !gone.includes(axis)).map((axis) => kept.indexOf(axis))
}
