/**
 * Transposes in the forms that the runtime is fast at.
 *
 * Its transpose is a copy of blocks, or of 4x4 tiles, where one group of neighbouring axes moves as a whole; everything
 * else it does element by element, up to ten times as slow. So axes that stay together are taken as one, and a reversal of
 * three is done in two moves.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"

/**
 * The elements of a tensor with their axes in another order.
 *
 * @param permutation position i of the result is axis permutation[i] of the tensor
 */
export const transpose = (
  model: ModelBuilder,
  name: string,
  shape: Shape,
  permutation: ReadonlyArray<number>
): string => {
  const constant = model.movedConstant(name, shape, permutation)
  if (constant !== undefined) return constant
  // In a reshape, a size of 0 would mean that of the tensor before.
  if (!model.optimizations.groupedTransposes || shape.includes(0)) {
    return model.node("Transpose", [name], { perm: permutation })
  }
  const groups = together(shape, permutation)
  const ranked = groups.toSorted((a, b) => a[0]! - b[0]!)
  const source = ranked.map((axes) => axes.reduce((size, axis) => size * shape[axis]!, 1))
  const perm = groups.map((axes) => ranked.indexOf(axes))
  return model.reshape(moved(model, name, source, perm), permutation.map((axis) => shape[axis]!))
}

const moved = (model: ModelBuilder, name: string, shape: Shape, perm: ReadonlyArray<number>): string => {
  if (perm.length < 2) return name
  if (perm.length === 3 && perm[0] === 2 && perm[1] === 1) {
    const [a, b, c] = shape as [number, number, number]
    return moved(model, moved(model, name, [a * b, c], [1, 0]), [c, a, b], [0, 2, 1])
  }
  const source = model.reshape(name, shape)
  return model.once(`${source} moved ${perm.join()}`, () => model.node("Transpose", [source], { perm }))
}

/** The axes of a result, without those of size 1, in groups that are neighbours before and after. */
const together = (shape: Shape, permutation: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> => {
  const groups: Array<Array<number>> = []
  for (const axis of permutation.filter((axis) => shape[axis] !== 1)) {
    const last = groups.at(-1)
    if (last !== undefined && axis === nextAfter(last.at(-1)!, shape)) last.push(axis)
    else groups.push([axis])
  }
  return groups
}

/** The next axis that is not of size 1. */
const nextAfter = (axis: number, shape: Shape): number => shape.findIndex((size, i) => i > axis && size !== 1)
