/**
 * Counts floating-point operations: those of convolutions and matrix products, where all but a few percent of a network's
 * arithmetic is. A multiplication and an addition are two operations.
 */
import { sizeOf } from "../../tensor/HostTensor.ts"
import type { Graph, Node } from "./Graph.ts"

/**
 * The operations of a graph, as its nodes are.
 *
 * @example
 * flopsOf(optimize(graph)) / seconds
 */
export const flopsOf = (graph: Graph): number => graph.nodes.reduce((sum, node) => sum + flopsOfNode(node), 0)

/** The operations of a node; 0 where it is neither a convolution nor a product. */
export const flopsOfNode = ({ inputs, operation, outputs }: Node): number => {
  const size = (index: number) => sizeOf(inputs[index]!.shape)
  switch (operation.kind) {
    // Every element of the output (or of its gradient) meets every element of one filter of `filter / outputs` elements.
    case "convolution":
      return 2 * sizeOf(outputs[0]!.shape) * size(1) / inputs[1]!.shape[3]!
    case "convolutionInputGradient":
      return 2 * size(0) * size(1) / inputs[1]!.shape[3]!
    case "convolutionFilterGradient":
      return 2 * size(1) * sizeOf(outputs[0]!.shape) / outputs[0]!.shape[3]!
    case "depthwiseConvolution":
      return 2 * sizeOf(outputs[0]!.shape) * inputs[1]!.shape[0]! * inputs[1]!.shape[1]!
    case "depthwiseFilterGradient":
      return 2 * size(1) * outputs[0]!.shape[1]! * outputs[0]!.shape[2]!
    case "matMul":
      return 2 * sizeOf(outputs[0]!.shape) * inputs[0]!.shape.at(operation.transposeA ? -2 : -1)!
    // Two products forward and four backward, each of queries x keys x depth.
    case "attention":
      return 4 * size(0) * inputs[1]!.shape[2]!
    case "attentionGradient":
      return 8 * size(1) * inputs[2]!.shape[2]!
    default:
      return 0
  }
}
