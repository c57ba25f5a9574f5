/**
 * The profile of a compiled program: what each operation of the recorded program took, run by run.
 */
import type { Shape } from "../../tensor/HostTensor.ts"
import { flopsOfNode } from "../graph/flops.ts"
import type { Node } from "../graph/Graph.ts"
import type { Operation } from "../graph/Operation.ts"
import type { Origin } from "../graph/Origin.ts"
import type { TimedRun } from "./internal/profileFile.ts"
import type { Lowered } from "./lowering/lower.ts"

/** An operation of the simplified program, of which at least one kernel is left. */
export interface ProfiledOperation {
  /** What it computes: `convolution`, `groupNormGradient`, or the function of an elementwise one, `add`. */
  readonly name: string
  readonly origin: Origin | undefined
  readonly inputs: ReadonlyArray<Shape>
  readonly outputs: ReadonlyArray<Shape>
  /** Floating-point operations of one run; 0 where it is neither a convolution nor a product. */
  readonly flops: number
}

/** A kernel that the runtime runs for an operation. */
export interface ProfiledKernel {
  readonly name: string
  /** The runtime's operator: `Conv`, `Transpose`. */
  readonly kernel: string
  /** Which of the operations it was made for; undefined for what the runtime puts in by itself and gives a name of its own. */
  readonly operation: number | undefined
}

/** One run of the program. */
export interface ProfiledRun {
  /** From the call of the session to its return. */
  readonly microseconds: number
  /** Microseconds of each kernel, in their order; the runtime counts whole ones, rounded down. */
  readonly kernels: Float64Array
}

/** What the operations of a program took. */
export interface Profile {
  readonly program: string
  readonly operations: ReadonlyArray<ProfiledOperation>
  /** In the order in which they are run, one after the other. */
  readonly kernels: ReadonlyArray<ProfiledKernel>
  /** All runs of all instances, the first ones, which are slower, among them. */
  readonly runs: ReadonlyArray<ProfiledRun>
}

/** Joins what the runtime timed with what the model was made of. */
export const joinProfile = ({ model, sources }: Lowered, runs: ReadonlyArray<TimedRun>): Profile => {
  const operations: Array<ProfiledOperation> = []
  const places = new Map<Node, number>()
  const operationOf = (name: string): number | undefined => {
    const source = sources.get(name)
    if (source === undefined) return undefined
    const known = places.get(source)
    if (known !== undefined) return known
    places.set(source, operations.length)
    return operations.push(describe(source)) - 1
  }

  const indices = new Map<string, number>()
  const kernels: Array<ProfiledKernel> = []
  for (const { kernel, name } of runs.flatMap(({ nodes }) => nodes)) {
    if (indices.has(name)) continue
    indices.set(name, kernels.length)
    kernels.push({ name, kernel, operation: operationOf(name) })
  }
  return {
    program: model.name,
    operations,
    kernels,
    runs: runs.map(({ microseconds, nodes }) => {
      const times = new Float64Array(kernels.length)
      for (const node of nodes) times[indices.get(node.name)!]! += node.microseconds
      return { microseconds, kernels: times }
    })
  }
}

const describe = (node: Node): ProfiledOperation => ({
  name: nameOf(node.operation),
  origin: node.origin,
  inputs: node.inputs.map(({ shape }) => shape),
  outputs: node.outputs.map(({ shape }) => shape),
  flops: flopsOfNode(node)
})

const nameOf = (operation: Operation): string => {
  switch (operation.kind) {
    case "unary":
    case "binary":
    case "reduce":
      return operation.function
    default:
      return operation.kind
  }
}
