/**
 * Lowers a recorded program to an ONNX model.
 *
 * Model inputs are named `state.<name>` and `input.<name>`, model outputs `next.<name>` and `output.<name>`. State that a
 * step does not change is not among the outputs; arguments that are not used are not among the inputs.
 */
import type { Binding, Graph, Node, Value } from "../../graph/Graph.ts"
import { bytesOf } from "../../graph/liveness.ts"
import { economize, optimize } from "../../graph/optimize.ts"
import { biases } from "../../graph/passes/biases.ts"
import { blockElements, blocks } from "../../graph/passes/blocks.ts"
import { deadCode } from "../../graph/passes/deadCode.ts"
import type { Rematerialize } from "../../Rematerialize.ts"
import type { OnnxModel, OnnxNode, OnnxValueInfo } from "../Model.ts"
import * as Optimizations from "../Optimizations.ts"
import { lowerAttention, lowerAttentionGradient } from "./attention.ts"
import {
  lowerAveragePool,
  lowerAveragePoolGradient,
  lowerConvolution,
  lowerInputGradient,
  lowerMaxPool,
  lowerUpsample,
  lowerUpsampleGradient
} from "./convolution.ts"
import { lowerDepthwiseConvolution, lowerDepthwiseFilterGradient } from "./depthwise.ts"
import { lowerBinary, lowerCast, lowerSelect, lowerUnary } from "./elementwise.ts"
import { lowerFilterGradient } from "./filterGradient.ts"
import { lowerGroupNorm, lowerGroupNormGradient } from "./groupNorm.ts"
import { hideShapes } from "./hiddenShapes.ts"
import { lowerMatMul } from "./matMul.ts"
import { lowerMaxPoolGradient } from "./maxPoolGradient.ts"
import { ModelBuilder, type ModelOptions } from "./ModelBuilder.ts"
import { writesLast } from "./overwritable.ts"
import { lowerArgument, lowerCumulativeSum, lowerLargest, lowerReduce, lowerSoftmax } from "./reductions.ts"
import { asListed, isView } from "./runningOrder.ts"
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
export interface LoweringOptions extends ModelOptions {
  /** Elements that a block of a state vector has at least (`graph/passes/blocks.ts`). Default {@link blockElements}. */
  readonly stateBlock?: number | undefined
  /** What is computed again in place of being kept (`graph/passes/rematerialization.ts`). Default false. */
  readonly rematerialize?: Rematerialize | undefined
}

/**
 * Makes an ONNX model of a recorded program.
 *
 * @example
 * const bytes = encode(lower(graph))
 */
export const lower = (recorded: Graph, options: LoweringOptions = {}): OnnxModel =>
  lowerWithSources(recorded, options).model

/** A model that knows what it was made of. */
export interface Lowered {
  readonly model: OnnxModel
  /** The graph whose nodes were lowered: the recorded one, simplified. */
  readonly graph: Graph
  /**
   * The node of the graph that each node of the model was appended for, by name. What moves elements to where, or to the
   * order in which, an operation wants them counts as that operation's. An argument that is a result has none.
   */
  readonly sources: ReadonlyMap<string, Node>
}

/** {@link lower}, and what each node of the model comes from. */
export const lowerWithSources = (recorded: Graph, options: LoweringOptions = {}): Lowered =>
  lowerSimplified(simplify(recorded, options), options)

/** The first half of lowering: an equivalent graph, with less to compute or to keep. */
export const simplify = (recorded: Graph, options: LoweringOptions): Graph => {
  const { rematerialize = false } = options
  const simplified = withBlocks(recorded, options)
  return rematerialize === false ? simplified : economize(rematerialize)(simplified)
}

const withBlocks = (
  recorded: Graph,
  { optimizations = Optimizations.all, stateBlock = blockElements }: LoweringOptions
): Graph => {
  const optimized = optimize(recorded, optimizations)
  const simplified = optimizations.biasesByConvolution ? biases(optimized) : optimized
  if (!optimizations.stateBlocks) return simplified
  const inBlocks = blocks(stateBlock)(simplified)
  return optimizations.deadCode ? deadCode(inBlocks) : inBlocks
}

/** The second half of lowering: the model of a graph, node by node. */
export const lowerSimplified = (graph: Graph, options: LoweringOptions): Lowered => {
  const model = lowerNodes(graph, options)
  return { model: arranged(finish(graph, model), model, options), graph, sources: model.sources }
}

const lowerNodes = (graph: Graph, options: LoweringOptions): ModelBuilder => {
  const model = new ModelBuilder(options)
  for (const argument of graph.arguments) model.place(argument.value, argumentInfo(argument).name)
  for (const node of graph.nodes) {
    model.source = node
    lowerNode(model, node)
  }
  return model
}

