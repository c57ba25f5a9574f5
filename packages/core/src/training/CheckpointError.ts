/**
 * What can go wrong with checkpoints, one class a cause. Each message names the path, what is wrong, and the remedy.
 */
import { Data } from "effect"

/** A checkpoint could not be written. Nothing of it is left behind, and earlier ones are as they were. */
export class CheckpointUnwritable extends Data.TaggedError("CheckpointUnwritable")<{
  /** The folder that the checkpoint was to be. */
  readonly path: string
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `cannot write the checkpoint "${this.path}": ${this.reason}; ${this.remedy}. Earlier checkpoints are untouched`
  }
}

/** There is no checkpoint at this path. */
export class CheckpointNotFound extends Data.TaggedError("CheckpointNotFound")<{ readonly path: string }> {
  override get message() {
    return `there is no checkpoint "${this.path}"; give the path of a folder that holds a manifest.json`
  }
}

/** The operating system does not let a checkpoint be read. */
export class CheckpointUnreadable extends Data.TaggedError("CheckpointUnreadable")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `cannot read "${this.path}": ${this.reason}; check that you have permission to read it`
  }
}

/** A checkpoint is not what was written. */
export class CheckpointDamaged extends Data.TaggedError("CheckpointDamaged")<{
  readonly path: string
  /** The file at fault, in the checkpoint's folder. */
  readonly file: string
  readonly reason: string
}> {
  override get message() {
    return `the checkpoint "${this.path}" is damaged: ${this.file} ${this.reason}; use another one, and remove this one`
  }
}

/** One value that two configurations do not share. */
export interface ConfigDifference {
  /** Where it is: `optimizer.learningRate`. */
  readonly path: string
  /** The value in the checkpoint; `undefined` where it has none. */
  readonly was: unknown
  /** The value now; `undefined` where there is none. */
  readonly is: unknown
}

/** A run was to resume with another configuration than it began with. */
export class ConfigMismatch extends Data.TaggedError("ConfigMismatch")<{
  readonly path: string
  readonly differences: ReadonlyArray<ConfigDifference>
}> {
  override get message() {
    const lines = this.differences.map(({ is, path, was }) => `${path} was ${show(was)} and is ${show(is)}`)
    return `the checkpoint "${this.path}" belongs to a run with another configuration: ${lines.join("; ")}. ` +
      `Resume with the configuration it began with, or begin a new run`
  }
}

const show = (value: unknown): string => value === undefined ? "absent" : JSON.stringify(value)
