/**
 * Computes again in place of keeping: less memory for more time.
 *
 * A training step holds the most when its forward half has ended: whatever the gradients need is there. The pass finds that
 * moment in the recorded order, and the smallest set of values, in bytes, from which all that is needed after it can be
 * computed without an expensive operation (a convolution, a matrix product, attention): a minimum cut between what was
 * computed before and what is needed after (as PyTorch's partitioner of joint graphs does, Horace He and others 2022; the
 * trade itself is that of Chen et al. 2016, "Training deep nets with sublinear memory cost"). The values of the cut are
 * kept; the others are computed again, each when it is first needed, and not before the values are there that it is needed
 * together with.
 *
 * Expensive operations too are computed again where they have a price: the cut is then the smallest sum of what is kept, in bytes,
 * and what is paid. All that is computed again for one use is there at once, so that too low a price moves the fullest moment in
 * place of emptying it, and of layers that are all alike either none or all are computed again, unless some are kept between.
 * What is right differs from graph to graph, and is found by trying.
 *
 * Every element is computed by the same operations on the same elements.
 */
import { flopsOf, flopsOfNode } from "../flops.ts"
import type { Graph, Node, Value } from "../Graph.ts"
import { GraphBuilder } from "../Graph.ts"
import { bytesOf, fullestMoment } from "../liveness.ts"
import { type FlowNetwork, sinkSide } from "../minimumCut.ts"
import type { Operation } from "../Operation.ts"
import type { Origin } from "../Origin.ts"
import type { Pass } from "../rewrite.ts"
import { deadCode } from "./deadCode.ts"
import { lastNodes } from "./runningOrder.ts"

/** Bytes under which a value is not worth a wait: 4 KiB. */
export const smallBytes = 4096

/** How far expensive operations are computed again. */
export interface Spending {
  /** What a floating-point operation costs, in bytes that need not be kept for it; `Infinity` for none at all. */
  readonly price: number
  /** Of so many expensive operations one is never computed again, so that not all are computed again at once. */
  readonly segment: number
}

/** No expensive operation is computed again. */
const nothing: Spending = { price: Infinity, segment: 1 }

/**
 * What {@link rematerialization} tries. The output of a convolution takes some hundreds of operations a byte, those of products
 * and attention some tens.
 */
export const spendings: ReadonlyArray<Spending> = [150, 300].flatMap((operations) =>
  [4, 16].map((segment) => ({ price: 1 / operations, segment }))
)

/**
 * The pass, with the bytes under which a value is kept. It changes nothing where nothing of size is kept that could be computed
 * again.
 *
 * @param spendings ways to compute expensive operations again; they are not unless given. Of all graphs that are had so, the one
 *   is taken whose bytes at the fullest moment, times its floating-point operations, are the least: a tenth less to keep is
 *   worth a tenth more to compute.
 * @example
 * rematerialization(smallBytes)(optimize(graph))
 */
export const rematerialization = (small: number, spendings: ReadonlyArray<Spending> = []): Pass => (graph) => {
  // One after the other: all together they would be the fullest moment of the process.
  let best = repeated(small, nothing)(graph)
  for (const spending of spendings) {
    const other = repeated(small, spending)(graph)
    if (cost(other) < cost(best)) best = other
  }
  return best
}

const cost = (graph: Graph): number => fullestMoment(graph).bytes * flopsOf(graph)

/** {@link emptied} at the fullest moment, as long as that becomes emptier by a twentieth, for then another one is the fullest. */
const repeated = (small: number, spending: Spending): Pass => (graph) => {
  const { bytes, place } = fullestMoment(graph)
  // What is computed again late need not be computed early, unless something early needs it.
  const emptier = deadCode(emptied(place, small, spending)(graph))
  return fullestMoment(emptier).bytes >= 0.95 * bytes ? graph : repeated(small, spending)(emptier)
}

/**
 * The pass for one moment, that when `place` nodes have run: as little as possible is kept past it.
 *
 * @example
 * emptied(fullestMoment(graph).place, smallBytes, { price: 1 / 150, segment: 16 })(graph)
 */
export const emptied = (place: number, small: number, { price, segment }: Spending = nothing): Pass => (graph) => {
  const early = graph.nodes.slice(0, place)
  const ends = new Set(early.filter((node) => flopsOfNode(node) > 0).filter((_, i) => i % segment === 0))
  const halves: Halves = {
    graph,
    early,
    late: graph.nodes.slice(place),
    isSmall: (value) => bytesOf(value) < small,
    priceOf: (node) => {
      if (isCheap(node.operation)) return 0
      const flops = flopsOfNode(node)
      return flops === 0 || ends.has(node) ? Infinity : price * flops
    }
  }
  return withLateCopies(halves, valuesToKeep(halves))
}

/** A graph in two parts. */
interface Halves {
  readonly graph: Graph
  /** What is computed before a moment. */
  readonly early: ReadonlyArray<Node>
  /** What is computed after it. */
  readonly late: ReadonlyArray<Node>
  /** What is kept anyway. */
  readonly isSmall: (value: Value) => boolean
  /** What it costs to compute again, in bytes. */
  readonly priceOf: (node: Node) => number
}

