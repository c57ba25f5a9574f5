/**
 * The denoiser: the network that a pipeline trains, as a service, so that swapping a network is swapping a Layer.
 */
import * as tf from "@tensorflow/tfjs"
import { Context, Record } from "effect"
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

/**
 * Of all draws of a pipeline those that its denoiser asked for; none in an evaluation, for which it asked for none.
 *
 * @param batch the number of examples
 * @example
 * const output = denoiser.apply(parameters, { x, t, draws: ownDraws(denoiser, draws, batch) })
 */
export const ownDraws = (denoiser: Pick<DenoiserShape, "draws">, draws: Tensors, batch: number): Tensors => {
  const asked = denoiser.draws(batch)
  return Record.filter(draws, (_, name) => Object.hasOwn(asked, name))
}

/**
 * What a denoiser says, taken apart: its prediction, and the variance where it learns one.
 *
 * @example
 * const { prediction, variance } = splitVariance(denoiser, denoiser.apply(parameters, input))
 */
export const splitVariance = (
  { learnsVariance }: Pick<DenoiserShape, "learnsVariance">,
  output: Tensor
): { readonly prediction: Tensor; readonly variance?: Tensor } => {
  if (learnsVariance !== true) return { prediction: output }
  const [prediction, variance] = tf.split(output, 2, -1)
  return { prediction: prediction!, variance: variance! }
}

/**
 * Of the parameters of a run, those of the denoiser: what samples and evaluations are made with, where a stage has
 * parameters of its own, as `learnedUncertainty` has.
 *
 * @example
 * const { loss } = yield* Training.evaluate({ pipeline, data, seed: 0, parameters: ownParameters(denoiser, average) })
 */
export const ownParameters = <Value>(
  { parameters }: Pick<DenoiserShape, "parameters">,
  values: { readonly [name: string]: Value }
): { readonly [name: string]: Value } =>
  Object.fromEntries(Object.entries(values).filter(([name]) => Object.hasOwn(parameters, name)))

/**
 * A denoiser that keeps the variance which it learned to itself.
 *
 * @example
 * const prediction = withoutVariance(denoiser).apply(parameters, input)
 */
export const withoutVariance = (denoiser: DenoiserShape): DenoiserShape =>
  denoiser.learnsVariance !== true ? denoiser : {
    ...denoiser,
    learnsVariance: false,
    apply: (parameters, input) => splitVariance(denoiser, denoiser.apply(parameters, input)).prediction
  }
