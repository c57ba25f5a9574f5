/**
 * Builds an ONNX model: appends nodes, shares constants, and knows where each value of the graph is kept and in which
 * axis order. Elements are moved into another order only when an operation asks for it, and once for each order.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import type { OnnxAttribute, OnnxInitializer, OnnxNode, OnnxType } from "../Model.ts"
import * as Optimizations from "../Optimizations.ts"
import { inOrder, permuted, summed } from "../Reading.ts"
import type { Order } from "./order.ts"
import { arrange, isPlain, movesNothing, permutationBetween, plainOrder, sameOrder } from "./order.ts"
import { transpose } from "./transpose.ts"

/** Attributes as lowering writes them: integers, lists of integers, or tagged. */
export type Attributes = { readonly [name: string]: number | ReadonlyArray<number> | OnnxAttribute }

/** Where a value is kept: the name of a tensor, and the order of its axes. */
export interface Placement {
  readonly name: string
  readonly order: Order
}

/** Microsoft's operators, which ONNX Runtime brings along. */
export const microsoft = "com.microsoft"

/** Its domain of operators on channels in blocks. */
export const blockedDomain = "com.microsoft.nchwc"

export const float = (value: number): OnnxAttribute => ({ type: "float", value })
export const text = (value: string): OnnxAttribute => ({ type: "string", value })

/** What the lowering may count on. */
export interface ModelOptions {
  /** Channels in a block of the runtime's blocked convolution; absent where it has none. */
  readonly convolutionBlock?: number | undefined
  /** Which optimizations are on; all are unless given. */
  readonly optimizations?: Optimizations.Optimizations | undefined
}

export class ModelBuilder {
  /** Channels in a block of the runtime's blocked convolution; undefined where it is not to be used. */
  readonly convolutionBlock: number | undefined
  readonly optimizations: Optimizations.Optimizations
  readonly nodes: Array<OnnxNode> = []
  /** Constants by name. */
  readonly initializers = new Map<string, OnnxInitializer>()
  /** The node of the graph that each node here was appended for, by name. */
  readonly sources = new Map<string, Node>()
  /** The node of the graph that is being lowered. */
  source: Node | undefined
  /** The names of small constants by content. */
  private readonly known = new Map<string, string>()
  private readonly placements = new Map<Value, Placement>()
  private readonly fills = new Map<Value, number>()
  private readonly rearranged = new Map<string, string | ReadonlyArray<string>>()
  /** What each reshaped tensor was before. */
  private readonly unshaped = new Map<string, string>()
  private counter = 0

  constructor(options: ModelOptions) {
    this.optimizations = options.optimizations ?? Optimizations.all
    this.convolutionBlock = this.optimizations.blockedConvolutions ? options.convolutionBlock : undefined
  }

  /** Appends an operation with one output; gives the output's name. */
  node(op: string, inputs: ReadonlyArray<string>, attributes: Attributes = {}, domain = ""): string {
    return this.nodeMany(op, inputs, 1, attributes, domain)[0]!
  }

  /** Appends an operation with several outputs. */
  nodeMany(
    op: string,
    inputs: ReadonlyArray<string>,
    count: number,
    attributes: Attributes = {},
    domain = ""
  ): ReadonlyArray<string> {
    const name = `${op}_${this.counter++}`
    const outputs = Array.from({ length: count }, (_, i) => (count === 1 ? name : `${name}_${i}`))
    this.append({ name, domain, op, inputs, outputs, attributes: tagged(attributes) })
    return outputs
  }

  /** Appends a node. */
  append(node: OnnxNode): void {
    this.nodes.push(node)
    if (this.source !== undefined) this.sources.set(node.name, this.source)
  }

  /** A constant tensor; small ones with the same content are shared. */
  constant(data: ArrayLike<number>, shape: Shape, dtype: OnnxType): string {
    if (data.length > 64) return this.store({ dtype, shape, data })
    const key = `${dtype}[${shape.join()}]:${Array.from(data, exactly).join()}`
    const known = this.known.get(key)
    if (known !== undefined) return known
    const name = this.store({ dtype, shape, data })
    this.known.set(key, name)
    return name
  }

  /**
   * A constant with its axes moved, and then in another shape; undefined where the tensor is no constant, or is not to be
   * moved ahead. Its elements are moved when the model is encoded.
   *
   * @param shape the shape whose axes are moved; the constant's own may be another one of the same size
   */
  movedConstant(
    name: string,
    shape: Shape,
    permutation: ReadonlyArray<number>,
    result: Shape = permutation.map((axis) => shape[axis]!)
  ): string | undefined {
    const constant = this.movable(name)
    const reading = constant && permuted(constant.reading ?? inOrder(constant.shape), shape, permutation)
    if (reading === undefined) return undefined
    return this.once(
      `${name} [${shape.join()}] moved ${permutation.join()} [${result.join()}]`,
      () => this.store({ ...constant!, shape: result, reading })
    )
  }

  /**
   * Sums of the slices of a constant along the first axis of a shape, each with the other axes moved, and then in another
   * shape: one constant for each row of a matrix, that says how many times each slice is taken. Undefined where the tensor is
   * no constant, or is not to be moved ahead. They are added when the model is encoded, as the runtime would add a product
   * with that matrix.
   *
   * @param shape the shape whose axes are moved; the constant's own may be another one of the same size
   * @param permutation of all but its first axis
   */
  summedConstants(
    name: string,
    matrix: ReadonlyArray<ReadonlyArray<number>>,
    shape: Shape,
    permutation: ReadonlyArray<number>,
    result: Shape
  ): ReadonlyArray<string> | undefined {
    const constant = this.movable(name)
    if (constant === undefined) return undefined
    const slice = shape.slice(1)
    const readings = matrix.map((factors) => {
      const sums = summed(constant.reading ?? inOrder(constant.shape), shape, factors)
      return sums && permuted(sums, slice, permutation)
    })
    return readings.includes(undefined)
      ? undefined
      : readings.map((reading) => this.store({ ...constant, shape: result, reading: reading! }))
  }

