import { Data } from "effect"

/** An option of a timestep sampler that makes no sense. */
export class InvalidTimestepSampler extends Data.TaggedError("InvalidTimestepSampler")<{
  readonly sampler: string
  readonly option: string
  readonly value: number
  readonly expected: string
}> {
  override get message() {
    return `the timestep sampler "${this.sampler}" cannot have ${this.option} ${this.value}; give ${this.expected}`
  }
}
