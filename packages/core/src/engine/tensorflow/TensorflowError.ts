/**
 * Why TensorFlow cannot be used here, one class a cause. Each says what is wrong (`problem`) and what to do about it
 * (`remedy`); the layer gives both to the user as an `EngineUnavailable`, with the error itself as its cause.
 */
import { Data } from "effect"
import { EngineUnavailable } from "../EngineError.ts"
import type { GpuError } from "./GpuError.ts"

/** The engine's name, in messages. */
export const engine = "tensorflow"

/** A folder in which the package was looked for, and what is wrong there. */
export interface FailedPlace {
  /** Who names the folder: the option `package`, a variable, or what resolved it. */
  readonly namedBy: string
  readonly folder: string
  /** What is wrong, as the rest of a sentence about the folder: "does not exist". */
  readonly detail: string
}

const install = "install it with \"effusion engine install tensorflow\""
const installForGpu = "install it with \"effusion engine install tensorflow --gpu\" (docs/engines.md)"
const reinstall = "build it anew with \"effusion engine install tensorflow\""
const doctor = "\"effusion engine doctor\" says more"

/** The package is nowhere. */
export class PackageMissing extends Data.TaggedError("PackageMissing")<{
  readonly places: ReadonlyArray<FailedPlace>
  /** What was to be computed on. */
  readonly device?: "auto" | "cpu" | "gpu" | undefined
}> {
  get problem() {
    return "TensorFlow is not installed"
  }
  get remedy() {
    return this.device === "gpu" ? installForGpu : install
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** A folder that somebody named is not that of the package. */
export class WrongFolder extends Data.TaggedError("WrongFolder")<FailedPlace> {
  get problem() {
    return `${this.folder}, which ${this.namedBy} names, ${this.detail}`
  }
  get remedy() {
    return "name the folder of @tensorflow/tfjs-node or @tensorflow/tfjs-node-gpu, or none"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The package is there, and its native addon is not, or not for this Node. */
export class AddonNotBuilt extends Data.TaggedError("AddonNotBuilt")<{
  readonly folder: string
  readonly package: string
  readonly detail: string
}> {
  get problem() {
    return `the native addon of ${this.package} in ${this.folder} ${this.detail}`
  }
  get remedy() {
    return reinstall
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** A shared library is not there. */
export class LibraryMissing extends Data.TaggedError("LibraryMissing")<{
  readonly library: string
  readonly addon: string
}> {
  get problem() {
    return `the shared library ${this.library} is missing, which ${this.addon} needs`
  }
  get remedy() {
    return this.library.startsWith("libtensorflow")
      ? reinstall
      : "install it with the system's package manager, or put its folder into LD_LIBRARY_PATH"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** A file is not what a shared library has to be. */
export class LibraryDamaged extends Data.TaggedError("LibraryDamaged")<{
  readonly path: string
  readonly detail: string
}> {
  get problem() {
    return `the shared library ${this.path} is damaged or of another build: ${this.detail}`
  }
  get remedy() {
    return reinstall
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The system's own libraries are older than those that TensorFlow was built with. */
export class SystemTooOld extends Data.TaggedError("SystemTooOld")<{
  readonly library: string
  /** The symbol version that is wanted, such as `GLIBCXX_3.4.32`. */
  readonly version: string
  readonly neededBy: string
}> {
  get problem() {
    return `${this.neededBy} needs ${this.version}, and this system's ${this.library} is older`
  }
  get remedy() {
    return "update the system, or install an older TensorFlow with \"effusion engine install tensorflow --wheel <file>\""
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** A process that loaded the addon to see what happens died of it. */
export class LoadingCrashed extends Data.TaggedError("LoadingCrashed")<{
  readonly addon: string
  /** The signal or the exit code that it ended with. */
  readonly ending: string
}> {
  get problem() {
    return `a process that loads ${this.addon} ends with ${this.ending}`
  }
  get remedy() {
    return `${reinstall}; ${doctor}`
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The addon does not load, for a reason that is none of the others. */
export class LoadingFailed extends Data.TaggedError("LoadingFailed")<{
  readonly addon: string
  readonly detail: string
}> {
  get problem() {
    return `${this.addon} does not load: ${this.detail}`
  }
  get remedy() {
    return doctor
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** libtensorflow reads some settings once a process, and other ones are in use. */
export class SettingsInUse extends Data.TaggedError("SettingsInUse")<{
  readonly setting: "threads" | "device"
  readonly asked: string
  readonly inUse: string
}> {
  get problem() {
    return `it was asked for ${this.setting} ${this.asked}, and this process has loaded TensorFlow for ` +
      `${this.setting} ${this.inUse}, which it reads once`
  }
  get remedy() {
    return `ask for ${this.inUse}, or start another process`
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** A setting that there is not. */
export class InvalidSetting extends Data.TaggedError("InvalidSetting")<{
  readonly setting: string
  readonly value: unknown
  readonly expected: string
}> {
  get problem() {
    return `${this.setting} is ${String(this.value)}`
  }
  get remedy() {
    return `give ${this.expected}`
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** Everything that finding and loading TensorFlow can fail with. */
export type LoadError =
  | PackageMissing
  | WrongFolder
  | AddonNotBuilt
  | LibraryMissing
  | LibraryDamaged
  | SystemTooOld
  | LoadingCrashed
  | LoadingFailed
  | SettingsInUse
  | InvalidSetting

/**
 * An error as that of the layer.
 *
 * @example
 * yield* prepare(options).pipe(Effect.mapError(unavailable))
 */
export const unavailable = (error: LoadError | GpuError): EngineUnavailable =>
  new EngineUnavailable({ engine, reason: error.problem, remedy: error.remedy, cause: error })
