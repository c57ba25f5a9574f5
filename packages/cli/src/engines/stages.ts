/**
 * Stages of an installation: each leaves its result whole, says so with a stamp, and is skipped when the stamp is there for
 * the same source. Whatever an interrupted stage left is removed before it begins anew.
 */
import { Effect, FileSystem, Path } from "effect"
import { createHash } from "node:crypto"
import type { FileProblem } from "../files.ts"
import { fileProblem, makeFolder, writeWhole } from "../files.ts"
import { InstallReporter, type StageName } from "./InstallReporter.ts"

/** A stage: what it makes inside of the folder that is being built, and out of what. */
export interface Stage<E, R> {
  readonly name: StageName
  /** What is done, for people. */
  readonly text: string
  /** Everything that decides the result; another source makes the stage run again. */
  readonly source: unknown
  /** The files and folders that it makes, relative to the folder that is being built. */
  readonly makes: ReadonlyArray<string>
  readonly run: Effect.Effect<void, E, R>
}

/**
 * Runs a stage, unless it was done before for the same source.
 *
 * @param building the folder that is being built
 * @example
 * yield* runStage(building, { name: "libraries", text: "unpacking", source: wheels, makes: ["site"], run: unpack })
 */
export const runStage = Effect.fnUntraced(function*<E, R>(building: string, stage: Stage<E, R>) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const { report } = yield* InstallReporter
  const stamp = paths.join(building, `${stage.name}.done`)
  const source = fingerprint(stage.source)
  const before = yield* Effect.orElseSucceed(fs.readFileString(stamp), () => undefined)
  const skipped = before === source
  yield* report({ event: "stage", stage: stage.name, text: stage.text, skipped })
  if (skipped) return
  yield* remove(stamp)
  yield* Effect.forEach(stage.makes, (path) => remove(paths.join(building, path)), { discard: true })
  yield* makeFolder(building)
  yield* stage.run
  yield* writeWhole(stamp, source)
})

/**
 * A short text that stands for plain data: the same data, the same text.
 *
 * @example
 * fingerprint({ name: "tensorflow_cpu", version: "2.21.0" }) // 64 hexadecimal digits
 */
export const fingerprint = (data: unknown): string => createHash("sha256").update(JSON.stringify(data)).digest("hex")

/**
 * Removes a file or a folder with all that is in it, if it is there.
 *
 * @example
 * yield* remove("engines/tensorflow.building")
 */
export const remove = (path: string): Effect.Effect<void, FileProblem, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) => fs.remove(path, { recursive: true, force: true })).pipe(
    Effect.mapError(fileProblem("remove", path))
  )
