/**
 * What can be wrong with a request for samples. (Timesteps that a schedule does not have are `InvalidTimesteps` of the
 * schedule.)
 */
import { Data } from "effect"

/** An option of sampling, or of a sampler, is out of its range. */
export class InvalidSampling extends Data.TaggedError("InvalidSampling")<{
  readonly option: string
  readonly value: unknown
  readonly expected: string
}> {
  override get message() {
    return `cannot sample with "${this.option}" ${String(this.value)}: it is ${this.expected}`
  }
}

/**
 * A prediction does not determine the data or the noise at a timestep: the noise says nothing of the data where
 * alphaBar is 0 (zero signal-to-noise ratio), nor the data of the noise where it is 1.
 */
export class UndefinedEstimate extends Data.TaggedError("UndefinedEstimate")<{
  readonly predictionType: string
  readonly timestep: number
  readonly alphaBar: number
}> {
  override get message() {
    return `a prediction of type "${this.predictionType}" does not determine x_0 and the noise at timestep ` +
      `${this.timestep}, where alphaBar is ${this.alphaBar}; train with "v_prediction", or leave this timestep out`
  }
}

/** The parameters given are not those that the denoiser declares. */
export class ParameterMismatch extends Data.TaggedError("ParameterMismatch")<{
  readonly denoiser: string
  readonly parameter: string
  readonly expected: string
  readonly actual: string
}> {
  override get message() {
    return `the denoiser "${this.denoiser}" needs a parameter "${this.parameter}" of ${this.expected}, and was given ` +
      `${this.actual}; pass the parameters of the network that was trained`
  }
}
