/**
 * From a network that was trained in continuous time to samplers, which go by timesteps.
 */
import * as tf from "@tensorflow/tfjs"
import { Result } from "effect"
import { Continuous, type InvalidSchedule, logSnr, type Schedule, table } from "../../schedule/index.ts"
import type { DenoiserShape } from "../Denoiser.ts"
import type { HostTensors } from "../Pipeline.ts"
import type { ContinuousNoiseShape } from "./ContinuousNoise.ts"
import { toldTimestep } from "./stages.ts"

/** A schedule of timesteps, and the denoiser that is told them. */
export interface OnTimesteps {
  readonly schedule: Schedule
  readonly denoiser: DenoiserShape
}

/**
 * The schedule cut into T timesteps (`Continuous.discretize`), and the denoiser as one that knows these: told timestep t,
 * or a fraction, it is shown the log-SNR that belongs to it, on lines between two timesteps. Every sampler takes both.
 *
 * Fails with `InvalidSchedule` when `steps` is out of range.
 *
 * @param parameters those of the pipeline, in which the schedule finds its own
 * @param options.steps the number of timesteps T, a positive integer
 * @example
 * const { denoiser, schedule } = Result.getOrThrow(
 *   ContinuousTime.onTimesteps(network, continuousNoise, parameters, { steps: 1000 })
 * )
 * const layer = Layer.merge(Layer.succeed(Denoiser, denoiser), Objective.noise).pipe(
 *   Layer.provideMerge(NoiseSchedule.layer(schedule))
 * )
 */
export const onTimesteps = (
  denoiser: DenoiserShape,
  noise: ContinuousNoiseShape,
  parameters: HostTensors,
  { steps }: { readonly steps: number }
): Result.Result<OnTimesteps, InvalidSchedule> =>
  Result.map(Continuous.discretize(noise.continuous(parameters), { steps }), (schedule) => {
    const told = table(schedule, (schedule, t) => toldTimestep(noise.told, logSnr(schedule, t)))
    const starts = Float32Array.from(told)
    const rises = Float32Array.from(told, (value, t) => (told[t + 1] ?? value) - value)
    return {
      schedule,
      denoiser: {
        ...denoiser,
        apply: (values, input) => {
          const position = tf.cast(input.t, "float32")
          const before = tf.maximum(tf.floor(position), 0)
          const index = tf.cast(before, "int32") as tf.Tensor1D
          const t = tf.add(
            tf.gather(tf.tensor1d(starts), index),
            tf.mul(tf.sub(position, before), tf.gather(tf.tensor1d(rises), index))
          )
          return denoiser.apply(values, { ...input, t })
        }
      }
    }
  })
