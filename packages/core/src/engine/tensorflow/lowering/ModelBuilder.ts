/**
 * Builds the nodes of a TensorFlow graph: appends operations, shares constants, and knows which tensor each value of the
 * recorded graph is.
 *
 * Tensors are called as TensorFlow calls them: `node` for the first output of a node, `node:1` for the second.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import { UnsupportedOperation } from "../../EngineError.ts"
import type { Value } from "../../graph/Graph.ts"
import type { TensorflowAttribute, TensorflowNode, TensorflowType } from "../Model.ts"

/** Attributes as lowering writes them: integers, truth values, lists of integers, element types, or tagged. */
export type Attributes = {
  readonly [name: string]: number | boolean | TensorflowType | ReadonlyArray<number> | TensorflowAttribute
}

export const text = (value: string): TensorflowAttribute => ({ type: "string", value })
export const shapeOf = (value: Shape): TensorflowAttribute => ({ type: "shape", value })

/** The name of the engine, for error messages. */
export const engine = "tensorflow"

/** What asks XLA to compile a node, together with all others of its scope. */
const compiled: TensorflowNode["attributes"] = {
  _XlaCompile: { type: "bool", value: true },
  _XlaScope: { type: "string", value: "step" }
}

export class ModelBuilder {
  readonly nodes: Array<TensorflowNode> = []
  private readonly program: string
  private readonly marks: TensorflowNode["attributes"]
  private readonly tensors = new Map<Value, string>()
  private readonly fills = new Map<Value, number>()
  private readonly shared = new Map<string, string>()

  constructor(program: string, options: { readonly xla: boolean }) {
    this.program = program
    this.marks = options.xla ? compiled : {}
  }

  /** Appends an operation of the step's computation; gives its first output. */
  node(op: string, inputs: ReadonlyArray<string>, attributes: Attributes = {}): string {
    return this.append(op, inputs, { ...tagged(attributes), ...this.marks })
  }

  /** Appends an operation with several outputs. */
  nodeMany(
    op: string,
    inputs: ReadonlyArray<string>,
    count: number,
    attributes: Attributes = {}
  ): ReadonlyArray<string> {
    const name = this.node(op, inputs, attributes)
    return Array.from({ length: count }, (_, i) => (i === 0 ? name : `${name}:${i}`))
  }

  /** Appends an operation that holds or moves tensors around the computation, and is not compiled with it. */
  outside(op: string, inputs: ReadonlyArray<string>, attributes: Attributes = {}): string {
    return this.append(op, inputs, tagged(attributes))
  }

  private append(op: string, inputs: ReadonlyArray<string>, attributes: TensorflowNode["attributes"]): string {
    const name = `${op}_${this.nodes.length}`
    this.nodes.push({ name, op, inputs, attributes })
    return name
  }

  /** A constant tensor, whose elements may be given as one for all; small ones with the same content are shared. */
  constant(data: ArrayLike<number>, shape: Shape, dtype: TensorflowType): string {
    const make = () => this.node("Const", [], { dtype, value: { type: "tensor", dtype, shape, data } })
    return data.length <= 64
      ? this.once(`${dtype}[${shape.join()}]:${Array.from(data, exactly).join()}`, make)
      : make()
  }

  /** A list of integers, as TensorFlow takes shapes and axes. */
  integers(values: ReadonlyArray<number>): string {
    return this.constant(values, [values.length], "int32")
  }

  scalar(value: number, dtype: TensorflowType = "float32"): string {
    return this.constant([value], [], dtype)
  }

  /** The same elements in another shape. */
  reshape(name: string, shape: Shape, dtype: TensorflowType = "float32"): string {
    return this.once(
      `${name} [${shape.join()}]`,
      () => this.node("Reshape", [name, this.integers(shape)], { T: dtype })
    )
  }

  /** Says which tensor a value is. */
  place(value: Value, name: string): void {
    this.tensors.set(value, name)
  }

  /** Says that every element of a value is this number; a tensor is made only if one is needed. */
  placeFill(value: Value, number: number): void {
    this.fills.set(value, number)
  }

  /** The number that every element of a value is, if it was placed so. */
  fillOf(value: Value): number | undefined {
    return this.fills.get(value)
  }

  /** The tensor that a value is. */
  tensor(value: Value): string {
    const name = this.tensors.get(value)
    if (name !== undefined) return name
    const number = this.fills.get(value)
    if (number === undefined) throw new Error("a value is used before it is computed")
    const filled = this.constant([number], value.shape, value.dtype)
    this.place(value, filled)
    return filled
  }

  /** Appends what `make` appends, unless it was appended under the same key before. */
  private once(key: string, make: () => string): string {
    const known = this.shared.get(key)
    if (known !== undefined) return known
    const name = make()
    this.shared.set(key, name)
    return name
  }

  /** Refuses what TensorFlow has no kernel for. */
  refuse(operation: string): never {
    throw new UnsupportedOperation({ program: this.program, operation, engine })
  }
}

const tagged = (attributes: Attributes): TensorflowNode["attributes"] =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, tag(value)]))

const tag = (value: Attributes[string]): TensorflowAttribute => {
  if (typeof value === "number") return { type: "int", value }
  if (typeof value === "boolean") return { type: "bool", value }
  if (typeof value === "string") return { type: "type", value }
  return Array.isArray(value) ? { type: "ints", value } : value as TensorflowAttribute
}

const exactly = (x: number): string => (Object.is(x, -0) ? "-0" : String(x))
