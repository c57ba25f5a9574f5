/**
 * States whose next elements are written over the present ones while a step computes, so that they are in memory once.
 *
 * That is right where nothing reads the present elements once the next are written. The node that writes them, if it
 * reads them, computes each element from the one at the same place; every other node that reads them, itself or through
 * a view, makes something that the writing node needs, so that it has run before, whatever order the runtime takes.
 * {@link writesLast} has a writing node need what it does not: the parameters of a network are read again by gradients that
 * the update of these parameters does not depend on.
 */
import { sameShape } from "../../../tensor/HostTensor.ts"
import type { OnnxModel, OnnxNode, OnnxValueInfo } from "../Model.ts"
import { after, type Append } from "./after.ts"

/**
 * The names, without `state.`, of the states of a model that may be overwritten. A state that is kept in blocks may be
 * if every block may.
 *
 * @example
 * overwritable(lower(graph)) // => Set { "parameters", "average", "optimizer.adam.firstMoment", ... }
 */
export const overwritable = (model: OnnxModel): ReadonlySet<string> => {
  const network = networkOf(model)
  const writes = nextStates(model)
  const maybeOverwritten = (output: OnnxValueInfo): boolean => {
    const write = writeOf(model, network, output)
    if (write === undefined) return false
    const before = ancestors(network, write.writer)
    return write.readers.every((reader) => before.has(reader))
  }
  const kept = new Set(writes.filter((output) => !maybeOverwritten(output)).map(stateOf))
  return new Set(writes.map(stateOf).filter((name) => !kept.has(name)))
}

/**
 * The model with states written after everything that reads them, wherever that can be. What is added computes nothing: the
 * writing node takes an operand that is there {@link after} what the readers make.
 *
 * @param source says which node an added one stands beside
 * @example
 * overwritable(writesLast(model)).has("parameters") // => true
 */
export const writesLast = (
  model: OnnxModel,
  source: (added: OnnxNode, writer: OnnxNode) => void = () => {}
): OnnxModel => {
  const network = networkOf(model)
  /** What takes the place of the nodes that are made to wait. */
  const changed = new Map<OnnxNode, ReadonlyArray<OnnxNode>>()
  for (const output of nextStates(model)) {
    const write = writeOf(model, network, output)
    if (write === undefined) continue
    const { readers, writer } = write
    const before = ancestors(network, writer)
    const late = readers.filter((reader) => !before.has(reader))
    const operand = writer.inputs.find((name) => network.writers.has(name))
    if (late.length === 0 || operand === undefined) continue
    // What needs the next elements cannot come before they are written.
    const dependents = descendants(network, writer)
    if (late.some((reader) => dependents.has(reader))) continue
    for (const reader of late) network.wait(writer, reader)
    const added = waiting(writer, operand, late)
    for (const node of added.slice(0, -1)) source(node, writer)
    changed.set(writer, added)
  }
  return changed.size === 0
    ? model
    : inOrder({ ...model, nodes: model.nodes.flatMap((node) => changed.get(node) ?? [node]) })
}

/** A node that writes the next elements of a state, and what reads the present ones besides it. */
interface Write {
  readonly writer: OnnxNode
  readonly readers: ReadonlyArray<OnnxNode>
}

/**
 * Who writes a next state, if it is written element by element, and all that reads the present one is known to be done when it
 * has run.
 */
const writeOf = (model: OnnxModel, network: Network, output: OnnxValueInfo): Write | undefined => {
  const writer = network.writers.get(output.name)
  const input = model.inputs.find(({ name }) => name === output.name.replace(/^next\./, "state."))
  if (writer === undefined || input === undefined || !isElementwise(writer) || !sameShape(input.shape, output.shape)) {
    return undefined
  }
  const readers: Array<OnnxNode> = []
  const names = new Set([input.name])
  for (const name of names) {
    for (const node of network.readersOf(name)) {
      if (isView(node)) node.outputs.forEach((view) => names.add(view))
      else if (node === writer && name === input.name) continue
      else if (isDone(node)) readers.push(node)
      else return undefined
    }
  }
  const handsOn = model.outputs.some(({ name }) => names.has(name))
  return handsOn || readers.includes(writer) ? undefined : { writer, readers }
}

/** What makes and reads what, and what has to wait for what besides. */
interface Network {
  readonly writers: ReadonlyMap<string, OnnxNode>
  readonly readersOf: (name: string) => ReadonlyArray<OnnxNode>
  /** The nodes whose results a node needs, or waits for. */
  readonly needs: (node: OnnxNode) => ReadonlyArray<OnnxNode>
  /** The nodes that need a node, or wait for it. */
  readonly neededBy: (node: OnnxNode) => ReadonlyArray<OnnxNode>
  /** Has a node wait for another. */
  readonly wait: (node: OnnxNode, other: OnnxNode) => void
}

