/**
 * Reorders nodes so that less is there at once: what makes little of much runs at once, and what makes much of little when it is
 * needed.
 *
 * The order of a recorded graph is one of many. A tape records the gradient of a convolution's input before that of its filter,
 * which reads the input itself: with the order changed, the input may go before its gradient comes. Where a tensor has two
 * readers, both gradients are recorded at its end, though one of them waits for long to be added. And an optimiser comes after
 * all gradients, though it needs those of one block of parameters at a time.
 */
import { flopsOfNode } from "../flops.ts"
import type { Binding, Graph, Node, Value } from "../Graph.ts"
import { bytesOf } from "../liveness.ts"
import type { Pass } from "../rewrite.ts"

/**
 * The pass. A graph whose order is right is given back as it is.
 *
 * @example
 * runningOrder(optimize(graph))
 */
export const runningOrder: Pass = (graph) => {
  const { nodes } = late(soon(graph))
  return nodes.every((node, i) => node === graph.nodes[i]) ? graph : { ...graph, nodes }
}

/** How many times as large as what it makes the operands of a node are that runs at once. */
const reduction = 8

/** Puts what makes more than it reads before its first reader. */
const late: Pass = (graph) => {
  const bytes = bytesIn(graph)
  const producers = producersIn(graph)
  const isRead = new Set(graph.nodes.flatMap(({ inputs }) => inputs))
  const isLate = ({ inputs, outputs }: Node): boolean =>
    bytes(outputs) > bytes(inputs) && outputs.some((output) => isRead.has(output))
  const nodes = new Set<Node>()
  const emit = (node: Node): void => {
    if (nodes.has(node)) return
    for (const input of node.inputs) {
      const producer = producers.get(input)
      if (producer !== undefined) emit(producer)
    }
    nodes.add(node)
  }
  for (const node of graph.nodes) if (!isLate(node)) emit(node)
  return { ...graph, nodes: [...nodes] }
}

/**
 * Puts what makes much less than it reads, and what nothing expensive waits for, after the last of its operands. What writes the
 * next elements of a state comes after all that reads the present ones as they are, so that these may be written over.
 */
const soon: Pass = (graph) => {
  const bytes = bytesIn(graph)
  const isLast = lastNodes(graph)
  const writes = overwrites(graph)
  const producers = producersIn(graph)
  const producersOf = ({ inputs }: Node): ReadonlyArray<Node> => inputs.flatMap((input) => producers.get(input) ?? [])
  /** What is made of arguments and constants alone, and can be made when it is asked for. */
  const isFree = new Set<Node>()
  for (const node of graph.nodes) {
    if (isLast.has(node) && producersOf(node).every((producer) => isFree.has(producer))) isFree.add(node)
  }
  /** What each node that runs at once still waits for. */
  const missing = new Map<Node, Set<Node>>()
  const waiting = new Map<Node, Array<Node>>()
  for (const node of graph.nodes) {
    const isReduction = reduction * bytes(node.outputs) <= bytes(node.inputs)
    if (isFree.has(node) || !isReduction && !isLast.has(node)) continue
    const others = new Set([...producersOf(node), ...writes.get(node) ?? []].filter((other) => !isFree.has(other)))
    missing.set(node, others)
    for (const other of others) waiting.set(other, [...waiting.get(other) ?? [], node])
  }
  const nodes = new Set<Node>()
  const emit = (node: Node): void => {
    if (nodes.has(node)) return
    producersOf(node).forEach(emit)
    nodes.add(node)
    for (const other of waiting.get(node) ?? []) {
      missing.get(other)!.delete(node)
      if (missing.get(other)!.size === 0) emit(other)
    }
  }
  graph.nodes.forEach(emit)
  return { ...graph, nodes: [...nodes] }
}

/** The nodes that no convolution or product depends on: of a training step, those of its optimiser. */
export const lastNodes = ({ nodes }: Graph): ReadonlySet<Node> => {
  const needed = new Set<Value>()
  const last = new Set<Node>()
  for (const node of nodes.toReversed()) {
    if (flopsOfNode(node) > 0 || node.outputs.some((output) => needed.has(output))) {
      for (const input of node.inputs) needed.add(input)
    } else last.add(node)
  }
  return last
}

/** By the node that makes the next elements of a state, all that read the present ones. */
const overwrites = (graph: Graph): ReadonlyMap<Node, ReadonlyArray<Node>> => {
  const { arguments: arguments_, nodes, results } = graph
  const key = ({ name, offset, role }: Binding) => `${role} ${name} ${offset}`
  const next = new Map(results.map((result) => [key(result), result.value]))
  const writers = producersIn(graph)
  const written = new Map<Value, Node>()
  for (const argument of arguments_) {
    const writer = argument.role === "state" ? writers.get(next.get(key(argument))!) : undefined
    if (writer !== undefined) written.set(argument.value, writer)
  }
  const found = new Map<Node, Array<Node>>()
  for (const node of nodes) {
    for (const input of node.inputs) {
      const writer = written.get(input)
      if (writer !== undefined && writer !== node) found.set(writer, [...found.get(writer) ?? [], node])
    }
  }
  return found
}

const producersIn = ({ nodes }: Graph): ReadonlyMap<Value, Node> =>
  new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))

/** The bytes of values, but for what is there anyway. */
const bytesIn = (graph: Graph) => {
  const there = new Set([...graph.arguments, ...graph.results].map(({ value }) => value))
  return (values: ReadonlyArray<Value>): number =>
    [...new Set(values)].reduce((sum, value) => sum + (there.has(value) ? 0 : bytesOf(value)), 0)
}
