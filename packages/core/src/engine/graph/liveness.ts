/**
 * How much memory the values of a graph take while it is computed.
 */
import { sizeOf } from "../../tensor/HostTensor.ts"
import type { Graph, Value } from "./Graph.ts"
import type { Operation } from "./Operation.ts"

/** A moment in the computation of a graph. */
export interface Moment {
  /** How many nodes have run, in the order in which they were recorded. */
  readonly place: number
  /** The bytes of the values that have been computed and are still needed. */
  readonly bytes: number
}

/**
 * The moment when the values that are still needed take the most memory, if the nodes run in their order. Arguments and
 * results do not count, for they are there all the time; nor do views of other values.
 *
 * @example
 * fullestMoment(optimize(graph)).bytes / 2 ** 20
 */
export const fullestMoment = ({ arguments: arguments_, nodes, results }: Graph): Moment => {
  const roots = new Map<Value, Value>()
  const rootOf = (value: Value): Value => roots.get(value) ?? value
  for (const { inputs, operation, outputs } of nodes) {
    if (isView(operation)) roots.set(outputs[0]!, rootOf(inputs[0]!))
  }
  const lastUse = new Map<Value, number>()
  nodes.forEach(({ inputs }, i) => inputs.forEach((input) => lastUse.set(rootOf(input), i)))
  for (const { value } of [...arguments_, ...results]) lastUse.delete(rootOf(value))
  const ended = new Map<number, number>()
  let fullest: Moment = { place: 0, bytes: 0 }
  let bytes = 0
  nodes.forEach(({ outputs }, i) => {
    for (const output of outputs) {
      const last = lastUse.get(output)
      if (last === undefined) continue
      bytes += bytesOf(output)
      ended.set(last, (ended.get(last) ?? 0) + bytesOf(output))
    }
    bytes -= ended.get(i) ?? 0
    if (bytes > fullest.bytes) fullest = { place: i + 1, bytes }
  })
  return fullest
}

/** The bytes that the elements of a value take. */
export const bytesOf = ({ dtype, shape }: Value): number => sizeOf(shape) * (dtype === "bool" ? 1 : 4)

/** What hands its first operand on. */
const isView = ({ kind }: Operation): boolean => kind === "reshape" || kind === "after"
