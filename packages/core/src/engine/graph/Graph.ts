/**
 * A recorded program: nodes in the order they were recorded, each an operation on values.
 */
import type { Shape, TensorSpec } from "../../tensor/HostTensor.ts"
import type { Operation } from "./Operation.ts"
import type { Origin } from "./Origin.ts"

/** Element types inside a program; comparisons make `bool`. */
export type ValueType = "float32" | "int32" | "bool"

/** A tensor that flows along an edge. Values are compared by identity. */
export interface Value {
  readonly shape: Shape
  readonly dtype: ValueType
}

/** An operation applied to values. Only `split`, `largest`, `groupNorm`, `attention` and their gradients have several outputs. */
export interface Node {
  readonly operation: Operation
  readonly inputs: ReadonlyArray<Value>
  readonly outputs: ReadonlyArray<Value>
  /** Where it comes from; known where that was asked for when the program was recorded. */
  readonly origin?: Origin
}

/** A value by the name that the program's signature gives it. */
export interface Binding {
  readonly role: "state" | "input" | "output"
  readonly name: string
  readonly value: Value
  /** Where the value begins in the elements of a state that is kept in blocks; without it, the value is all of it. */
  readonly offset?: number
}

/** The shapes and dtypes of everything that goes in and out. */
export interface Signature {
  readonly state: { readonly [name: string]: TensorSpec }
  readonly input: { readonly [name: string]: TensorSpec }
  readonly output: { readonly [name: string]: TensorSpec }
}

/** A recorded program. */
export interface Graph {
  readonly name: string
  readonly signature: Signature
  /** State and inputs. */
  readonly arguments: ReadonlyArray<Binding>
  readonly nodes: ReadonlyArray<Node>
  /** The next state and the outputs. */
  readonly results: ReadonlyArray<Binding>
}

/** Appends nodes; what tracing and rewriting build graphs with. */
export class GraphBuilder {
  readonly nodes: Array<Node> = []
  private readonly origin: () => Origin | undefined

  /** @param origin tells where what is appended comes from */
  constructor(origin: () => Origin | undefined = () => undefined) {
    this.origin = origin
  }

  /** Appends an operation with one output. */
  append(operation: Operation, inputs: ReadonlyArray<Value>, shape: Shape, dtype: ValueType): Value {
    return this.appendMany(operation, inputs, [{ shape, dtype }])[0]!
  }

  /** Appends an operation with several outputs. */
  appendMany(operation: Operation, inputs: ReadonlyArray<Value>, outputs: ReadonlyArray<Value>): ReadonlyArray<Value> {
    const fresh = outputs.map(({ dtype, shape }): Value => ({ shape: [...shape], dtype }))
    const origin = this.origin()
    this.nodes.push({ operation, inputs, outputs: fresh, ...(origin === undefined ? {} : { origin }) })
    return fresh
  }
}
