/**
 * What can go wrong with an engine, one class a cause. Each message names the value, what was expected, and the remedy.
 */
import { Data } from "effect"

/** A program uses an operation that this engine cannot run. */
export class UnsupportedOperation extends Data.TaggedError("UnsupportedOperation")<{
  readonly program: string
  readonly operation: string
  readonly engine: string
  /** What to do instead, where there is more to say than to write it with other operations. */
  readonly remedy?: string | undefined
}> {
  override get message() {
    return `program "${this.program}" uses the operation ${this.operation}, which the engine "${this.engine}" has no ` +
      `lowering for; ${this.remedy ?? "write it with other tfjs operations, or add a lowering"}`
  }
}

/** A program asked for the elements of a tensor while it was being traced (`dataSync`, `arraySync`, a branch on a value). */
export class TracedValueRead extends Data.TaggedError("TracedValueRead")<{ readonly program: string }> {
  override get message() {
    return `program "${this.program}" reads the elements of a tensor while it is traced; elements exist only when it ` +
      `runs: return the tensor as an output, or choose with tf.where`
  }
}

/** A program does not keep to its signature, or its function threw while it was traced. */
export class InvalidProgram extends Data.TaggedError("InvalidProgram")<{
  readonly program: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return `program "${this.program}" cannot be compiled: ${this.reason}`
  }
}

/** The runtime under the engine refused a program that the engine lowered: a defect of the engine, reported whole. */
export class CompilationFailed extends Data.TaggedError("CompilationFailed")<{
  readonly program: string
  readonly engine: string
  readonly reason: string
}> {
  override get message() {
    return `the engine "${this.engine}" could not compile program "${this.program}": ${this.reason}`
  }
}

/** Everything that compiling a program can fail with. */
export type CompileError = UnsupportedOperation | TracedValueRead | InvalidProgram | CompilationFailed

/** A state or an input does not have the names, shapes or dtypes that the program declares. */
export class SignatureMismatch extends Data.TaggedError("SignatureMismatch")<{
  readonly program: string
  readonly argument: string
  readonly expected: string
  readonly actual: string
}> {
  override get message() {
    return `program "${this.program}" expects ${this.argument} to be ${this.expected}, and was given ${this.actual}`
  }
}

/** A step failed while it ran, with a runtime's own error. The instance is not usable afterwards. */
export class ExecutionFailed extends Data.TaggedError("ExecutionFailed")<{
  readonly program: string
  readonly engine: string
  readonly reason: string
}> {
  override get message() {
    return `the engine "${this.engine}" failed while running program "${this.program}": ${this.reason}`
  }
}

/** The engine's device has not the memory that a state or a step takes. The instance is not usable afterwards. */
export class OutOfMemory extends Data.TaggedError("OutOfMemory")<{
  readonly program: string
  readonly engine: string
  /** The device as the engine calls it. */
  readonly device: string
  /** The bytes of the allocation that failed, where they are known. */
  readonly requestedBytes: number | undefined
}> {
  override get message() {
    const requested = this.requestedBytes === undefined
      ? ""
      : ` when ${showBytes(this.requestedBytes)} more were needed`
    return `the engine "${this.engine}" ran out of memory on ${this.device}${requested}, in program "${this.program}"; ` +
      `lower the batch size (accumulating gradients over smaller batches keeps the numbers), let the engine ` +
      `rematerialize, take a smaller network, or another device`
  }
}

const showBytes = (bytes: number): string => {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  return `${Number((bytes / 2 ** (10 * power)).toPrecision(3))} ${["bytes", "KiB", "MiB", "GiB", "TiB"][power]}`
}

/** Everything that starting or stepping a program can fail with. */
export type RunError = SignatureMismatch | ExecutionFailed | OutOfMemory

/** The engine cannot work on this machine. */
export class EngineUnavailable extends Data.TaggedError("EngineUnavailable")<{
  readonly engine: string
  readonly reason: string
  readonly remedy: string
  /** The engine's own error, for who wants to tell them apart. */
  readonly cause?: unknown
}> {
  override get message() {
    return `the engine "${this.engine}" does not work here: ${this.reason}; ${this.remedy}`
  }
}
