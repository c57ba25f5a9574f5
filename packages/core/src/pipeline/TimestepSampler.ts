/**
 * Which timesteps a batch is trained on, as a service.
 */
import * as tf from "@tensorflow/tfjs"
import { Context, Layer } from "effect"
import type { Tensor, Tensors } from "../engine/Program.ts"
import type { DrawSpecs } from "../random/Distribution.ts"
import { Distribution } from "../random/index.ts"

/** How timesteps come from random draws. */
export interface TimestepSamplerShape {
  readonly name: string
  /** What to draw for a batch of this size, under a schedule of `steps` timesteps. */
  readonly draws: (batch: number, steps: number) => DrawSpecs
  /** The timesteps, [batch], int32, from 0 to steps - 1. */
  readonly timesteps: (draws: Tensors, batch: number, steps: number) => Tensor
}

/**
 * The timestep sampler service.
 *
 * @example
 * Effect.provide(program, TimestepSampler.uniform)
 */
export class TimestepSampler extends Context.Service<TimestepSampler, TimestepSamplerShape>()(
  "@effusion/core/pipeline/TimestepSampler"
) {
  /** t uniform in {0, ..., T - 1}, each example by itself (Ho et al. 2020, algorithm 1, which counts from 1). */
  static readonly uniform: Layer.Layer<TimestepSampler> = Layer.succeed(TimestepSampler, {
    name: "uniform",
    draws: (batch, steps) => ({ t: { distribution: Distribution.integers(0, steps), shape: [batch] } }),
    timesteps: (draws) => draws["t"]!
  })

  /**
   * t spread evenly over a batch: with u uniform in [0, 1), t_i = floor(T ((u + i / B) mod 1)) for i in {0, ..., B - 1}
   * (Kingma et al. 2021, appendix I.1). Each t is uniform as above, but every batch has easy and hard ones in the same
   * proportion, so that its loss and gradient have less variance.
   *
   * With accumulated gradients it is each micro-batch that is spread evenly.
   */
  static readonly stratified: Layer.Layer<TimestepSampler> = Layer.succeed(TimestepSampler, {
    name: "stratified",
    draws: () => ({ u: { distribution: Distribution.uniform(0, 1), shape: [] } }),
    timesteps: (draws, batch, steps) => {
      const positions = tf.mod(tf.add(draws["u"]!, tf.div(tf.range(0, batch), batch)), 1)
      // A position just below 1 may be rounded up to T.
      return tf.cast(tf.minimum(tf.floor(tf.mul(positions, steps)), steps - 1), "int32")
    }
  })
}
