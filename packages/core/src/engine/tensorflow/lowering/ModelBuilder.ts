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
import { engine } from "../TensorflowError.ts"

/** Attributes as lowering writes them: integers, truth values, lists of integers, element types, or tagged. */
export type Attributes = {
  readonly [name: string]: number | boolean | TensorflowType | ReadonlyArray<number> | TensorflowAttribute
}

export const text = (value: string): TensorflowAttribute => ({ type: "string", value })
export const shapeOf = (value: Shape): TensorflowAttribute => ({ type: "shape", value })

const largestInt32 = 2 ** 31 - 1

export class ModelBuilder {
  /** The nodes of the graph. */
  readonly nodes: Array<TensorflowNode> = []
  /** The nodes of the step's computation, where they are kept by themselves. */
  readonly computation: Array<TensorflowNode>
  private readonly program: string
  private readonly tensors = new Map<Value, string>()
  private readonly fills = new Map<Value, number>()
  private readonly shared = new Map<string, string>()
  private counter = 0

  /** @param apart whether the step's computation is kept apart from the graph */
  constructor(program: string, apart: boolean) {
    this.program = program
    this.computation = apart ? [] : this.nodes
  }

  /** Appends an operation of the step's computation; gives its first output. */
  node(op: string, inputs: ReadonlyArray<string>, attributes: Attributes = {}): string {
    return this.append(this.computation, op, inputs, attributes)
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

  /** Appends an operation that holds or moves tensors around the computation. */
  outside(op: string, inputs: ReadonlyArray<string>, attributes: Attributes = {}): string {
    return this.append(this.nodes, op, inputs, attributes)
  }

  private append(
    nodes: Array<TensorflowNode>,
    op: string,
    inputs: ReadonlyArray<string>,
    attributes: Attributes
  ): string {
    const name = `${op}_${this.counter++}`
    nodes.push({ name, op, inputs, attributes: tagged(attributes) })
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
    return this.once(`${name} [${shape.join()}]`, () => {
      // The rows of a large sum can be more than an int32 counts.
      const Tshape = shape.some((size) => size > largestInt32) ? "int64" : "int32"
      return this.node("Reshape", [name, this.constant(shape, [shape.length], Tshape)], { T: dtype, Tshape })
    })
  }

  /** Says which tensor a value is. */
  place(value: Value, name: string): void {
    this.tensors.set(value, name)
  }

  /** The element type of a tensor that a value was placed as. */
  typeOf(name: string): TensorflowType {
    for (const [value, tensor] of this.tensors) if (tensor === name) return value.dtype
    throw new Error(`no value is the tensor ${name}`)
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
