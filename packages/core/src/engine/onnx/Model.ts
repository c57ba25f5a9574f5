/**
 * An ONNX model as plain data: what lowering makes and encoding writes.
 * Names and meanings are those of the ONNX specification (https://onnx.ai/onnx/repo-docs/IR.html).
 */
import type { Shape } from "../../tensor/HostTensor.ts"
import type { Reading } from "./Reading.ts"

/** Element types, by their ONNX names. */
export type OnnxType = "float32" | "float64" | "int32" | "int64" | "bool"

/** The type of a graph input or output. */
export interface OnnxValueInfo {
  readonly name: string
  readonly dtype: OnnxType
  readonly shape: Shape
  /** The larger tensor of which it is some elements, and where it begins there; without it, it is a tensor of its own. */
  readonly within?: { readonly name: string; readonly offset: number }
}

/** A constant stored in the model; `int64` elements are given as numbers and must be safe integers. */
export interface OnnxInitializer extends OnnxValueInfo {
  readonly data: ArrayLike<number>
  /** The order in which its elements are read out of `data`, and what of it is added up; as they lie unless given. */
  readonly reading?: Reading
}

/** An attribute; `int` and `float` are told apart because ONNX does. */
export type OnnxAttribute =
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "ints"; readonly value: ReadonlyArray<number> }
  | { readonly type: "floats"; readonly value: ReadonlyArray<number> }

/** One operation. An empty input name is an omitted optional input. */
export interface OnnxNode {
  readonly name: string
  /** `""` is the standard domain; `com.microsoft` holds ONNX Runtime's own operators. */
  readonly domain: string
  readonly op: string
  readonly inputs: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
  readonly attributes: { readonly [name: string]: OnnxAttribute }
}

/** A model: nodes in topological order. */
export interface OnnxModel {
  readonly name: string
  readonly inputs: ReadonlyArray<OnnxValueInfo>
  readonly outputs: ReadonlyArray<OnnxValueInfo>
  readonly initializers: ReadonlyArray<OnnxInitializer>
  readonly nodes: ReadonlyArray<OnnxNode>
}
