/**
 * What is around a step's computation: the variables that hold the state, and how they are read and replaced.
 *
 * A variable's tensor is never changed, only exchanged for another, so that what was read of it stays as it was. And
 * nothing that is fed stays with the session, for its memory belongs to whoever fed it: what may become state is copied.
 */
import type { Binding, Graph, Value } from "../../graph/Graph.ts"
import type { SessionCall, TensorflowModel } from "../Model.ts"
import { callComputation } from "./computation.ts"
import { type ModelBuilder, shapeOf, text } from "./ModelBuilder.ts"
import { controlOf, tensorOf, withoutDeadNodes } from "./nodes.ts"

/** A state, in the session. */
interface Variable {
  readonly argument: Binding
  readonly handle: string
  /** What it holds. */
  readonly value: string
}

/** What a program is given, in the session. */
export interface Arguments {
  readonly variables: ReadonlyArray<Variable>
  readonly placeholders: ReadonlyArray<{ readonly argument: Binding; readonly placeholder: string }>
}

/** Appends what holds the state and takes the input, and places both. */
export const placeArguments = (model: ModelBuilder, graph: Graph): Arguments => {
  const variables = graph.arguments.filter(({ role }) => role === "state").map((argument, i): Variable => {
    const { dtype, shape } = argument.value
    const identity = { shared_name: text(`state_${i}`), container: text("") }
    const handle = model.outside("VarHandleOp", [], { dtype, shape: shapeOf(shape), ...identity })
    const value = model.outside("ReadVariableOp", [handle], { dtype })
    model.place(argument.value, value)
    return { argument, handle, value }
  })
  const copied = graph.results.some((result) => result.role === "state" && !passesThrough(graph, result))
  const placeholders = graph.arguments.filter(({ role }) => role === "input").map((argument) => {
    const placeholder = placeholderOf(model, argument.value)
    model.place(argument.value, copied ? copy(model, placeholder, argument.value) : placeholder)
    return { argument, placeholder }
  })
  return { variables, placeholders }
}

const placeholderOf = (model: ModelBuilder, { dtype, shape }: Value): string =>
  model.outside("Placeholder", [], { dtype, shape: shapeOf(shape) })

const copy = (model: ModelBuilder, name: string, { dtype }: Value): string =>
  model.outside("DeepCopy", [name], { T: dtype })

/** A state whose next value is its present one. */
const passesThrough = (graph: Graph, result: Binding): boolean =>
  graph.arguments.some(({ name, role, value }) => role === "state" && name === result.name && value === result.value)

/** Appends what ends a step, and what writes and reads the state. */
export const finish = (graph: Graph, model: ModelBuilder, { placeholders, variables }: Arguments): TensorflowModel => {
  const changed = graph.results.filter((result) => result.role === "output" || !passesThrough(graph, result))
  const { functions, tensors } = callComputation(model, changed.map(({ value }) => value))
  const outputs = outputsOf(graph, model, tensors, placeholders.map(({ placeholder }) => placeholder))
  const replaced = variables.flatMap((variable): ReadonlyArray<Replacement> => {
    const next = changed.find(({ name, role }) => role === "state" && name === variable.argument.name)
    return next === undefined ? [] : [{ variable, value: tensors.get(next.value)! }]
  })
  const stepped = replace(model, replaced, Object.values(outputs))

  const writes = variables.map((variable) => {
    const placeholder = placeholderOf(model, variable.argument.value)
    return { variable, placeholder, value: copy(model, placeholder, variable.argument.value) }
  })
  const written = replace(model, writes, [])

  const reads = variables.map(({ argument, value }) => [argument.name, value] as const)
  const nodes = withoutDeadNodes(model.nodes, [
    ...Object.values(outputs),
    stepped,
    written,
    ...variables.map(({ value }) => value)
  ])
  const used = new Set(nodes.map(({ name }) => name))
  return {
    name: graph.name,
    nodes,
    functions,
    step: call(
      placeholders
        .filter(({ placeholder }) => used.has(placeholder))
        .map(({ argument, placeholder }) => [argument.name, placeholder]),
      Object.entries(outputs)
    ),
    stepped: tensorOf(stepped),
    write: call(writes.map(({ placeholder, variable }) => [variable.argument.name, placeholder]), []),
    written: tensorOf(written),
    read: call([], reads)
  }
}

type Named = ReadonlyArray<readonly [name: string, tensor: string]>

const call = (feeds: Named, fetches: Named): SessionCall => {
  const record = (tensors: Named) => Object.fromEntries(tensors.map(([name, tensor]) => [name, tensorOf(tensor)]))
  return { feeds: record(feeds), fetches: record(fetches) }
}

/** The output tensors by name. A session fetches no tensor twice, and none that it is fed. */
const outputsOf = (
  graph: Graph,
  model: ModelBuilder,
  tensors: ReadonlyMap<Value, string>,
  fed: ReadonlyArray<string>
): { readonly [name: string]: string } => {
  const taken = new Set(fed)
  return Object.fromEntries(
    graph.results.filter(({ role }) => role === "output").map(({ name, value }) => {
      const source = tensors.get(value)!
      const output = taken.has(source) ? model.outside("Identity", [source], { T: value.dtype }) : source
      taken.add(output)
      return [name, output]
    })
  )
}

/** A variable and what it is to hold. */
interface Replacement {
  readonly variable: Variable
  readonly value: string
}

/**
 * Appends the replacement of states, none of which begins before all that is asked for is there: if anything fails, the
 * state is as it was. Gives a tensor that exists when all are replaced.
 */
const replace = (
  model: ModelBuilder,
  replacements: ReadonlyArray<Replacement>,
  before: ReadonlyArray<string>
): string => {
  if (replacements.length === 0) return signal(model, [])
  const computed = new Set([...replacements.map(({ value }) => value), ...before].map(controlOf))
  const barrier = controlOf(model.outside("NoOp", [...computed]))
  return signal(
    model,
    replacements.map(({ value, variable: { argument, handle } }) =>
      model.outside("AssignVariableOp", [handle, value, barrier], { dtype: argument.value.dtype })
    )
  )
}

const signal = (model: ModelBuilder, after: ReadonlyArray<string>): string =>
  model.outside("Const", after.map(controlOf), {
    dtype: "bool",
    value: { type: "tensor", dtype: "bool", shape: [], data: [1] }
  })
