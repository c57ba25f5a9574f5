import { Data } from "effect"

/** A model's configuration is not valid. */
export class InvalidConfig extends Data.TaggedError("InvalidConfig")<{
  /** The kind of model: `U-Net`, `MLP`. */
  readonly model: string
  /** One line for each thing that is wrong: the field, what was expected of it, and what was given. */
  readonly reasons: ReadonlyArray<string>
}> {
  override get message() {
    return `the ${this.model} configuration is not valid: ${this.reasons.join("; ")}`
  }
}
