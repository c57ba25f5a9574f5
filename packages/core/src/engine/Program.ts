/**
 * Tensor programs: what an engine compiles.
 *
 * A program is a pure function on tensors, written with `@tensorflow/tfjs` operations, from a state and an input to
 * the next state and an output. The state stays with the engine from step to step (parameters, optimiser moments,
 * a half-denoised image); inputs and outputs are small and live on the host. An engine that traces runs `apply` once
 * and compiles what it recorded; an eager engine runs it every step. Either way `apply` must depend on nothing but its
 * arguments.
 */
import type * as tf from "@tensorflow/tfjs"
import type { HostTensor, TensorSpec } from "../tensor/HostTensor.ts"

/** A tensor inside a program: a tfjs tensor. While a program is traced its elements cannot be read. */
export type Tensor = tf.Tensor

/** Named tensors. */
export type Tensors = { readonly [name: string]: Tensor }

/** The same names, with what is known of each tensor beforehand. */
export type SpecsOf<T> = { readonly [K in keyof T]: TensorSpec }

/** The same names, with each tensor in host memory. */
export type HostOf<T> = { readonly [K in keyof T]: HostTensor }

/** What a step of a program gives back. */
export interface Result<State, Output> {
  readonly state: State
  readonly output: Output
}

/**
 * A pure tensor function with the signature of its arguments.
 *
 * @example
 * // A running sum: the state is the sum so far, the output is its mean over the elements.
 * const accumulate: Program<{ sum: Tensor }, { x: Tensor }, { mean: Tensor }> = {
 *   name: "accumulate",
 *   state: { sum: { shape: [3], dtype: "float32" } },
 *   input: { x: { shape: [3], dtype: "float32" } },
 *   apply: ({ sum }, { x }) => {
 *     const next = tf.add(sum, x)
 *     return { state: { sum: next }, output: { mean: tf.mean(next) } }
 *   }
 * }
 */
export interface Program<State extends Tensors, Input extends Tensors, Output extends Tensors> {
  readonly name: string
  readonly state: SpecsOf<State>
  readonly input: SpecsOf<Input>
  readonly apply: (state: State, input: Input) => Result<State, Output>
}

/**
 * A program without state: a function from an input to an output.
 *
 * @example
 * const double = stateless("double", { x: { shape: [2], dtype: "float32" } }, ({ x }) => ({ y: tf.mul(x, 2) }))
 */
export const stateless = <Input extends Tensors, Output extends Tensors>(
  name: string,
  input: SpecsOf<Input>,
  apply: (input: Input) => Output
): Program<{}, Input, Output> => ({
  name,
  state: {},
  input,
  apply: (_, input) => ({ state: {}, output: apply(input) })
})
