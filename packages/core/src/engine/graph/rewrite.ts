/**
 * The driver of rewriting passes: walks a graph in order and lets a rule replace nodes.
 */
import type { Graph, Node, Value } from "./Graph.ts"
import { GraphBuilder } from "./Graph.ts"
import type { Origin } from "./Origin.ts"

/** A pass makes an equivalent graph. */
export type Pass = (graph: Graph) => Graph

/** What a rule may ask for and do while it looks at a node. */
export interface RewriteContext {
  readonly builder: GraphBuilder
  /** The node of the new graph that makes a value; undefined for arguments. */
  readonly producer: (value: Value) => Node | undefined
}

/**
 * Looks at a node, whose inputs are already those of the new graph, and gives the values that stand for its outputs,
 * or undefined to keep it as it is.
 */
export type Rule = (node: Node, context: RewriteContext) => ReadonlyArray<Value> | undefined

/**
 * Rewrites a graph node by node, in order. What a rule appends comes from where the node came from that it looked at.
 *
 * @example
 * const dropDoubleNegation: Pass = (graph) => rewrite(graph, () => (node, { producer }) => { ... })
 */
export const rewrite = (graph: Graph, makeRule: () => Rule): Graph => {
  const rule = makeRule()
  let origin: Origin | undefined
  const builder = new GraphBuilder(() => origin)
  const replacement = new Map<Value, Value>()
  const producers = new Map<Value, Node>()
  let indexed = 0

  const producer = (value: Value): Node | undefined => {
    for (; indexed < builder.nodes.length; indexed++) {
      const node = builder.nodes[indexed]!
      for (const output of node.outputs) producers.set(output, node)
    }
    return producers.get(value)
  }
  const current = (value: Value): Value => replacement.get(value) ?? value

  for (const node of graph.nodes) {
    const renewed: Node = { ...node, inputs: node.inputs.map(current) }
    origin = node.origin
    const outputs = rule(renewed, { builder, producer })
    if (outputs === undefined) builder.nodes.push(renewed)
    else node.outputs.forEach((output, i) => replacement.set(output, outputs[i]!))
  }

  return {
    ...graph,
    nodes: builder.nodes,
    results: graph.results.map((result) => ({ ...result, value: current(result.value) }))
  }
}
