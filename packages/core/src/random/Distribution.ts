/**
 * Distributions as data: what a stage says of the random numbers that it needs. They are drawn on the host from a key
 * (see `draw.ts`), so that a run is the same on every engine, and a property may supply any draw it likes.
 */
import type { Shape, TensorSpec } from "../tensor/HostTensor.ts"

/** Independent standard normal elements, float32. */
export interface Normal {
  readonly _tag: "Normal"
}

/** Independent elements uniform in [minimum, maximum), float32. */
export interface Uniform {
  readonly _tag: "Uniform"
  readonly minimum: number
  readonly maximum: number
}

/** Independent integers uniform in {minimum, ..., maximum - 1}, int32. */
export interface Integers {
  readonly _tag: "Integers"
  readonly minimum: number
  readonly maximum: number
}

/** Independent elements that are 1 with the given probability (in steps of 2^-16) and 0 otherwise, float32. */
export interface Bernoulli {
  readonly _tag: "Bernoulli"
  readonly probability: number
}

/**
 * Elements spread evenly over [0, 1): with u uniform in [0, 1), element i of n is (u + i / n) mod 1 (Kingma et al. 2021,
 * appendix I.1). Each is uniform by itself, and there is one of them in every interval of length 1 / n. float32.
 */
export interface Stratified {
  readonly _tag: "Stratified"
}

/**
 * Pairs of elements at opposite places of (0, 1): with u uniform, elements 2i and 2i + 1 are u and 1 - u (Hammersley &
 * Morton 1956). Each is uniform by itself; what rises in one of a pair falls in the other. float32.
 */
export interface Antithetic {
  readonly _tag: "Antithetic"
}

export type Distribution = Normal | Uniform | Integers | Bernoulli | Stratified | Antithetic

/** A random tensor before it is drawn. */
export interface DrawSpec {
  readonly distribution: Distribution
  readonly shape: Shape
  /**
   * What is drawn together: the tensor of one batch by itself, or that of all micro-batches of an optimiser step, of which
   * each takes its rows (the first axis is that of the examples). Default: `"batch"`.
   */
  readonly over?: "batch" | "step"
}

/** Named random tensors before they are drawn. */
export type DrawSpecs = { readonly [name: string]: DrawSpec }

export const normal: Normal = { _tag: "Normal" }
export const uniform = (minimum: number, maximum: number): Uniform => ({ _tag: "Uniform", minimum, maximum })
export const integers = (minimum: number, maximum: number): Integers => ({ _tag: "Integers", minimum, maximum })
export const bernoulli = (probability: number): Bernoulli => ({ _tag: "Bernoulli", probability })
export const stratified: Stratified = { _tag: "Stratified" }
export const antithetic: Antithetic = { _tag: "Antithetic" }

/** The shape and dtype of what a draw makes. */
export const drawnSpec = ({ distribution, shape }: DrawSpec): TensorSpec => ({
  shape,
  dtype: distribution._tag === "Integers" ? "int32" : "float32"
})