  private movable(name: string): OnnxInitializer | undefined {
    return this.optimizations.constantMoves ? this.initializers.get(name) : undefined
  }

  private store(constant: Omit<OnnxInitializer, "name">): string {
    const name = `constant_${this.initializers.size}`
    this.initializers.set(name, { ...constant, name })
    return name
  }

  /** A list of integers, as ONNX takes shapes and axes. */
  integers(values: ReadonlyArray<number>): string {
    return this.constant(values, [values.length], "int64")
  }

  scalar(value: number, dtype: OnnxType = "float32"): string {
    return this.constant([value], [], dtype)
  }

  /** Says where a value is kept, and in which order of its axes if orders may differ. */
  place(value: Value, name: string, order: Order = plainOrder(value.shape.length)): void {
    const plain = plainOrder(value.shape.length)
    this.placements.set(
      value,
      this.optimizations.axisOrders
        ? { name, order }
        : { name: this.rearrange(name, value.shape, order, plain), order: plain }
    )
  }

  /** Says that every element of a value is this number; a tensor is made only if one is needed. */
  placeFill(value: Value, number: number): void {
    this.fills.set(value, number)
  }

  /** The number that every element of a value is, if it was placed so and operations may take it for the tensor. */
  fillOf(value: Value): number | undefined {
    return this.optimizations.uniformValues ? this.fills.get(value) : undefined
  }

  /** Where a value is kept. */
  placement(value: Value): Placement {
    const placement = this.placements.get(value)
    if (placement !== undefined) return placement
    const number = this.fills.get(value)
    if (number === undefined) throw new Error("a value is used before it is computed")
    const name = value.shape.length === 0
      ? this.scalar(number, value.dtype)
      : this.node("Expand", [this.scalar(number, value.dtype), this.integers(value.shape)])
    this.place(value, name)
    return this.placement(value)
  }

  /** The order in which a value is kept; a fill has none of its own. */
  orderOf(value: Value): Order | undefined {
    return this.placements.get(value)?.order
  }

  /** The name of a value kept in a certain order. */
  inOrder(value: Value, order: Order): string {
    const { name, order: present } = this.placement(value)
    return this.rearrange(name, value.shape, present, order)
  }

  /** The name of a value kept as the program wrote it. */
  plain(value: Value): string {
    return this.inOrder(value, plainOrder(value.shape.length))
  }

  /** Brings a tensor of a logical shape from one order to another. */
  rearrange(name: string, shape: Shape, from: Order, to: Order): string {
    if (sameOrder(from, to)) return name
    return this.once(`${name} ${from.join()} ${to.join()}`, () =>
      movesNothing(shape, from, to)
        ? this.reshape(name, arrange(shape, to))
        : transpose(this, name, arrange(shape, from), permutationBetween(from, to)))
  }

  /** The same elements in another shape. Of a tensor that was reshaped before, what it was then is reshaped instead. */
  reshape(name: string, shape: Shape): string {
    const constant = this.movable(name)
    if (constant !== undefined) return this.once(`${name} [${shape.join()}]`, () => this.store({ ...constant, shape }))
    const source = this.optimizations.viewsFromOrigin ? this.unshaped.get(name) ?? name : name
    return this.once(`${source} [${shape.join()}]`, () => {
      const reshaped = this.node("Reshape", [source, this.integers(shape)])
      this.unshaped.set(reshaped, source)
      return reshaped
    })
  }

  /**
   * The name of a value as an operand of an elementwise operation whose result has the rank of `order` and is kept in
   * that order. What is one number throughout is given as a scalar.
   */
  operand(value: Value, order: Order): string {
    const number = this.fillOf(value)
    return number === undefined ? this.tensorOperand(value, order) : this.scalar(number, value.dtype)
  }

  /** {@link operand} with all its axes. Operands of lower rank are broadcast by the operation itself. */
  tensorOperand(value: Value, order: Order): string {
    if (value.shape.length === order.length) return this.inOrder(value, order)
    const name = this.plain(value)
    if (isPlain(order) || sizeOf(value.shape) === 1) return name
    const padded = [...Array.from({ length: order.length - value.shape.length }, () => 1), ...value.shape]
    const plain = plainOrder(order.length)
    return movesNothing(padded, plain, order)
      ? this.reshape(name, arrange(padded, order))
      : this.rearrange(this.reshape(name, padded), padded, plain, order)
  }

  /** Says that what would be appended under a key is there already, by another way. */
  know(key: string, name: string): void {
    if (this.optimizations.commonSubexpressions) this.rearranged.set(key, name)
  }

  /** Appends what `make` appends, one tensor or several, unless it was appended under the same key before. */
  once<Made extends string | ReadonlyArray<string>>(key: string, make: () => Made): Made {
    if (!this.optimizations.commonSubexpressions) return make()
    const known = this.rearranged.get(key)
    if (known !== undefined) return known as Made
    const made = make()
    this.rearranged.set(key, made)
    return made
  }
}

const tagged = (attributes: Attributes): { readonly [name: string]: OnnxAttribute } =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, value]): [string, OnnxAttribute] => {
      if (typeof value === "number") return [name, { type: "int", value }]
      return Array.isArray(value) ? [name, { type: "ints", value }] : [name, value as OnnxAttribute]
    })
  )

const exactly = (x: number): string => (Object.is(x, -0) ? "-0" : String(x))
