/**
 * Building blocks: immutable values that own parameters and compute with them.
 *
 * A block is made with the dotted path at which its parameters live, and reads them from the one flat record of the
 * whole network. So a network is the union of its blocks' parameters and the composition of their functions, and a
 * path is written once, where the block is made.
 */
import type { Tensor, Tensors } from "@effusion/core/engine"
import type { ParameterSpecs } from "@effusion/core/pipeline"
import type { DrawSpecs } from "@effusion/core/random"
import { sizeOf } from "@effusion/core/tensor"

/** What a block computes with besides its input: the network's parameters, and the random masks of dropout. */
export interface Context {
  readonly parameters: Tensors
  /** Empty when evaluating. */
  readonly draws: Tensors
}

/** What a block, or several together, need: parameters, and random masks for a batch of a given size. */
export interface Requirements {
  readonly parameters: ParameterSpecs
  readonly draws: (batch: number) => DrawSpecs
}

/** A pure function with the parameters that it owns. */
export interface Block<Arguments extends ReadonlyArray<Tensor> = readonly [x: Tensor]> extends Requirements {
  readonly apply: (context: Context, ...inputs: Arguments) => Tensor
}

/** The draws of a block that is not random. */
export const noDraws = (): DrawSpecs => ({})

/** What several blocks need together. */
export const union = (members: ReadonlyArray<Requirements>): Requirements => ({
  parameters: Object.assign({}, ...members.map(({ parameters }) => parameters)),
  draws: (batch) => Object.assign({}, ...members.map(({ draws }) => draws(batch)))
})

/** The number of trainable numbers. */
export const countParameters = ({ parameters }: Pick<Requirements, "parameters">): number =>
  Object.values(parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0)

/**
 * The tensor of a name.
 *
 * @throws Error when the record lacks it, naming it: `apply` was called with parameters or draws that are not those
 * the network declares.
 */
export const required = (tensors: Tensors, kind: "parameter" | "draw", name: string): Tensor => {
  const tensor = tensors[name]
  if (tensor === undefined) {
    throw new Error(`the ${kind} "${name}" is missing: pass every ${kind} that the network declares`)
  }
  return tensor
}
