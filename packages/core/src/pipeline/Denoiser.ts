/**
 * The denoiser: the network that a pipeline trains, as a service, so that swapping a network is swapping a Layer.
 */
import { Context } from "effect"
import type { Tensor, Tensors } from "../engine/Program.ts"
import type { DrawSpecs } from "../random/Distribution.ts"
import type { Shape } from "../tensor/HostTensor.ts"
import type { ParameterSpecs } from "./Parameter.ts"

/** What a denoiser is shown. */
export interface DenoiserInput {
  /** Noised data x_t: [batch, ...exampleShape], float32. */
  readonly x: Tensor
  /** The timestep of each example: [batch], int32, from 0 to T - 1. */
  readonly t: Tensor
  /** The dropout masks that `draws` asked for; empty when evaluating. */
  readonly draws: Tensors
}

/** An immutable configuration with two pure functions: what parameters there are, and how they predict. */
export interface DenoiserShape {
  readonly name: string
  /** The shape of one example, without the batch axis: `[28, 28, 1]`. */
  readonly exampleShape: Shape
  readonly parameters: ParameterSpecs
  /** The random masks that training on a batch of this size needs (dropout); none when there is no dropout. */
  readonly draws: (batch: number) => DrawSpecs
  /** The prediction, shaped as `x`. */
  readonly apply: (parameters: Tensors, input: DenoiserInput) => Tensor
}

export class Denoiser extends Context.Service<Denoiser, DenoiserShape>()("@effusion/core/pipeline/Denoiser") {}
