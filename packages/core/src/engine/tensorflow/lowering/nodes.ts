/**
 * How nodes and their tensors are called.
 */
import type { TensorflowNode } from "../Model.ts"

/** The node that an input names. */
export const nodeOf = (input: string): string => input.replace(/^\^/, "").replace(/:\d+$/, "")

/** The input that waits for the node of a tensor. */
export const controlOf = (tensor: string): string => `^${nodeOf(tensor)}`

/** A tensor as a session calls it, with its number. */
export const tensorOf = (name: string): string => (name.includes(":") ? name : `${name}:0`)

/** The nodes that some tensors need, in order. */
export const withoutDeadNodes = (
  nodes: ReadonlyArray<TensorflowNode>,
  tensors: ReadonlyArray<string>
): ReadonlyArray<TensorflowNode> => {
  const needed = new Set(tensors.map(nodeOf))
  const kept = nodes.toReversed().filter((node) => {
    if (!needed.has(node.name)) return false
    for (const input of node.inputs) needed.add(nodeOf(input))
    return true
  })
  return kept.reverse()
}
