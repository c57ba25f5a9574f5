/**
 * A TensorFlow graph as plain data: what lowering makes and encoding writes as a SavedModel.
 * Names and meanings are those of TensorFlow's public schemas (tensorflow/core/framework/{graph,node_def,attr_value,tensor,
 * types}.proto and tensorflow/core/protobuf/{saved_model,meta_graph}.proto).
 */
import type { Shape } from "../../tensor/HostTensor.ts"

/** The tag that a graph has in its file, by which it is loaded. */
export const tag = "serve"

/** Element types, by the names that the rest of the engine has for them; the graph's own bookkeeping uses no others. */
export type TensorflowType = "float32" | "float64" | "int32" | "int64" | "bool"

/** An attribute of a node. */
export type TensorflowAttribute =
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "type"; readonly value: TensorflowType }
  | { readonly type: "shape"; readonly value: Shape }
  | { readonly type: "ints"; readonly value: ReadonlyArray<number> }
  | { readonly type: "types"; readonly value: ReadonlyArray<TensorflowType> }
  /** A function of the model, by name. */
  | { readonly type: "function"; readonly value: string }
  | {
    readonly type: "tensor"
    readonly dtype: TensorflowType
    readonly shape: Shape
    /** One element stands for all of the shape's. */
    readonly data: ArrayLike<number>
  }

/** One operation. */
export interface TensorflowNode {
  readonly name: string
  readonly op: string
  /** `node` or `node:1` for an output of a node, then `^node` for what must have run before. */
  readonly inputs: ReadonlyArray<string>
  readonly attributes: { readonly [name: string]: TensorflowAttribute }
}

/** Nodes that are called as one. */
export interface TensorflowFunction {
  readonly name: string
  /** Arguments, which nodes take by their names as they take nodes. */
  readonly inputs: ReadonlyArray<{ readonly name: string; readonly dtype: TensorflowType }>
  readonly nodes: ReadonlyArray<TensorflowNode>
  /** Results, each a tensor of the nodes. */
  readonly outputs: ReadonlyArray<{ readonly name: string; readonly dtype: TensorflowType; readonly tensor: string }>
  readonly attributes: { readonly [name: string]: TensorflowAttribute }
}

/** What is given to a session in one call, and what it gives back: tensors of the graph (`node:0`) by the program's names. */
export interface SessionCall {
  readonly feeds: { readonly [name: string]: string }
  readonly fetches: { readonly [name: string]: string }
}

/**
 * A program as a graph: the state is held in variables of the session, so that a step is fed the input and gives back
 * the output, and nothing else crosses.
 */
export interface TensorflowModel {
  readonly name: string
  readonly nodes: ReadonlyArray<TensorflowNode>
  readonly functions: ReadonlyArray<TensorflowFunction>
  /**
   * Runs a step and replaces the state, all of it or, if anything fails on the way, none. An input that the program does
   * not use is not fed.
   */
  readonly step: SessionCall
  /** Fetched with every step: not there for its value, but because it exists only when the new state is in place. */
  readonly stepped: string
  /** Replaces the state by what is fed. */
  readonly write: SessionCall
  /** Fetched with every write. */
  readonly written: string
  /** Gives the state back. */
  readonly read: SessionCall
}
