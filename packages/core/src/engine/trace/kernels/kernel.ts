/**
 * How a tfjs kernel is recorded.
 */
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"

/** What a kernel is given: its inputs by tfjs's names, and its attributes. */
export interface KernelCall {
  readonly recorder: Recorder
  readonly input: (name: string) => Value
  /** An input that a call may leave out. */
  readonly optional: (name: string) => Value | undefined
  /** Inputs that tfjs passes as an array. */
  readonly inputs: ReadonlyArray<Value>
  readonly attributes: Attributes
}

/** A kernel's attributes; each kernel knows the types of its own. */
export type Attributes = { readonly [name: string]: unknown }

/** Records a kernel and gives its outputs. */
export type RecordKernel = (call: KernelCall) => Value | ReadonlyArray<Value>

/** Kernels by tfjs's names. */
export type Kernels = { readonly [kernelName: string]: RecordKernel }

/** Records a kernel inside another one. */
export const record = (
  kernel: RecordKernel,
  recorder: Recorder,
  inputs: { readonly [name: string]: Value | undefined },
  attributes: Attributes = {}
): Value =>
  kernel({
    recorder,
    input: (name) => inputs[name]!,
    optional: (name) => inputs[name],
    inputs: [],
    attributes
  }) as Value

export const numberOf = (attributes: Attributes, name: string): number => attributes[name] as number
export const numbersOf = (attributes: Attributes, name: string): ReadonlyArray<number> => {
  const value = attributes[name]
  return typeof value === "number" ? [value] : Array.from(value as ArrayLike<number>)
}
export const flagOf = (attributes: Attributes, name: string): boolean => attributes[name] === true