/** The model as it takes the least memory. */
const arranged = (
  lowered: OnnxModel,
  { optimizations, sources }: ModelBuilder,
  { rematerialize = false }: LoweringOptions
): OnnxModel => {
  const standsFor = (added: OnnxNode, node: OnnxNode): void => {
    const source = sources.get(node.name)
    if (source !== undefined) sources.set(added.name, source)
  }
  const ordered = optimizations.overwrittenStates ? writesLast(lowered, standsFor) : lowered
  // What is cheap to compute again waits for what it is needed with, whatever runs before and after.
  const listed = rematerialize === "all" ? asListed(ordered, endsLargeNode(ordered, sources), standsFor) : ordered
  return optimizations.hiddenShapes ? hideShapes(listed, standsFor) : listed
}

/** Bytes from which on it matters when a value comes and goes: 64 KiB. */
const placedBytes = 65_536

/** Which nodes are the last that were appended for one of the graph that makes, or reads, a large value. */
const endsLargeNode = (
  { nodes }: OnnxModel,
  sources: ReadonlyMap<string, Node>
): (node: OnnxNode) => boolean => {
  const isLarge = ({ inputs, operation: { kind }, outputs }: Node): boolean =>
    kind !== "constant" && kind !== "after" && [...inputs, ...outputs].some((value) => bytesOf(value) >= placedBytes)
  const last = new Map<Node, OnnxNode>()
  for (const node of nodes) {
    const source = sources.get(node.name)
    if (source !== undefined && !isView(node) && isLarge(source)) last.set(source, node)
  }
  const ends = new Set(last.values())
  return (node) => ends.has(node)
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
      return lowerMatMul(model, node, operation.transposeA, operation.transposeB)
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

const argumentInfo = (argument: Binding): OnnxValueInfo => infoOf(argument, `${argument.role}.${argument.name}`)
const resultInfo = (result: Binding): OnnxValueInfo =>
  infoOf(result, `${result.role === "state" ? "next" : "output"}.${result.name}`)

const infoOf = ({ offset, value: { dtype, shape } }: Binding, name: string): OnnxValueInfo =>
  offset === undefined
    ? { name, dtype, shape }
    : { name: `${name}@${offset}`, dtype, shape, within: { name, offset } }

/** Gives the results their names, and drops what they do not need. */
const finish = (graph: Graph, model: ModelBuilder): OnnxModel => {
  // Of a state that is kept in blocks all are written, or none: its next elements are in one array.
  const written = new Set(graph.results.filter((result) => !passesThrough(graph, result)).map(resultKey))
  const changed = graph.results.filter((result) => written.has(resultKey(result)))
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const sources = changed.map((result) => {
    model.source = producers.get(result.value)
    return model.plain(result.value)
  })
  const produced = new Set(model.nodes.flatMap((node) => node.outputs))
  const names = new Map<string, string>()
  const outputs = changed.map((result, i): OnnxValueInfo => {
    const info = resultInfo(result)
    const { name } = info
    const source = sources[i]!
    // A tensor that a node makes takes the result's name; an argument, a constant or a second result is copied.
    if (produced.has(source) && !names.has(source)) names.set(source, name)
    else {
      model.source = producers.get(result.value)
      model.append({ name, domain: "", op: "Identity", inputs: [source], outputs: [name], attributes: {} })
    }
    return info
  })
  const rename = (name: string): string => names.get(name) ?? name
  const renamed = model.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename)
  }))
  const nodes = model.optimizations.deadCode ? withoutDeadNodes(renamed, outputs) : renamed
  const used = new Set(nodes.flatMap((node) => node.inputs))
  return {
    name: graph.name,
    inputs: graph.arguments.map(argumentInfo).filter(({ name }) => used.has(name)),
    outputs,
    initializers: [...model.initializers.values()].filter(({ name }) => used.has(name)),
    nodes
  }
}

const resultKey = ({ name, role }: Binding): string => `${role} ${name}`

const passesThrough = (graph: Graph, result: Binding): boolean =>
  result.role === "state" &&
  graph.arguments.some(({ name, offset, role, value }) =>
    role === "state" && name === result.name && offset === result.offset && value === result.value
  )

const withoutDeadNodes = (
  nodes: ReadonlyArray<OnnxNode>,
  outputs: ReadonlyArray<OnnxValueInfo>
): ReadonlyArray<OnnxNode> => {
  const needed = new Set(outputs.map(({ name }) => name))
  const kept = nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false
    for (const input of node.inputs) needed.add(input)
    return true
  })
  return kept.reverse()
}
