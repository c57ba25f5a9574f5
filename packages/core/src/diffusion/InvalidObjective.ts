/**
 * What can be wrong with what a network is to learn.
 */
import { Data } from "effect"

/** A weighting, a distance or a parameterisation was asked for with an option that is out of its range. */
export class InvalidObjective extends Data.TaggedError("InvalidObjective")<{
  /** What was asked for: `min-snr`, `huber`, `edm`, ... */
  readonly name: string
  /** The value at fault, what was expected of it, and what to do. */
  readonly reason: string
}> {
  override get message() {
    return `no "${this.name}" like that: ${this.reason}`
  }
}

/** A weighting that some timestep of a schedule has no weight for, given what is predicted. */
export class UndefinedWeight extends Data.TaggedError("UndefinedWeight")<{
  readonly weighting: string
  /** What is predicted. */
  readonly prediction: string
  readonly t: number
  readonly snr: number
  /** What the weight came to. */
  readonly weight: number
}> {
  override get message() {
    return `the weighting "${this.weighting}" of predictions of type "${this.prediction}" is ${this.weight} at ` +
      `t = ${this.t}, where the signal-to-noise ratio is ${this.snr}, but weights are finite and at least 0; predict ` +
      `"v_prediction" or "sample", choose another weighting, or a schedule that keeps some signal`
  }
}
