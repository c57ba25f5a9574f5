/**
 * Records a program while tfjs runs it: a tfjs backend whose kernels append nodes to a graph and compute nothing.
 *
 * tfjs identifies a tensor's elements by a data id, an object. Here a data id stands for a value of the graph; several
 * may stand for the same one (tfjs clones tensors for its gradient tape).
 */
import * as tf from "@tensorflow/tfjs"
import type { Shape } from "../../tensor/HostTensor.ts"
import { sizeOf } from "../../tensor/HostTensor.ts"
import type { Node, Value, ValueType } from "../graph/Graph.ts"
import { GraphBuilder } from "../graph/Graph.ts"
import type { BinaryFunction, Operation, UnaryFunction } from "../graph/Operation.ts"
import type { Origin } from "../graph/Origin.ts"
import { presentOperations } from "./presentOperations.ts"

/** The name of the tracing backend in tfjs's registry. */
export const backendName = "effusion-trace"

/** Thrown where a program asks for elements that do not exist yet. */
export class ElementsRead extends Error {}

/** Thrown where a program uses a kernel that is not recorded. */
export class UnknownKernel extends Error {
  readonly kernel: string
  /** What to do instead, where there is more to say than to write it with other operations. */
  readonly remedy: string | undefined
  constructor(kernel: string, remedy?: string) {
    super(kernel)
    this.kernel = kernel
    this.remedy = remedy
  }
}

/** Thrown where a program draws random numbers. */
export class DrawsRandomNumbers extends Error {
  constructor(operation: string) {
    super(
      `it draws random numbers with tf.${operation}, and they would be the same at every step; declare them as draws of ` +
        `the stage or denoiser, or take them as input`
    )
  }
}

type Elements = Float32Array | Int32Array | Uint8Array

/** The tfjs backend; `recorder` is set while a program is being traced. */
export class TraceBackend extends tf.KernelBackend {
  recorder: Recorder | undefined
  private readonly references = new WeakMap<object, number>()
  private ids = 0

  override write(values: tf.BackendValues, shape: Array<number>, dtype: tf.DataType): object {
    const drawing = presentOperations().find((name) => randomOperations.has(name))
    if (drawing !== undefined) throw new DrawsRandomNumbers(drawing)
    return this.identify(this.active().constant(elementsOf(values), shape, typeOf(dtype)))
  }

  /** A new data id for a value. */
  identify(value: Value): object {
    const dataId = {}
    this.active().values.set(dataId, value)
    this.references.set(dataId, 1)
    this.ids++
    return dataId
  }

  /** The recorder of the program that is being traced. */
  active(): Recorder {
    if (this.recorder === undefined) throw new Error("a tensor of a traced program was used after the trace ended")
    return this.recorder
  }

  override read(dataId: object): Promise<tf.BackendValues> {
    return Promise.resolve().then(() => this.readSync(dataId))
  }

  override readSync(dataId: object): tf.BackendValues {
    const elements = this.active().elements(dataId)
    if (elements === undefined) throw new ElementsRead()
    return elements
  }

  override incRef(dataId: object): void {
    this.references.set(dataId, this.refCount(dataId) + 1)
  }

  override refCount(dataId: object): number {
    return this.references.get(dataId) ?? 0
  }

  override disposeData(dataId: object, force = false): boolean {
    const count = this.refCount(dataId) - 1
    this.references.set(dataId, count)
    if (count > 0 && !force) return false
    this.recorder?.values.delete(dataId)
    this.references.delete(dataId)
    this.ids--
    return true
  }

  override numDataIds(): number {
    return this.ids
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true }
  }

  override timerAvailable(): boolean {
    return false
  }

  override floatPrecision(): 32 {
    return 32
  }

  override epsilon(): number {
    return 1e-7
  }

  override dispose(): void {}
}

/** tfjs draws on the host, and makes a tensor of what it has drawn: to a trace that is a constant. */
const randomOperations: ReadonlySet<string> = new Set([
  "dropout",
  "rand",
  "randomGamma",
  "randomNormal",
  "randomStandardNormal",
  "randomUniform",
  "randomUniformInt",
  "truncatedNormal"
])

