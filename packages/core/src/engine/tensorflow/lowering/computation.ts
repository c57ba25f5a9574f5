/**
 * A step's computation as a function that XLA compiles.
 *
 * Nodes of the graph itself can be marked for XLA too (`_XlaCompile`), but TensorFlow rewrites the graph first, and what
 * it puts in the place of nodes is not marked: a step falls into dozens of pieces. A function that must be compiled is
 * left as it is, and is compiled as one.
 */
import type { Value } from "../../graph/Graph.ts"
import type { TensorflowFunction, TensorflowType } from "../Model.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { nodeOf, withoutDeadNodes } from "./nodes.ts"

/** What the graph has of a step's computation. */
export interface Computation {
  readonly functions: ReadonlyArray<TensorflowFunction>
  /** The tensors of the graph that the values are. */
  readonly tensors: ReadonlyMap<Value, string>
}

/** Appends the call of what is kept apart from the graph, and gives values in the graph. */
export const callComputation = (model: ModelBuilder, values: ReadonlyArray<Value>): Computation => {
  const sources = new Map(values.map((value) => [value, model.tensor(value)]))
  if (model.computation === model.nodes) return { functions: [], tensors: sources }

  const inside = new Set(model.computation.map(({ name }) => name))
  const results = new Map<string, TensorflowType>()
  for (const [{ dtype }, source] of sources) if (inside.has(nodeOf(source))) results.set(source, dtype)
  if (results.size === 0) return { functions: [], tensors: sources }

  const nodes = withoutDeadNodes(model.computation, [...results.keys()])
  const given = new Set(nodes.flatMap(({ inputs }) => inputs).filter((input) => !inside.has(nodeOf(input))))
  const argumentOf = new Map(Array.from(given, (tensor, i) => [tensor, `argument_${i}`]))
  const inputs = Array.from(argumentOf, ([tensor, name]) => ({ name, dtype: model.typeOf(tensor) }))
  const outputs = Array.from(results, ([tensor, dtype], i) => ({ name: `result_${i}`, dtype, tensor }))
  const compiled = { _XlaMustCompile: { type: "bool", value: true } } as const
  const step: TensorflowFunction = {
    name: "step",
    inputs,
    outputs,
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map((input) => argumentOf.get(input) ?? input) })),
    attributes: compiled
  }
  const call = model.outside("PartitionedCall", [...given], {
    Tin: { type: "types", value: inputs.map(({ dtype }) => dtype) },
    Tout: { type: "types", value: outputs.map(({ dtype }) => dtype) },
    f: { type: "function", value: step.name },
    ...compiled
  })
  const place = new Map(Array.from(results.keys(), (tensor, i) => [tensor, i === 0 ? call : `${call}:${i}`]))
  const tensors = new Map(Array.from(sources, ([value, source]) => [value, place.get(source) ?? source]))
  return { functions: [step], tensors }
}
