/**
 * Where the libraries come from: wheels, an archive of libtensorflow, or both (the archive's TensorFlow and the wheels'
 * CUDA).
 */
import { Effect, FileSystem, Option, Path, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { type FileProblem, fileProblem } from "../files.ts"
import { type Libraries, librariesIn } from "./addon.ts"
import { requireLibtensorflow, takeArchive, takeFolder } from "./archive.ts"
import { download } from "./download.ts"
import {
  DamagedArchive,
  type DownloadFailed,
  type NoLibtensorflow,
  type NotAWheel,
  NoTensorflowInWheel,
  TwoLibtensorflows,
  type UnsupportedMachine,
  type WrongWheel
} from "./errors.ts"
import { InstallReporter, type StageName } from "./InstallReporter.ts"
import { hashFile } from "./internal/streams.ts"
import { Machine } from "./machine.ts"
import { gpuArchiveNeeds, officialArchive } from "./official.ts"
import { remove } from "./stages.ts"
import { readWheel, unpackWheel, type Wheel } from "./wheel.ts"

/** What was asked for. */
export interface Asked {
  readonly gpu: boolean
  readonly wheels: ReadonlyArray<string>
  /** A folder, a `.tar.gz`, or the address of one. */
  readonly libtensorflow: string | undefined
}

/** An archive of libtensorflow, or a folder that was one. */
type Archive =
  | { readonly type: "folder"; readonly path: string }
  | {
    readonly type: "file"
    readonly path: string
    /** Where it was downloaded from, if it was. */
    readonly url?: string
  }
  | { readonly type: "address"; readonly url: string; readonly sha256: string | undefined }

/** Where the libraries come from; all of it was looked at. */
export interface Source {
  readonly wheels: ReadonlyArray<Wheel>
  readonly archive: Archive | undefined
  /** For people, and for `installation.json`. */
  readonly text: string
}

/**
 * Looks at what was asked for, and refuses what cannot serve. Nothing is downloaded or unpacked yet.
 *
 * @example
 * const source = yield* findSource({ gpu: false, wheels: ["tensorflow_cpu-2.21.0-...whl"], libtensorflow: undefined })
 */
export const findSource = Effect.fnUntraced(
  function*(asked: Asked): Effect.fn.Return<
    Source,
    | NotAWheel
    | WrongWheel
    | DamagedArchive
    | NoTensorflowInWheel
    | TwoLibtensorflows
    | NoLibtensorflow
    | UnsupportedMachine
    | FileProblem,
    FileSystem.FileSystem | Path.Path | InstallReporter
  > {
    const { report } = yield* InstallReporter
    const wheels = yield* Effect.forEach(asked.wheels, readWheel)
    const hasTensorflow = isWhole(wheels)
    if (hasTensorflow && asked.libtensorflow !== undefined) {
      const { path } = wheels.find((wheel) => isWhole([wheel])) ?? wheels[0]!
      return yield* new TwoLibtensorflows({ wheel: path, libtensorflow: asked.libtensorflow })
    }
    if (asked.libtensorflow === undefined && wheels.length > 0 && !hasTensorflow) {
      return yield* new NoTensorflowInWheel({ wheels })
    }
    yield* Effect.forEach(
      wheels.filter(({ files }) => files.length === 0),
      ({ path }) => report({ event: "warning", message: `"${path}" has nothing in it that the engine needs` }),
      { discard: true }
    )
    const archive = hasTensorflow
      ? undefined
      : asked.libtensorflow === undefined
      ? yield* official(asked.gpu)
      : yield* archiveAt(asked.libtensorflow)
    if (archive?.type === "address" && asked.libtensorflow === undefined && asked.gpu) {
      yield* report({ event: "warning", message: gpuArchiveNeeds })
    }
    const parts = [
      ...archive === undefined ? [] : [archive.type === "address" ? archive.url : archive.path],
      ...wheels.map(({ name, version }) => `${name} ${version}`)
    ]
    return { wheels, archive, text: parts.join(", ") }
  }
)

/** Whether wheels have both of TensorFlow's libraries. */
const isWhole = (wheels: ReadonlyArray<Wheel>): boolean =>
  librariesIn(wheels.flatMap(({ files }) => files.map(({ name }) => name))).tensorflow.length === 2

const official = Effect.fnUntraced(function*(gpu: boolean) {
  const { sha256, url } = yield* officialArchive(yield* Machine, { gpu })
  return { type: "address" as const, url, sha256 }
})

const archiveAt = Effect.fnUntraced(function*(place: string) {
  if (/^https?:\/\//i.test(place)) return { type: "address" as const, url: place, sha256: undefined }
  const fs = yield* FileSystem.FileSystem
  const path = (yield* Path.Path).resolve(place)
  const { type } = yield* Effect.mapError(fs.stat(path), fileProblem("read", place))
  if (type === "Directory") {
    yield* requireLibtensorflow(path, place)
    return { type: "folder" as const, path }
  }
  return { type: "file" as const, path }
})

/**
 * Downloads what has to be downloaded.
 *
 * @param downloads the folder for it
 * @example
 * const local = yield* bring(source, "engines/downloads")
 */
export const bring = Effect.fnUntraced(
  function*(source: Source, downloads: string): Effect.fn.Return<
    Source,
    DownloadFailed | DamagedArchive | FileProblem,
    FileSystem.FileSystem | Path.Path | HttpClient.HttpClient | InstallReporter
  > {
    const { archive } = source
    if (archive?.type !== "address") return source
    const { report } = yield* InstallReporter
    const path = (yield* Path.Path).join(downloads, fileNameOf(archive.url))
    yield* report({ event: "stage", stage: "download", text: `downloading ${archive.url}`, skipped: false })
    yield* download({
      url: archive.url,
      path,
      sha256: archive.sha256,
      onProgress: (bytes, total) => report({ event: "progress", stage: "download", bytes, total })
    })
    return { ...source, archive: { type: "file", path, url: archive.url } }
  }
)

/** One name for one address: the versions of an archive are told apart by their folders, not by their names. */
const fileNameOf = (url: string): string => url.replace(/^https?:\/\//i, "").replaceAll(/[^\w.-]+/g, "-").slice(-200)

/**
 * What decides the libraries: the same identity, the same files.
 *
 * @example
 * const identity = yield* identityOf(local) // plain data, for a stamp
 */
export const identityOf = Effect.fnUntraced(
  function*({ archive, wheels }: Source): Effect.fn.Return<unknown, FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const ofWheels = wheels.map(({ name, record, version }) => ({ name, version, record }))
    if (archive === undefined) return { wheels: ofWheels }
    if (archive.type === "file") return { wheels: ofWheels, archive: yield* hashFile(archive.path) }
    if (archive.type === "address") return { wheels: ofWheels, archive: archive.url }
    const lib = paths.join(archive.path, "lib")
    const names = (yield* Effect.mapError(fs.readDirectory(lib), fileProblem("read", lib))).filter((name) =>
      name.startsWith("libtensorflow")
    )
    const files = yield* Effect.forEach(
      names.sort(),
      (name) =>
        Effect.map(fs.stat(paths.join(lib, name)), ({ mtime, size }) => [
          name,
          String(size),
          Option.match(mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
        ]).pipe(Effect.mapError(fileProblem("read", paths.join(lib, name))))
    )
    return { wheels: ofWheels, folder: archive.path, files }
  }
)

/**
 * Unpacks everything into `site/`, which is laid out as Python's site-packages.
 *
 * @param folder where `site` is to be; it is empty
 * @example
 * yield* unpack(local, "engines/tensorflow.building/libraries.4711")
 */
export const unpack = Effect.fnUntraced(
  function*({ archive, wheels }: Source, folder: string): Effect.fn.Return<
    void,
    NotAWheel | DamagedArchive | NoLibtensorflow | FileProblem,
    FileSystem.FileSystem | Path.Path | InstallReporter
  > {
    const paths = yield* Path.Path
    const fs = yield* FileSystem.FileSystem
    const site = paths.join(folder, "site")
    if (archive?.type === "folder") yield* takeFolder(archive.path, site, { move: false })
    if (archive?.type === "file") {
      const { path, url } = archive
      const size = Number((yield* Effect.mapError(fs.stat(path), fileProblem("read", path))).size)
      yield* watching(
        "libraries",
        size,
        (onBytes) => takeArchive(path, site, paths.join(folder, "unpacked"), onBytes)
      ).pipe(
        // What was downloaded is of no use to the next try, and its place none to the user.
        Effect.catchTag("DamagedArchive", (error) =>
          url === undefined
            ? Effect.fail(error)
            : Effect.andThen(remove(path), Effect.fail(new DamagedArchive({ path: url, reason: error.reason }))))
      )
    }
    const total = wheels.flatMap(({ files }) => files).reduce((sum, { bytes }) => sum + bytes, 0)
    yield* watching(
      "libraries",
      total,
      (onBytes) => Effect.forEach(wheels, (wheel) => unpackWheel(wheel, site, onBytes), { discard: true })
    )
  }
)

/** Reports how far something is that counts its bytes in callbacks, five times a second. */
const watching = Effect.fnUntraced(function*<E, R>(
  stage: StageName,
  total: number,
  work: (onBytes: (bytes: number) => void) => Effect.Effect<void, E, R>
) {
  const { report } = yield* InstallReporter
  if (total === 0) return yield* work(() => {})
  let bytes = 0
  const tell = Effect.suspend(() => report({ event: "progress", stage, bytes, total }))
  const telling = Stream.runDrain(Stream.mapEffect(Stream.tick("200 millis"), () => tell))
  yield* Effect.raceFirst(work((more) => bytes += more), Effect.andThen(telling, Effect.never))
  yield* tell
})

/**
 * What there is to link in a folder that libraries were unpacked into.
 *
 * @example
 * const { tensorflow } = yield* unpackedLibraries("engines/tensorflow.building")
 */
export const unpackedLibraries = Effect.fnUntraced(
  function*(building: string): Effect.fn.Return<Libraries, FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const site = (yield* Path.Path).join(building, "site")
    const names = yield* Effect.mapError(fs.readDirectory(site, { recursive: true }), fileProblem("read", site))
    return librariesIn(names.map((name) => name.replaceAll("\\", "/")))
  }
)
