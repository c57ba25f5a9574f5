/**
 * Draws: random host tensors as a pure function of a key and a description.
 */
import { float32, type HostTensor, int32, showShape, sizeOf } from "../tensor/HostTensor.ts"
import type { Distribution, DrawSpec, Integers } from "./Distribution.ts"
import {
  fillAntithetic,
  fillBernoulli,
  fillIntegers,
  fillNormal,
  fillStratified,
  fillUniform,
  shuffled
} from "./internal/generate.ts"
import type { Key } from "./Key.ts"

/**
 * Draws a tensor: a pure function of the key and the description, the same on every machine.
 *
 * Element i, counted in row-major order, depends on the key, the distribution and i alone: a draw of a smaller shape
 * is the beginning of a draw of a larger one (but for `stratified`, whose elements depend on how many there are). Use a
 * key for one draw, and derive others with `Key.fold`.
 *
 * @throws RangeError when the shape or the distribution's parameters are out of range: a mistake of the program, not of
 *   its input. Sizes are non-negative integers; `minimum < maximum`, which are in the range of float32 with at least one
 *   float32 in [minimum, maximum) for `uniform`, and integers from -2^31 to 2^31 for `integers`; a probability is in
 *   [0, 1].
 * @example
 * const noise = draw(Key.make(7), { distribution: Distribution.normal, shape: [32, 28, 28, 1] })
 */
export function draw(
  key: Key,
  spec: DrawSpec & { readonly distribution: Exclude<Distribution, Integers> }
): HostTensor<"float32">
export function draw(key: Key, spec: DrawSpec & { readonly distribution: Integers }): HostTensor<"int32">
export function draw(key: Key, spec: DrawSpec): HostTensor
export function draw(key: Key, { distribution, shape }: DrawSpec): HostTensor {
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new RangeError(`the sizes of a draw's shape are non-negative integers, not ${showShape(shape)}`)
  }
  requireRange(distribution)
  const size = sizeOf(shape)
  if (distribution._tag === "Integers") {
    const { maximum, minimum } = distribution
    const elements = new Int32Array(size)
    fillIntegers(key, minimum, maximum - minimum, elements)
    return int32(shape, elements)
  }
  const elements = new Float32Array(size)
  switch (distribution._tag) {
    case "Normal":
      fillNormal(key, elements)
      break
    case "Uniform":
      fillUniform(key, distribution.minimum, distribution.maximum, elements)
      break
    case "Bernoulli":
      fillBernoulli(key, Math.round(distribution.probability * 2 ** 16), elements)
      break
    case "Stratified":
      fillStratified(key, elements)
      break
    case "Antithetic":
      fillAntithetic(key, elements)
      break
  }
  return float32(shape, elements)
}

/**
 * A permutation of 0, ..., n - 1, drawn from a key; all n! orders are equally likely (as far as 64 bits of key reach).
 *
 * @param n from 0 to 2^31 - 1
 * @throws RangeError when `n` is not such an integer
 * @example
 * const order = permutation(Key.fold(key, epoch), 9_000)
 */
export const permutation = (key: Key, n: number): Int32Array => {
  if (!(Number.isInteger(n) && n >= 0 && n < 2 ** 31)) {
    throw new RangeError(`a permutation has between 0 and 2^31 - 1 elements, not ${n}`)
  }
  return shuffled(key, n)
}

// The greatest finite float32.
const float32Max = (2 - 2 ** -23) * 2 ** 127

const requireRange = (distribution: Distribution): void => {
  switch (distribution._tag) {
    case "Normal":
    case "Stratified":
    case "Antithetic":
      return
    case "Uniform": {
      const { maximum, minimum } = distribution
      if (!(Math.abs(minimum) <= float32Max && Math.abs(maximum) <= float32Max && minimum < maximum)) {
        throw new RangeError(
          `a uniform distribution needs float32 bounds, minimum < maximum, not [${minimum}, ${maximum})`
        )
      }
      return
    }
    case "Integers": {
      const { maximum, minimum } = distribution
      const inRange = Number.isInteger(minimum) && Number.isInteger(maximum) && minimum >= -(2 ** 31) &&
        maximum <= 2 ** 31
      if (!(inRange && minimum < maximum)) {
        throw new RangeError(
          `a distribution of integers needs -2^31 <= minimum < maximum <= 2^31, not {${minimum}, ..., ${maximum} - 1}`
        )
      }
      return
    }
    case "Bernoulli":
      if (!(distribution.probability >= 0 && distribution.probability <= 1)) {
        throw new RangeError(`a probability is between 0 and 1, not ${distribution.probability}`)
      }
  }
}
