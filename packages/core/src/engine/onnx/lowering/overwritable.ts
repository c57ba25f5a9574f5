/**
 * Finds the states whose next elements may be written over the present ones while a step computes.
 *
 * That is certain where nothing reads the present elements once the next are written. The node that writes them, if it
 * reads them, computes each element from the one at the same place; every other node that reads them makes something
 * that the writing node needs, so that it has run before, whatever order the runtime takes. Both hold only of operations
 * that read their operands and are done: a reshape hands its operand on, and so leaves others to read it later.
 */
import { sameShape } from "../../../tensor/HostTensor.ts"
import type { OnnxModel, OnnxNode, OnnxValueInfo } from "../Model.ts"

/**
 * The names, without `state.`, of the states of a model that may be overwritten. A state that is kept in blocks may be
 * if every block may.
 *
 * @example
 * overwritable(lower(graph)) // => Set { "average", "optimizer.adam.firstMoment", "optimizer.adam.secondMoment" }
 */
export const overwritable = ({ inputs, nodes, outputs }: OnnxModel): ReadonlySet<string> => {
  const readers = new Map<string, Set<OnnxNode>>()
  for (const node of nodes) {
    for (const name of node.inputs) readers.set(name, (readers.get(name) ?? new Set()).add(node))
  }
  const readersOf = (name: string): ReadonlyArray<OnnxNode> => [...readers.get(name) ?? []]
  const writers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const present = new Map(inputs.map((input) => [input.name, input]))

  const isNeededBy = (writer: OnnxNode, reader: OnnxNode): boolean => {
    const seen = new Set([reader])
    for (const node of seen) {
      if (node === writer) return true
      for (const output of node.outputs) for (const next of readersOf(output)) seen.add(next)
    }
    return false
  }

  const maybeOverwritten = (output: OnnxValueInfo): boolean => {
    const writer = writers.get(output.name)
    const input = present.get(output.name.replace(/^next\./, "state."))
    return writer !== undefined && input !== undefined && isElementwise(writer) &&
      sameShape(input.shape, output.shape) &&
      readersOf(input.name).every((reader) => isElementwise(reader) && isNeededBy(writer, reader))
  }

  const next = outputs.filter(({ name }) => name.startsWith("next."))
  const stateOf = ({ name, within }: OnnxValueInfo): string => (within?.name ?? name).slice("next.".length)
  const kept = new Set(next.filter((output) => !maybeOverwritten(output)).map(stateOf))
  return new Set(next.map(stateOf).filter((name) => !kept.has(name)))
}

const isElementwise = ({ domain, op }: OnnxNode): boolean => domain === "" && elementwise.has(op)

/** Operators whose kernels read each operand once, at the place that they write, and keep nothing of it. */
const elementwise: ReadonlySet<string> = new Set(["Abs", "Add", "Div", "Mul", "Neg", "Sqrt", "Sub", "Where"])
