/**
 * What the engine times when its profiler is on.
 */
import { Context, Data, Effect, FileSystem, Path, type Scope } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { readRuns } from "./internal/profileFile.ts"
import type { Lowered } from "./lowering/lower.ts"
import { joinProfile, type Profile } from "./Profile.ts"

/** A program has no profile. */
export class ProfileMissing extends Data.TaggedError("ProfileMissing")<{
  readonly program: string
  readonly reason: string
}> {
  override get message() {
    return `there is no profile of program "${this.program}": ${this.reason}; ask for it when the program's scope is ` +
      `closed, and have some tens of MB free in the folder for temporary files`
  }
}

/** The engine's profiler. */
export class Profiler extends Context.Service<Profiler, {
  /**
   * The profiles of all programs that were compiled, in that order. The runtime writes a profile when its program is
   * released: ask for them once the scopes are closed that the programs were compiled in.
   */
  readonly profiles: Effect.Effect<ReadonlyArray<Profile>, ProfileMissing>
}>()("@effusion/core/engine/onnx/Profiler") {}

/** A profiler, with what the engine tells it. */
export interface Recording {
  /** Takes note of a program that is compiled next, and says what the name of its profile is to begin with. */
  readonly begin: (lowered: Lowered) => string
  readonly profiler: Profiler["Service"]
}

/** A profiler whose files lie in a temporary folder, which is gone when the scope closes. */
export const makeRecording: Effect.Effect<
  Recording,
  PlatformError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "effusion-profile-" })
  const programs: Array<Lowered> = []

  const read = Effect.fnUntraced(function*(lowered: Lowered, index: number) {
    const missing = (reason: string) => new ProfileMissing({ program: lowered.model.name, reason })
    const files = yield* Effect.mapError(fs.readDirectory(folder), ({ message }) => missing(message))
    // The runtime appends the time.
    const file = files.find((name) => name.startsWith(`${index}_`))
    if (file === undefined) return yield* missing("the runtime wrote no file")
    const text = yield* Effect.mapError(
      fs.readFileString(paths.join(folder, file)),
      ({ message }) => missing(message)
    )
    const runs = yield* Effect.try({
      try: () => readRuns(text),
      catch: () => missing("its file is not whole, as long as the program is not released, or for want of room")
    })
    return joinProfile(lowered, runs)
  })

  return {
    begin: (lowered) => paths.join(folder, String(programs.push(lowered) - 1)),
    profiler: { profiles: Effect.suspend(() => Effect.forEach(programs, read)) }
  }
})
