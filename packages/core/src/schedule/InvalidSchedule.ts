/**
 * What can be wrong with a noise schedule, or with a choice of its timesteps or of noise levels.
 */
import { Data } from "effect"

/** A noise schedule was asked for that does not exist: an option out of range, or tables that break its laws. */
export class InvalidSchedule extends Data.TaggedError("InvalidSchedule")<{
  /** The family of the schedule: `linear`, `cosine`, ... */
  readonly schedule: string
  /** The value at fault, what was expected of it, and what to do. */
  readonly reason: string
}> {
  override get message() {
    return `no noise schedule "${this.schedule}": ${this.reason}`
  }
}

/** Noise levels were asked for that do not exist. */
export class InvalidSigmas extends Data.TaggedError("InvalidSigmas")<{ readonly reason: string }> {
  override get message() {
    return `no such noise levels: ${this.reason}`
  }
}

/** A sub-sequence of timesteps was asked for that a schedule of so many steps does not have. */
export class InvalidTimesteps extends Data.TaggedError("InvalidTimesteps")<{ readonly reason: string }> {
  override get message() {
    return `no such timesteps: ${this.reason}`
  }
}
