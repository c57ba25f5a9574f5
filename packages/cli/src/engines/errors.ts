/**
 * What can go wrong when an engine is installed: one class a cause, each with what to do.
 */
import { Data } from "effect"

/** There is no way to install the engine on this machine. */
export class UnsupportedMachine extends Data.TaggedError("UnsupportedMachine")<{
  /** `linux-arm64`, as Node calls them. */
  readonly machine: string
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `the tensorflow engine cannot be installed on ${this.machine}: ${this.reason}; ${this.remedy}`
  }
}

/** No C++ compiler was found. */
export class NoCompiler extends Data.TaggedError("NoCompiler")<{ readonly tried: ReadonlyArray<string> }> {
  override get message() {
    return `there is no C++ compiler (tried ${this.tried.join(", ")}); install one (Debian, Ubuntu: apt install g++; ` +
      `Fedora: dnf install gcc-c++; macOS: xcode-select --install), or name yours in the variable CXX`
  }
}

/** npm was not found. */
export class NoNpm extends Data.TaggedError("NoNpm")<{ readonly tried: ReadonlyArray<string> }> {
  override get message() {
    return `npm was not found (tried ${this.tried.join(", ")}); install Node with npm, or put npm on the PATH`
  }
}

/** A file is no Python wheel. */
export class NotAWheel extends Data.TaggedError("NotAWheel")<{ readonly path: string; readonly reason: string }> {
  override get message() {
    return `"${this.path}" is no Python wheel: ${this.reason}; get one with "pip download --no-deps tensorflow-cpu" ` +
      `(or tensorflow, for a GPU)`
  }
}

/** A wheel was made for another kind of machine. */
export class WrongWheel extends Data.TaggedError("WrongWheel")<{
  readonly path: string
  /** What the wheel is for: `manylinux_2_27_x86_64`. */
  readonly platforms: ReadonlyArray<string>
  /** What this machine is: `Linux on x86_64 with glibc 2.36`. */
  readonly expected: string
}> {
  override get message() {
    return `"${this.path}" is for ${
      this.platforms.join(", ")
    }, and this is ${this.expected}; run pip download on this ` +
      `machine, or choose another version`
  }
}

/** None of the wheels has TensorFlow's libraries. */
export class NoTensorflowInWheel extends Data.TaggedError("NoTensorflowInWheel")<{
  readonly wheels: ReadonlyArray<{ readonly path: string; readonly name: string; readonly version: string }>
}> {
  override get message() {
    const wheels = this.wheels.map(({ name, path, version }) => `"${path}" (${name} ${version})`).join(", ")
    return `libtensorflow_cc is not in ${wheels}; give the wheel of tensorflow-cpu or tensorflow, a recent one, ` +
      `or an archive of libtensorflow with --libtensorflow`
  }
}

/** TensorFlow's libraries were given twice. */
export class TwoLibtensorflows extends Data.TaggedError("TwoLibtensorflows")<{
  readonly wheel: string
  readonly libtensorflow: string
}> {
  override get message() {
    return `libtensorflow is in the wheel "${this.wheel}" and in "${this.libtensorflow}"; give one of them ` +
      `(beside --libtensorflow, --wheel is for NVIDIA's libraries)`
  }
}

/** An archive is not whole. */
export class DamagedArchive extends Data.TaggedError("DamagedArchive")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `"${this.path}" is damaged: ${this.reason}; download it again`
  }
}

/** A folder or an archive has no libtensorflow in it, or not all of it. */
export class NoLibtensorflow extends Data.TaggedError("NoLibtensorflow")<{
  readonly path: string
  readonly missing: ReadonlyArray<string>
}> {
  override get message() {
    return `"${this.path}" has no ${
      this.missing.join(" and no ")
    }; give a folder or a .tar.gz as TensorFlow publishes ` +
      `them, with include/ and lib/ in it`
  }
}

/** Something could not be downloaded. What came is kept. */
export class DownloadFailed extends Data.TaggedError("DownloadFailed")<{
  readonly url: string
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `cannot download ${this.url}: ${this.reason}; ${this.remedy}`
  }
}

/** npm ended with an error. */
export class NpmFailed extends Data.TaggedError("NpmFailed")<{
  readonly code: number
  /** The last lines that it wrote. */
  readonly lines: ReadonlyArray<string>
}> {
  override get message() {
    return `npm ended with code ${this.code}: ${
      this.lines.join(" | ")
    }; see that this machine reaches the npm registry, ` +
      `and run the command again`
  }
}

/** The compiler ended with an error. */
export class CompileFailed extends Data.TaggedError("CompileFailed")<{
  readonly compiler: string
  readonly code: number
  /** The last lines that it wrote. */
  readonly lines: ReadonlyArray<string>
}> {
  override get message() {
    return `"${this.compiler}" ended with code ${this.code}: ${
      this.lines.join(" | ")
    }; it must know C++17: try another ` +
      `one with the variable CXX, or another version of TensorFlow`
  }
}

/** The engine was made, and does not compute. */
export class EngineDoesNotWork extends Data.TaggedError("EngineDoesNotWork")<{
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `the engine was built and does not work: ${this.reason}; ${this.remedy}`
  }
}

/** Another process is installing the same engine. */
export class InstallationRunning extends Data.TaggedError("InstallationRunning")<{
  readonly pid: number
  readonly lock: string
}> {
  override get message() {
    return `process ${this.pid} is installing this engine; wait for it, or remove "${this.lock}" if there is no such process`
  }
}

/** What an error that is neither of ours nor the file system's says, in one line. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!
