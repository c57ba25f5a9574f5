/**
 * Merges a transpose with the one before it, and drops those that change nothing.
 *
 * What is left costs an engine nothing either until something needs the elements in that order: see the lowering.
 */
import type { Pass } from "../rewrite.ts"
import { rewrite } from "../rewrite.ts"

export const transposes: Pass = (graph) =>
  rewrite(graph, () => (node, { builder, producer }) => {
    if (node.operation.kind !== "transpose") return undefined
    const { permutation } = node.operation
    const input = node.inputs[0]!
    if (permutation.every((axis, i) => axis === i)) return [input]

    const before = producer(input)
    if (before?.operation.kind !== "transpose") return undefined
    const first = before.operation.permutation
    const merged = permutation.map((axis) => first[axis]!)
    const source = before.inputs[0]!
    if (merged.every((axis, i) => axis === i)) return [source]
    const { dtype, shape } = node.outputs[0]!
    return [builder.append({ kind: "transpose", permutation: merged }, [source], shape, dtype)]
  })
