/**
 * Why a file of reference numbers, or a case of it, cannot be run.
 */
import { Data } from "effect"

/** A file is none of reference numbers. */
export class InvalidGoldens extends Data.TaggedError("InvalidGoldens")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `"${this.path}" is no file of reference numbers: ${this.reason}`
  }
}

/** A case says something that is not understood, or asks for what there is not. */
export class GoldenProblem extends Data.TaggedError("GoldenProblem")<{
  /** The option or the sampler that is at fault. */
  readonly option: string
  readonly reason: string
}> {
  override get message() {
    return `${this.option}: ${this.reason}`
  }
}

/**
 * A value that is none of those known.
 *
 * @example
 * unknownValue("config.beta_schedule", "cubic", ["linear", "sigmoid"])
 */
export const unknownValue = (option: string, value: unknown, known: ReadonlyArray<string>): GoldenProblem =>
  new GoldenProblem({ option, reason: `${JSON.stringify(value)} is not known; known are ${known.join(", ")}` })
