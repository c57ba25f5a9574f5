/**
 * Gives convolutions their bias: programs write it as an addition after the convolution, and an engine whose kernels begin
 * their sums with it spares a pass over the result.
 */
import { sameShape, sizeOf } from "../../../tensor/HostTensor.ts"
import type { Graph, Node, Value } from "../Graph.ts"
import type { Pass } from "../rewrite.ts"

/**
 * The pass. A convolution that nothing but an addition of one number a channel reads is computed where that addition was,
 * with the bias as its third input. Elements are rounded otherwise.
 *
 * @example
 * biases(graph)
 */
export const biases: Pass = (graph) => {
  const convolutions = readOnce(graph)
  const biased = new Map(graph.nodes.flatMap((node) => {
    const convolution = withBias(node, convolutions)
    return convolution === undefined ? [] : [[node, convolution]]
  }))
  const results = new Set([...biased.values()].map(({ unbiased }) => unbiased))
  return {
    ...graph,
    nodes: graph.nodes.filter((node) => !results.has(node)).map((node) => biased.get(node)?.convolution ?? node)
  }
}

/** The convolutions whose result is an input once, and no result of the program, by that result. */
const readOnce = ({ nodes, results }: Graph): ReadonlyMap<Value, Node> => {
  const found = new Map(nodes.filter(isConvolution).map((node) => [node.outputs[0]!, node]))
  const read = new Set<Value>()
  for (const value of nodes.flatMap(({ inputs }) => inputs)) {
    if (read.has(value)) found.delete(value)
    read.add(value)
  }
  for (const { value } of results) found.delete(value)
  return found
}

const withBias = (
  { inputs, operation, outputs }: Node,
  convolutions: ReadonlyMap<Value, Node>
): { readonly unbiased: Node; readonly convolution: Node } | undefined => {
  if (operation.kind !== "binary" || operation.function !== "add") return undefined
  const [a, b] = inputs as [Value, Value]
  for (const [value, bias] of [[a, b], [b, a]] as const) {
    const unbiased = convolutions.get(value)
    if (unbiased === undefined || !sameShape(value.shape, outputs[0]!.shape)) continue
    if (!isByChannel(bias, value.shape.at(-1)!)) continue
    return { unbiased, convolution: { ...unbiased, inputs: [...unbiased.inputs, bias], outputs } }
  }
  return undefined
}

const isConvolution = ({ inputs, operation }: Node): boolean => operation.kind === "convolution" && inputs.length === 2

const isByChannel = ({ shape }: Value, channels: number): boolean =>
  shape.at(-1) === channels && sizeOf(shape) === channels