/** The graph of one program in the making, with what kernels record it with. */
export class Recorder {
  readonly builder: GraphBuilder
  readonly values = new Map<object, Value>()
  private readonly producers = new Map<Value, Node>()
  private indexed = 0

  /** @param origin tells where what is recorded comes from */
  constructor(origin?: () => Origin) {
    this.builder = new GraphBuilder(origin)
  }

  value(info: tf.TensorInfo): Value {
    const value = this.values.get(info.dataId)
    if (value === undefined) {
      throw new Error(
        "it uses a tensor that was made outside of it; take it as state or input, or make it of host data inside"
      )
    }
    // A reshape in tfjs may share the data id; the graph has a node for it.
    return sameAs(value, info) ? value : this.reshape(value, info.shape)
  }

  /** The node that made a value. */
  producer(value: Value): Node | undefined {
    for (; this.indexed < this.builder.nodes.length; this.indexed++) {
      const node = this.builder.nodes[this.indexed]!
      for (const output of node.outputs) this.producers.set(output, node)
    }
    return this.producers.get(value)
  }

  /** The elements behind a data id, where they are known: those of constants. */
  elements(dataId: object): Elements | undefined {
    const value = this.values.get(dataId)
    const operation = value === undefined ? undefined : this.producer(value)?.operation
    if (operation?.kind === "constant") return operation.data
    if (operation?.kind === "fill") return arrayOf(value!.dtype, sizeOf(value!.shape)).fill(operation.value)
    return undefined
  }

  constant(data: Elements, shape: Shape, dtype: ValueType): Value {
    return this.builder.append({ kind: "constant", data }, [], shape, dtype)
  }

  fill(value: number, shape: Shape, dtype: ValueType): Value {
    return this.builder.append({ kind: "fill", value }, [], shape, dtype)
  }

  unary(name: UnaryFunction, x: Value): Value {
    const dtype = name === "isNaN" || name === "isInf" || name === "isFinite" || name === "logicalNot"
      ? "bool"
      : x.dtype
    return this.builder.append({ kind: "unary", function: name }, [x], x.shape, dtype)
  }

  binary(name: BinaryFunction, a: Value, b: Value): Value {
    const shape = tf.backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape])
    const dtype = comparisons.has(name) ? "bool" : a.dtype
    return this.builder.append({ kind: "binary", function: name }, [a, b], shape, dtype)
  }

  reshape(x: Value, shape: Shape): Value {
    return this.builder.append({ kind: "reshape" }, [x], shape, x.dtype)
  }

  transpose(x: Value, permutation: ReadonlyArray<number>): Value {
    const shape = permutation.map((axis) => x.shape[axis]!)
    return this.builder.append({ kind: "transpose", permutation: [...permutation] }, [x], shape, x.dtype)
  }

  cast(x: Value, dtype: ValueType): Value {
    return x.dtype === dtype ? x : this.builder.append({ kind: "cast" }, [x], x.shape, dtype)
  }

  append(operation: Operation, inputs: ReadonlyArray<Value>, shape: Shape, dtype: ValueType): Value {
    return this.builder.append(operation, inputs, shape, dtype)
  }
}

const comparisons: ReadonlySet<BinaryFunction> = new Set<BinaryFunction>([
  "equal",
  "greater",
  "greaterEqual",
  "less",
  "lessEqual",
  "logicalAnd",
  "logicalOr",
  "logicalXor",
  "notEqual"
])

/** The element type inside a graph of a tfjs dtype. */
export const typeOf = (dtype: tf.DataType): ValueType => {
  if (dtype === "float32" || dtype === "int32" || dtype === "bool") return dtype
  throw new UnknownKernel(`tensor of dtype ${dtype}`)
}

const arrayOf = (dtype: ValueType, length: number): Elements =>
  dtype === "float32" ? new Float32Array(length) : dtype === "int32" ? new Int32Array(length) : new Uint8Array(length)

const elementsOf = (values: tf.BackendValues): Elements => {
  if (values instanceof Float32Array || values instanceof Int32Array || values instanceof Uint8Array) return values
  throw new UnknownKernel("tensor of strings")
}

const sameAs = (value: Value, info: tf.TensorInfo): boolean =>
  value.shape.length === info.shape.length && value.shape.every((size, i) => size === info.shape[i])
