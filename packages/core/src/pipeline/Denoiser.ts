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
  /**
   * The timestep of each example: [batch], from 0 to T - 1. int32 in training; float32 in sampling, where a solver may
   * visit fractions.
   */
  readonly t: Tensor
  /** The class of each example, where the denoiser has `classes`: [batch], int32, from 0; `classes` itself is "none". */
  readonly condition?: Tensor
  /** The denoiser's own earlier estimate of x_0, where it has `selfConditions`; shaped as `x`, zeros at first. */
  readonly selfCondition?: Tensor
  /** The dropout masks that `draws` asked for; empty when evaluating. */
  readonly draws: Tensors
}

/** An immutable configuration with two pure functions: what parameters there are, and how they predict. */
export interface DenoiserShape {
  readonly name: string
  /** The shape of one example, without the batch axis: `[28, 28, 1]`. */
  readonly exampleShape: Shape
  readonly parameters: ParameterSpecs
  /** The number of classes that it can be told; none unless given. */
  readonly classes?: number
  /** Whether it takes an earlier estimate of x_0 as well (Chen et al., "Analog Bits", 2023, section 3.2). */
  readonly selfConditions?: boolean
  /**
   * Whether it predicts a variance too (Nichol & Dhariwal 2021, section 3.1): the last axis of its prediction is then
   * twice as long, the prediction first, and then where the logarithm of the variance lies between its bounds, in
   * [-1, 1].
   */
  readonly learnsVariance?: boolean
  /** The random masks that training on a batch of this size needs (dropout); none when there is no dropout. */
  readonly draws: (batch: number) => DrawSpecs
  /** The prediction, shaped as `x`, but for `learnsVariance`. */
  readonly apply: (parameters: Tensors, input: DenoiserInput) => Tensor
}

export class Denoiser extends Context.Service<Denoiser, DenoiserShape>()("@effusion/core/pipeline/Denoiser") {}
