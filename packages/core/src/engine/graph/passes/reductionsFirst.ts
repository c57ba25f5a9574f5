/**
 * Has what is large reduced before it is used otherwise, so that it need not be kept for the reduction.
 *
 * The squares of a gradient are summed to its norm, which nobody waits for, and averaged by the optimiser, which is done with
 * each block of them at once: without an order between the two, all blocks of squares are there when the norm is computed.
 */
import type { Node, Value } from "../Graph.ts"
import { GraphBuilder } from "../Graph.ts"
import { bytesOf } from "../liveness.ts"
import type { Origin } from "../Origin.ts"
import type { Pass } from "../rewrite.ts"

/** Bytes from which a value is worth an order: 256 KiB. */
export const largeBytes = 262_144

/**
 * The pass, with the bytes from which a value is large, and how many times as large as its reduction it must be for an order to
 * be worth its while.
 *
 * @example
 * reductionsFirst(largeBytes)(graph)
 */
export const reductionsFirst = (large: number, times = 64): Pass => (graph) => {
  const reductions = new Map<Value, Node>()
  for (const node of graph.nodes) {
    const [input] = node.inputs
    if (node.operation.kind !== "reduce" || bytesOf(input!) < large) continue
    if (times * bytesOf(node.outputs[0]!) > bytesOf(input!)) continue
    if (!reductions.has(input!)) reductions.set(input!, node)
  }
  if (reductions.size === 0) return graph

  let origin: Origin | undefined
  const builder = new GraphBuilder(() => origin)
  const readers = new Map<Value, number>()
  for (const { inputs } of graph.nodes) {
    for (const input of new Set(inputs)) readers.set(input, (readers.get(input) ?? 0) + 1)
  }
  const isDone = new Set<Node>()
  const later = new Map<Value, Value>()

  /** Reduces a value if it is to be reduced and has other readers; gives what these read. */
  const reduced = (value: Value): Value => {
    const reduction = reductions.get(value)
    if (reduction === undefined || readers.get(value) === 1) return value
    const known = later.get(value)
    if (known !== undefined) return known
    if (!isDone.has(reduction)) builder.nodes.push(reduction)
    isDone.add(reduction)
    const copy = builder.append({ kind: "after" }, [value, reduction.outputs[0]!], value.shape, value.dtype)
    later.set(value, copy)
    return copy
  }

  for (const node of graph.nodes) {
    if (isDone.has(node)) continue
    origin = node.origin
    if (reductions.get(node.inputs[0]!) === node) {
      builder.nodes.push(node)
      isDone.add(node)
    } else builder.nodes.push({ ...node, inputs: node.inputs.map(reduced) })
  }
  return { ...graph, nodes: builder.nodes }
}
