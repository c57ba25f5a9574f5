/**
 * Points in the plane: four distributions that are small enough to train on in seconds, and whose shape shows at a
 * glance whether a model has learned them.
 *
 * Each distribution is scaled by constants of its own, never by the sample, so that sets of any size and seed follow
 * the same distribution. All points lie in [-1, 1] x [-1, 1]: curves and component means keep five standard deviations
 * of noise away from the border, and noise is cut there.
 */
import { Distribution, draw, Key } from "../random/index.ts"
import type { Dataset } from "./Dataset.ts"
import { fromArrays } from "./Dataset.ts"

/** The names of the distributions of {@link points}. */
export const pointKinds = ["swiss-roll", "two-moons", "gaussian-mixture", "checkerboard"] as const

/** The name of a distribution of {@link points}. */
export type PointKind = (typeof pointKinds)[number]

/** What a set of points depends on. */
export interface PointsOptions {
  readonly kind: PointKind
  /** The number of points. */
  readonly size: number
  readonly seed: number
}

/**
 * A set of independent points: example shape [2]; a smaller set is the beginning of a larger one of the same seed.
 *
 * - `swiss-roll`: 0.9 u / (9 pi / 2) (cos u, sin u), u uniform from 3 pi / 2 to 9 pi / 2, with noise of standard
 *   deviation 0.02; no classes. The roll of scikit-learn's `make_swiss_roll` without its depth, as in
 *   Sohl-Dickstein et al. 2015 (arXiv:1503.03585, figure 1).
 * - `two-moons`: half circles of radius 0.6 that reach into each other, with noise of standard deviation 0.02; the
 *   label is the moon (0: upper, 1: lower). scikit-learn's `make_moons`, centred and scaled by 0.6.
 * - `gaussian-mixture`: eight Gaussians of standard deviation 0.05 on a circle of radius 0.75; the label is the
 *   component, anticlockwise from (0.75, 0). The ring of Metz et al. 2017 (arXiv:1611.02163).
 * - `checkerboard`: uniform on the dark squares of a board of 4 x 4, the lower left one dark; no classes. As in
 *   Grathwohl et al. 2019 (arXiv:1810.01367).
 *
 * @throws RangeError when the size is no non-negative integer or the seed no safe integer: a mistake of the program,
 *   not of its input.
 * @example
 * const roll = points({ kind: "swiss-roll", size: 10_000, seed: 0 })
 * roll.read([0, 1, 2]).x0.shape // => [3, 2]
 */
export const points = ({ kind, size, seed }: PointsOptions): Dataset => {
  const key = Key.fold(Key.fold(Key.make(seed), "points"), kind)
  return fromArrays({ name: `points:${kind}`, exampleShape: [2], ...distributions[kind](key, size) })
}

interface Sample {
  readonly elements: Float32Array
  readonly labels?: Int32Array
  readonly classes?: number
}

const swissRoll = (key: Key.Key, size: number): Sample => {
  const angle = uniform(Key.fold(key, "angle"), size, 1.5 * Math.PI, 4.5 * Math.PI)
  const roll = plane(size, (i) => {
    const radius = 0.9 * angle[i]! / (4.5 * Math.PI)
    return [radius * Math.cos(angle[i]!), radius * Math.sin(angle[i]!)]
  })
  return { elements: addNoise(Key.fold(key, "noise"), roll, 0.02) }
}

const twoMoons = (key: Key.Key, size: number): Sample => {
  const labels = integers(Key.fold(key, "moon"), size, 2)
  const angle = uniform(Key.fold(key, "angle"), size, 0, Math.PI)
  const moons = plane(size, (i) => {
    const cos = Math.cos(angle[i]!)
    const sin = Math.sin(angle[i]!)
    // The bounding box of make_moons is [-1, 2] x [-1/2, 1]; its centre (1/2, 1/4) goes to the origin.
    const [x, y] = labels[i] === 0 ? [cos, sin] : [1 - cos, 0.5 - sin]
    return [0.6 * (x - 0.5), 0.6 * (y - 0.25)]
  })
  return { elements: addNoise(Key.fold(key, "noise"), moons, 0.02), labels, classes: 2 }
}

const gaussianMixture = (key: Key.Key, size: number): Sample => {
  const labels = integers(Key.fold(key, "component"), size, 8)
  const means = plane(size, (i) => {
    const angle = labels[i]! * Math.PI / 4
    return [0.75 * Math.cos(angle), 0.75 * Math.sin(angle)]
  })
  return { elements: addNoise(Key.fold(key, "noise"), means, 0.05), labels, classes: 8 }
}

const checkerboard = (key: Key.Key, size: number): Sample => {
  const square = integers(Key.fold(key, "square"), size, 8)
  const place = uniform(Key.fold(key, "place"), 2 * size, 0, 0.5)
  return {
    elements: plane(size, (i) => {
      const row = Math.floor(square[i]! / 2)
      const column = 2 * (square[i]! % 2) + row % 2
      return [0.5 * column - 1 + place[2 * i]!, 0.5 * row - 1 + place[2 * i + 1]!]
    })
  }
}

const distributions: { readonly [Kind in PointKind]: (key: Key.Key, size: number) => Sample } = {
  "swiss-roll": swissRoll,
  "two-moons": twoMoons,
  "gaussian-mixture": gaussianMixture,
  "checkerboard": checkerboard
}

const uniform = (key: Key.Key, size: number, minimum: number, maximum: number): ArrayLike<number> =>
  draw(key, { distribution: Distribution.uniform(minimum, maximum), shape: [size] }).data

const integers = (key: Key.Key, size: number, maximum: number): Int32Array =>
  Int32Array.from(draw(key, { distribution: Distribution.integers(0, maximum), shape: [size] }).data)

/** Points one after the other, x before y. */
const plane = (size: number, pointAt: (i: number) => readonly [number, number]): Float32Array => {
  const elements = new Float32Array(2 * size)
  for (let i = 0; i < size; i++) elements.set(pointAt(i), 2 * i)
  return elements
}

/** Adds normal noise that is cut at five standard deviations. */
const addNoise = (key: Key.Key, elements: Float32Array, deviation: number): Float32Array => {
  const noise = draw(key, { distribution: Distribution.normal, shape: [elements.length] }).data
  return elements.map((element, i) => element + deviation * Math.max(-5, Math.min(5, noise[i]!)))
}