/** The values to keep, of those that the early nodes have made and the late ones need. */
const valuesToKeep = ({ early, graph, isSmall, late, priceOf }: Halves): ReadonlySet<Value> => {
  // Every value is two nodes of a flow network; the edge between them is cut where the value is kept.
  const values = [...graph.arguments.map(({ value }) => value), ...early.flatMap(({ outputs }) => outputs)]
  const numbers = new Map(values.map((value, i) => [value, i]))
  const before = (value: Value): number => 2 * numbers.get(value)!
  const after = (value: Value): number => before(value) + 1
  const source = 2 * values.length
  const sink = source + 1
  const edges: Array<FlowNetwork["edges"][number]> = []
  const edge = (from: number, to: number, capacity = Infinity): void => void edges.push({ from, to, capacity })

  const isThere = new Set([
    ...[...graph.arguments, ...graph.results].map(({ value }) => value),
    ...early.filter(isConstant).flatMap(({ outputs }) => outputs)
  ])
  const costOf = (value: Value): number => isThere.has(value) || isSmall(value) ? 0 : bytesOf(value)
  for (const value of values) edge(before(value), after(value), costOf(value))
  for (const { value } of graph.arguments) edge(source, before(value))
  for (const node of early) {
    const price = priceOf(node)
    for (const output of node.outputs) {
      if (price < Infinity) { for (const input of operandsToCopy(node)) edge(after(input), before(output)) }
      if (price > 0) edge(source, before(output), price)
    }
  }
  const needed = new Set(late.flatMap(({ inputs }) => inputs).filter((input) => numbers.has(input)))
  for (const value of needed) edge(after(value), sink)

  const side = sinkSide({ nodes: sink + 1, source, sink, edges })
  return new Set(values.filter((value) => side.has(after(value)) && !side.has(before(value))))
}

const isConstant = ({ operation }: Node): boolean => operation.kind === "constant"

/** The operands that a copy of a cheap operation needs. Of what waited for something, the copy waits for something else. */
const operandsToCopy = ({ inputs, operation }: Node): ReadonlyArray<Value> =>
  operation.kind === "after" ? inputs.slice(0, 1) : inputs

/** What takes a pass over its elements, and no more. */
const isCheap = ({ kind }: Operation): boolean => cheap.has(kind)

const cheap: ReadonlySet<Operation["kind"]> = new Set<Operation["kind"]>([
  "after",
  "averagePool",
  "binary",
  "broadcast",
  "cast",
  "concat",
  "fill",
  "groupNorm",
  "oneHot",
  "pad",
  "reduce",
  "reshape",
  "reverse",
  "select",
  "slice",
  "softmax",
  "split",
  "tile",
  "transpose",
  "unary",
  "upsampleNearest"
])

/** The graph whose late nodes take what is kept, and copies of what is not. */
const withLateCopies = ({ early, graph, isSmall, late }: Halves, kept: ReadonlySet<Value>): Graph => {
  let origin: Origin | undefined
  const builder = new GraphBuilder(() => origin)
  builder.nodes.push(...early)
  const producers = new Map(early.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const copies = new Map<Value, Value>()

  /** What stands for a value from before, from the moment on that `event` is there. */
  const copyOf = (value: Value, event: Value): Value => {
    const known = copies.get(value)
    if (known !== undefined) return known
    const producer = producers.get(value)
    origin = producer?.origin
    // What is kept waits as well, so that whatever an engine makes of it (another layout, say) is made anew and not kept.
    if (producer === undefined || kept.has(value)) {
      const copy = isSmall(value) || (producer !== undefined && isConstant(producer))
        ? value
        : builder.append({ kind: "after" }, [value, event], value.shape, value.dtype)
      copies.set(value, copy)
      return copy
    }
    if (producer.operation.kind === "after") return copyOf(producer.inputs[0]!, event)
    const inputs = producer.inputs.map((input) => copyOf(input, event))
    origin = producer.origin
    const outputs = builder.appendMany(producer.operation, inputs, producer.outputs)
    producer.outputs.forEach((output, i) => copies.set(output, outputs[i]!))
    return copies.get(value)!
  }

  /** What is computed late, and cannot be computed before the moment. */
  const isLate = new Set<Value>()
  /** Of that, what copies may wait for: not what writes a state, which waits itself for all that reads the state, copies too. */
  const events = new Set<Value>()
  const isLast = lastNodes(graph)
  const isComputedEarly = (value: Value): boolean => {
    const kind = producers.get(value)?.operation.kind
    return kind !== undefined && kind !== "constant" && kind !== "fill"
  }
  let latest: Value | undefined
  for (const node of late) {
    const event = node.inputs.findLast((input) => events.has(input)) ?? latest
    const inputs = event === undefined
      ? node.inputs
      : node.inputs.map((input) => (producers.has(input) ? copyOf(input, event) : input))
    builder.nodes.push({ ...node, inputs })
    if (!node.inputs.some((input) => isLate.has(input) || isComputedEarly(input))) continue
    for (const output of node.outputs) isLate.add(output)
    if (isLast.has(node)) continue
    for (const output of node.outputs) events.add(output)
    latest = node.outputs[0]
  }
  return { ...graph, nodes: builder.nodes }
}
