/**
 * Stages of an installation: each leaves its result whole, says so with a stamp, and is skipped when the stamp is there for
 * the same source.
 *
 * A stage works in a folder of its own, and its results are moved to their places when it is done. The process's number is
 * in that folder's name: when a process is killed, what it has started (npm, a compiler) lives on for a while, and must not
 * write into what a new process makes.
 */
import { Effect, FileSystem, Path, Predicate, Schedule } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { createHash } from "node:crypto"
import type { FileProblem } from "../files.ts"
import { fileProblem, makeFolder, writeWhole } from "../files.ts"
import { InstallReporter, type StageName } from "./InstallReporter.ts"

/** A stage: what it makes, and out of what. */
export interface Stage<E, R> {
  readonly name: StageName
  /** What is done, for people. */
  readonly text: string
  /** Everything that decides the result; another source makes the stage run again. */
  readonly source: unknown
  /** The files and folders that it makes, relative to the folder that it works in, and then to the one that is built. */
  readonly makes: ReadonlyArray<string>
  /** Makes them, in a folder that is there and empty. */
  readonly run: (folder: string) => Effect.Effect<void, E, R>
}

/**
 * Runs a stage, unless it was done before for the same source. What follows from its results, and has stamps of its own, is
 * to depend on the same source.
 *
 * @param building the folder that is being built
 * @example
 * yield* runStage(building, { name: "libraries", text: "unpacking", source: wheels, makes: ["site"], run: unpack })
 */
export const runStage = Effect.fnUntraced(function*<E, R>(building: string, stage: Stage<E, R>) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const { report } = yield* InstallReporter
  const stamp = paths.join(building, stampOf(stage.name))
  const source = fingerprint(stage.source)
  const skipped = (yield* Effect.orElseSucceed(fs.readFileString(stamp), () => "")) === source
  yield* report({ event: "stage", stage: stage.name, text: stage.text, skipped })
  if (skipped) return
  yield* remove(stamp)
  yield* makeFolder(building)
  yield* removeWork(building, stage.name)
  const work = paths.join(building, `${stage.name}.${process.pid}`)
  yield* makeFolder(work)
  yield* stage.run(work)
  yield* Effect.forEach(stage.makes, (path) =>
    Effect.gen(function*() {
      const place = paths.join(building, path)
      yield* remove(place)
      yield* makeFolder(paths.dirname(place))
      yield* Effect.mapError(fs.rename(paths.join(work, path), place), fileProblem("write", place))
    }), { discard: true })
  yield* remove(work)
  yield* writeWhole(stamp, source)
})

const stampOf = (stage: StageName): string => `${stage}.done`

/** The folders that processes have worked in. */
const removeWork = Effect.fnUntraced(function*(building: string, stage: StageName) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const names = yield* Effect.mapError(fs.readDirectory(building), fileProblem("read", building))
  const left = names.filter((name) => name.startsWith(`${stage}.`) && /\.\d+$/.test(name))
  yield* Effect.forEach(left, (name) => remove(paths.join(building, name)), { discard: true })
})

/**
 * Removes the traces of stages from a folder that is built.
 *
 * @example
 * yield* removeStamps(building, ["libraries", "package"])
 */
export const removeStamps = Effect.fnUntraced(function*(building: string, stages: ReadonlyArray<StageName>) {
  const paths = yield* Path.Path
  yield* Effect.forEach(
    stages,
    (stage) => Effect.andThen(removeWork(building, stage), remove(paths.join(building, stampOf(stage)))),
    { discard: true }
  )
})

/**
 * A short text that stands for plain data: the same data, the same text.
 *
 * @example
 * fingerprint({ name: "tensorflow_cpu", version: "2.21.0" }) // 64 hexadecimal digits
 */
export const fingerprint = (data: unknown): string => createHash("sha256").update(JSON.stringify(data)).digest("hex")

/**
 * Removes a file or a folder with all that is in it, if it is there. A folder that somebody still writes into is tried
 * again for some seconds: npm and a compiler live on for a while when the process that started them was killed.
 *
 * @example
 * yield* remove("engines/tensorflow.building")
 */
export const remove = (path: string): Effect.Effect<void, FileProblem, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) => fs.remove(path, { recursive: true, force: true })).pipe(
    Effect.retry({ while: isFilling, schedule: patience }),
    Effect.mapError(fileProblem("remove", path))
  )

/** Something was put into the folder while it was being removed. */
const isFilling = ({ reason }: PlatformError): boolean =>
  Predicate.hasProperty(reason.cause, "code") && reason.cause.code === "ENOTEMPTY"

const patience = Schedule.max([Schedule.spaced("250 millis"), Schedule.recurs(40)])
