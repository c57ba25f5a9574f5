/**
 * Cases as data: a piece of a tensor program beside what the reference says of it.
 */
import type { Tensor } from "@effusion/core/engine"
import type { DType } from "@effusion/core/tensor"
import * as fc from "fast-check"
import type { Arrays, NdArray } from "./reference/index.ts"

/** An input of an instance. Only float32 inputs have derivatives. */
export interface Argument {
  readonly array: NdArray
  readonly dtype: DType
}

/** Named tensors, of which a case knows that they are there. */
export type Inputs<T> = { readonly [name: string]: T }

/** A case with its shapes, elements and attributes chosen. */
export interface Instance {
  /** Operation, shapes and attributes, as a reader of a failure needs them. */
  readonly label: string
  readonly inputs: Inputs<Argument>
  readonly program: (inputs: Inputs<Tensor>) => ReadonlyArray<Tensor>
  readonly reference: (inputs: Arrays) => ReadonlyArray<NdArray>
  /** The inputs in which the gradient is checked too. */
  readonly differentiable: ReadonlyArray<string>
  /**
   * The size of what is computed on the way, where it is larger than outputs and derivatives show: log softmax
   * subtracts two numbers of the size of its input, and may give 0 with a derivative of 0. Default 0.
   */
  readonly scale: number
  /**
   * Whether gradients are checked element by element, or along one random direction of each input, which is as strict
   * and cheaper where there are thousands of elements. Default `"elements"`.
   */
  readonly by: "elements" | "directions"
}

/** What an operation must do, for random instances and for those that once failed. */
export interface Case {
  readonly name: string
  readonly instances: fc.Arbitrary<Instance>
  /** Counterexamples that engines have had, checked every time. */
  readonly examples?: ReadonlyArray<Instance>
}

/** A float32 input. */
export const float = (array: NdArray): Argument => ({ array, dtype: "float32" })

/** An int32 input. */
export const int = (array: NdArray): Argument => ({ array, dtype: "int32" })

/** An instance that fast-check prints by its label. */
export const instance = (
  label: string,
  inputs: Inputs<Argument>,
  program: Instance["program"],
  reference: Instance["reference"],
  differentiable: ReadonlyArray<string> = [],
  scale = 0,
  by: Instance["by"] = "elements"
): Instance & fc.WithToStringMethod => {
  const arguments_ = Object.entries(inputs).map(([name, { array, dtype }]) =>
    `${name}: ${dtype === "int32" ? "int32 " : ""}[${array.shape.join(", ")}]`
  )
  const whole = `${label} of ${arguments_.join(", ")}`
  return { label: whole, inputs, program, reference, differentiable, scale, by, [fc.toStringMethod]: () => whole }
}