const networkOf = ({ nodes }: OnnxModel): Network => {
  const readers = new Map<string, Set<OnnxNode>>()
  for (const node of nodes) {
    for (const name of node.inputs) readers.set(name, (readers.get(name) ?? new Set()).add(node))
  }
  const writers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const readersOf = (name: string): ReadonlyArray<OnnxNode> => [...readers.get(name) ?? []]
  const awaited = new Map<OnnxNode, ReadonlyArray<OnnxNode>>()
  const waiting = new Map<OnnxNode, ReadonlyArray<OnnxNode>>()
  const add = (waits: typeof awaited, node: OnnxNode, other: OnnxNode): void =>
    void waits.set(node, [...waits.get(node) ?? [], other])
  return {
    writers,
    readersOf,
    needs: (node) => [...node.inputs.flatMap((name) => writers.get(name) ?? []), ...awaited.get(node) ?? []],
    neededBy: (node) => [...node.outputs.flatMap(readersOf), ...waiting.get(node) ?? []],
    wait: (node, other) => {
      add(awaited, node, other)
      add(waiting, other, node)
    }
  }
}

/** All nodes that have run when a node runs. */
const ancestors = ({ needs }: Network, node: OnnxNode): ReadonlySet<OnnxNode> => reached(node, needs)

/** All nodes that run after a node. */
const descendants = ({ neededBy }: Network, node: OnnxNode): ReadonlySet<OnnxNode> => reached(node, neededBy)

const reached = (node: OnnxNode, next: (node: OnnxNode) => ReadonlyArray<OnnxNode>): ReadonlySet<OnnxNode> => {
  const found = new Set(next(node))
  for (const one of found) for (const other of next(one)) found.add(other)
  return found
}

/** The nodes that take the place of one that is to wait for others, itself the last. */
const waiting = (node: OnnxNode, operand: string, others: ReadonlyArray<OnnxNode>): ReadonlyArray<OnnxNode> => {
  const added: Array<OnnxNode> = []
  const append: Append = (op, inputs, attributes) => {
    const name = `${node.name}.after${added.length}`
    added.push({ name, domain: "", op, inputs, outputs: [name], attributes })
    return name
  }
  const late = after(append, operand, append("Shape", [operand], {}), others.map(({ outputs }) => outputs[0]!))
  return [...added, { ...node, inputs: node.inputs.map((name) => (name === operand ? late : name)) }]
}

/** The model with each node after those that it needs; otherwise in the order that it has. */
const inOrder = (model: OnnxModel): OnnxModel => {
  const { needs } = networkOf(model)
  const nodes = new Set<OnnxNode>()
  const open = model.nodes.toReversed()
  const entered = new Set<OnnxNode>()
  while (open.length > 0) {
    const node = open.at(-1)!
    const missing = entered.has(node) ? [] : needs(node).filter((other) => !nodes.has(other))
    entered.add(node)
    if (missing.length > 0) open.push(...missing.toReversed())
    else nodes.add(open.pop()!)
  }
  return { ...model, nodes: [...nodes] }
}

const nextStates = ({ outputs }: OnnxModel): ReadonlyArray<OnnxValueInfo> =>
  outputs.filter(({ name }) => name.startsWith("next."))

const stateOf = ({ name, within }: OnnxValueInfo): string => (within?.name ?? name).slice("next.".length)

const isElementwise = ({ domain, op }: OnnxNode): boolean => domain === "" && elementwise.has(op)
const isView = ({ domain, op }: OnnxNode): boolean => domain === "" && views.has(op)
const isDone = ({ op }: OnnxNode): boolean => elementwise.has(op) || copying.has(op)

/** Operators whose kernels read each operand once, at the place that they write, and keep nothing of it. */
const elementwise: ReadonlySet<string> = new Set(["Abs", "Add", "Div", "Mul", "Neg", "Sqrt", "Sub", "Where"])

/** Operators that hand their operand on. */
const views: ReadonlySet<string> = new Set(["Identity", "Reshape"])

/** Other operators, standard and of ONNX Runtime, whose kernels keep nothing of their operands when they are done. */
const copying: ReadonlySet<string> = new Set([
  "Cast",
  "Concat",
  "Conv",
  "ConvTranspose",
  "FusedMatMul",
  "Gather",
  "MatMul",
  "QuickGelu",
  "ReduceMax",
  "ReduceMean",
  "ReduceSum",
  "ReduceSumSquare",
  "ReorderInput",
  "Shape",
  "Slice",
  "Split",
  "Transpose"
])
