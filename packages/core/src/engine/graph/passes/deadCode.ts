/**
 * Removes nodes that no result depends on.
 */
import type { Node, Value } from "../Graph.ts"
import type { Pass } from "../rewrite.ts"

export const deadCode: Pass = (graph) => {
  const needed = new Set<Value>(graph.results.map((result) => result.value))
  const kept: Array<Node> = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue
    for (const input of node.inputs) needed.add(input)
    kept.push(node)
  }
  return { ...graph, nodes: kept.reverse() }
}
