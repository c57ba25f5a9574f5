import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../../engine/Program.ts"
import { forEachExample } from "../perExample.ts"

/** A number for each timestep, as tensors know it: of the timesteps of a batch, shaped to multiply a tensor like `like`. */
export type PerTimestep = (t: Tensor, like: Tensor) => Tensor

/**
 * A table over all timesteps, in float64, as numbers of each example: [batch, 1, ...], float32. The cast is the only one.
 */
export const perTimestep = (values: Float64Array): PerTimestep => {
  const cast = Float32Array.from(values)
  return (t, like) => forEachExample(tf.gather(tf.tensor1d(cast), t as tf.Tensor1D), like)
}

/**
 * The linear combination a(t) x + b(t) y of two tensors of one shape. Terms that are 0 at every timestep are left out, and
 * factors of 1 are not multiplied with.
 */
export const combination = (a: Float64Array, b: Float64Array): (t: Tensor, x: Tensor, y: Tensor) => Tensor => {
  const first = multiple(a)
  const second = multiple(b)
  return (t, x, y) => {
    const terms = [first?.(t, x), second?.(t, y)].filter((term) => term !== undefined)
    return terms.length === 0 ? tf.zerosLike(x) : terms.reduce((sum, term) => tf.add(sum, term))
  }
}

/** Multiplies by a table; undefined where it is all zeros. */
const multiple = (values: Float64Array): ((t: Tensor, x: Tensor) => Tensor) | undefined => {
  if (values.every((value) => value === 0)) return undefined
  if (values.every((value) => value === 1)) return (_, x) => x
  const factor = perTimestep(values)
  return (t, x) => tf.mul(x, factor(t, x))
}
