/**
 * Lowers a recorded program to a TensorFlow graph.
 */
import type { Graph, Node, Value } from "../../graph/Graph.ts"
import { economize, optimize } from "../../graph/optimize.ts"
import type { Rematerialize } from "../../Rematerialize.ts"
import type { TensorflowModel } from "../Model.ts"
import {
  lowerConvolution,
  lowerDepthwiseConvolution,
  lowerDepthwiseFilterGradient,
  lowerFilterGradient,
  lowerInputGradient
} from "./convolution.ts"
import { lowerBinary, lowerCast, lowerSelect, lowerUnary } from "./elementwise.ts"
import { lowerGroupNorm, lowerGroupNormGradient } from "./groupNorm.ts"
import { lowerAttention, lowerAttentionGradient, lowerMatMul } from "./matMul.ts"
import { lowerMaxPoolGradient } from "./maxPoolGradient.ts"
import { ModelBuilder } from "./ModelBuilder.ts"
import {
  lowerAveragePool,
  lowerAveragePoolGradient,
  lowerMaxPool,
  lowerUpsample,
  lowerUpsampleGradient
} from "./pooling.ts"
import { lowerArgument, lowerCumulativeSum, lowerLargest, lowerReduce, lowerSoftmax } from "./reductions.ts"
import { finish, placeArguments } from "./session.ts"
import {
  lowerAfter,
  lowerBroadcast,
  lowerConcat,
  lowerGather,
  lowerOneHot,
  lowerPad,
  lowerReshape,
  lowerReverse,
  lowerSegmentSum,
  lowerSlice,
  lowerSplit,
  lowerTile,
  lowerTranspose
} from "./shapes.ts"

/** How a graph is lowered. */
export interface LoweringOptions {
  /** Whether the step's computation is a function for XLA, which compiles it as a whole when it first runs. */
  readonly xla: boolean
  /** Whether the graph is simplified first. Default true. */
  readonly optimize?: boolean
  /** What is computed again in place of being kept (`graph/passes/rematerialization.ts`). Default false. */
  readonly rematerialize?: Rematerialize | undefined
}

/**
 * Makes a TensorFlow graph of a recorded program.
 *
 * No node names a device: TensorFlow places each where it has a kernel for it.
 *
 * @throws UnsupportedOperation for a function of integers or booleans that TensorFlow has no kernel for
 * @example
 * const bytes = encode(lower(graph, { xla: false }))
 */
export const lower = (recorded: Graph, options: LoweringOptions): TensorflowModel => {
  const simplified = options.optimize === false ? recorded : optimize(recorded)
  const { rematerialize = false } = options
  const graph = rematerialize === false ? simplified : economize(rematerialize)(simplified)
  const model = new ModelBuilder(graph.name, options.xla)
  const placed = placeArguments(model, graph)
  for (const node of graph.nodes) lowerNode(model, node)
  return finish(graph, model, placed)
}

const lowerNode = (model: ModelBuilder, node: Node): void => {
  const { operation } = node
  switch (operation.kind) {
    case "constant": {
      const [output] = node.outputs as [Value]
      return model.place(output, model.constant(operation.data, output.shape, output.dtype))
    }
    case "fill":
      return model.placeFill(node.outputs[0]!, operation.value)
    case "unary":
      return lowerUnary(model, node, operation.function)
    case "binary":
      return lowerBinary(model, node, operation.function)
    case "select":
      return lowerSelect(model, node)
    case "cast":
      return lowerCast(model, node)
    case "reduce":
      return lowerReduce(model, node, operation)
    case "argMax":
    case "argMin":
      return lowerArgument(model, node, operation)
    case "largest":
      return lowerLargest(model, node, operation)
    case "after":
      return lowerAfter(model, node)
    case "reshape":
      return lowerReshape(model, node)
    case "transpose":
      return lowerTranspose(model, node, operation)
    case "broadcast":
      return lowerBroadcast(model, node)
    case "tile":
      return lowerTile(model, node, operation)
    case "concat":
      return lowerConcat(model, node, operation)
    case "split":
      return lowerSplit(model, node, operation)
    case "slice":
      return lowerSlice(model, node, operation)
    case "pad":
      return lowerPad(model, node, operation)
    case "reverse":
      return lowerReverse(model, node, operation)
    case "gather":
      return lowerGather(model, node, operation)
    case "segmentSum":
      return lowerSegmentSum(model, node, operation)
    case "oneHot":
      return lowerOneHot(model, node, operation)
    case "cumulativeSum":
      return lowerCumulativeSum(model, node, operation)
    case "matMul":
      return lowerMatMul(model, node, { a: operation.transposeA, b: operation.transposeB })
    case "softmax":
    case "logSoftmax":
      return lowerSoftmax(model, node, operation.kind)
    case "convolution":
      return lowerConvolution(model, node, operation)
    case "convolutionInputGradient":
      return lowerInputGradient(model, node, operation)
    case "convolutionFilterGradient":
      return lowerFilterGradient(model, node, operation)
    case "depthwiseConvolution":
      return lowerDepthwiseConvolution(model, node, operation)
    case "depthwiseFilterGradient":
      return lowerDepthwiseFilterGradient(model, node, operation)
    case "maxPool":
      return lowerMaxPool(model, node, operation)
    case "maxPoolGradient":
      return lowerMaxPoolGradient(model, node, operation)
    case "averagePool":
      return lowerAveragePool(model, node, operation)
    case "averagePoolGradient":
      return lowerAveragePoolGradient(model, node, operation)
    case "groupNorm":
      return lowerGroupNorm(model, node, operation)
    case "groupNormGradient":
      return lowerGroupNormGradient(model, node, operation)
    case "attention":
      return lowerAttention(model, node, operation.scale)
    case "attentionGradient":
      return lowerAttentionGradient(model, node, operation.scale)
    case "upsampleNearest":
      return lowerUpsample(model, node, operation)
    case "upsampleNearestGradient":
      return lowerUpsampleGradient(model, node, operation)
  }
}
