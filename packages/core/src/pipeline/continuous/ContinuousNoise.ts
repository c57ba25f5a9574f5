/**
 * The noise schedule of a pipeline in continuous time, as a service: as tensors, so that its parameters can be trained
 * where it has any.
 */
import { Context, Effect, Layer } from "effect"
import type { Tensor, Tensors } from "../../engine/Program.ts"
import type { ContinuousSchedule, InvalidSchedule } from "../../schedule/index.ts"
import type { ParameterSpecs } from "../Parameter.ts"
import type { HostTensors } from "../Pipeline.ts"
import { fixed } from "./fixed.ts"
import { learned, type LearnedOptions } from "./learned.ts"

/** ln(SNR) and its derivative with respect to time, at the same times. */
export interface LogSnr {
  readonly logSnr: Tensor
  readonly derivative: Tensor
}

/** A noise schedule in continuous time, on tensors. */
export interface ContinuousNoiseShape {
  readonly name: string
  /** The parameters that training is to find; none of a fixed schedule. */
  readonly parameters: ParameterSpecs
  /** At times u from 0 (data) to 1 (noise), [count], float32: both [count], and differentiable in the parameters. */
  readonly at: (parameters: Tensors, u: Tensor) => LogSnr
  /**
   * The same where the inside of the schedule is trained for low variance (see `timing`); absent where nothing inside is
   * trained. Gradients of both go to the ends of the schedule only. `slope` is -derivative too, but as a function of
   * log-SNR in place of time: its gradient goes to the inside only, and is that at a log-SNR that stays.
   */
  readonly forVariance?: (parameters: Tensors, u: Tensor) => LogSnr & { readonly slope: Tensor }
  /** The same on the host, in float64, with given values of the parameters. */
  readonly continuous: (parameters: HostTensors) => ContinuousSchedule
  /** The ends that the timesteps of the denoiser are counted between; see `toldTimestep`. They never move. */
  readonly told: { readonly logSnrMax: number; readonly logSnrMin: number }
}

/**
 * The service.
 *
 * @example
 * Effect.provide(program, ContinuousTime.ContinuousNoise.learned({ features: 64 }))
 */
export class ContinuousNoise extends Context.Service<ContinuousNoise, ContinuousNoiseShape>()(
  "@effusion/core/pipeline/ContinuousNoise"
) {
  /** A schedule without parameters; see {@link fixed}. */
  static fixed(schedule: ContinuousSchedule): Layer.Layer<ContinuousNoise> {
    return Layer.sync(ContinuousNoise, () => fixed(schedule))
  }

  /** A schedule that is learned with the network; see {@link learned}. */
  static learned(options: LearnedOptions = {}): Layer.Layer<ContinuousNoise, InvalidSchedule> {
    return Layer.effect(ContinuousNoise, Effect.fromResult(learned(options)))
  }
}
