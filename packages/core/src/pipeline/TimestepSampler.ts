/**
 * Which timesteps a batch is trained on, as a service.
 */
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
  readonly timesteps: (draws: Tensors) => Tensor
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
}
