/**
 * Python wheels: zip archives with a description in `*.dist-info/` (the binary distribution format of PyPA). A wheel of
 * TensorFlow has the whole library and its C headers in it; wheels of NVIDIA have the libraries of CUDA.
 */
import { Effect, FileSystem, Path, Result } from "effect"
import { createHash } from "node:crypto"
import { openPromise } from "yauzl"
import type { Entry, ZipFile } from "yauzl"
import { type FileProblem, fileProblem, makeFolder } from "../files.ts"
import { DamagedArchive, NotAWheel, reasonOf, WrongWheel } from "./errors.ts"
import { type OnBytes, StreamBroken, systemProblem, writeStream } from "./internal/streams.ts"
import { describeMachine, Machine, runs } from "./machine.ts"

/** What is known of a wheel before it is unpacked. */
export interface Wheel {
  readonly path: string
  /** As the project calls itself: `tensorflow_cpu`. */
  readonly name: string
  readonly version: string
  /** The SHA-256 of its list of files, which has the SHA-256 of each: two wheels with the same list are the same. */
  readonly record: string
  /** The files that the engine needs. */
  readonly files: ReadonlyArray<WheelFile>
}

export interface WheelFile {
  /** Its path in the archive, and in site-packages. */
  readonly name: string
  readonly bytes: number
  /** In hexadecimal; undefined if the wheel does not say. */
  readonly sha256: string | undefined
}

/**
 * The files that the engine needs. TensorFlow's headers are over 10,000; its C interface, which the addon is written
 * against, lies in folders that moved from version to version.
 */
const needed: ReadonlyArray<RegExp> = [
  /^tensorflow\/libtensorflow_(cc|framework)\.(so\.2|2\.dylib)$/,
  /^tensorflow\/include\/(tensorflow|tensorflow\/tsl|tsl|xla\/tsl)\/c\/.*\.h$/,
  /^tensorflow\/include\/(tensorflow\/core|tensorflow\/tsl|tsl|xla\/tsl)\/platform\/[^/]+\.h$/,
  /^nvidia\/[^/]+\/lib\/[^/]+\.so(\.[0-9.]+)?$/,
  // What XLA makes machine code for GPUs with; TensorFlow looks for it there.
  /^nvidia\/[^/]+\/(bin\/(ptxas|nvlink|fatbinary)|nvvm\/libdevice\/[^/]+)$/,
  // Libraries that a wheel brings along for others of its own.
  /^[^/]+\.libs\/[^/]+\.so[^/]*$/
]

/**
 * Reads what a wheel is, and refuses one that is none or is for another kind of machine.
 *
 * @example
 * const { name, version } = yield* readWheel("tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl")
 */
export const readWheel = Effect.fnUntraced(
  function*(
    path: string
  ): Effect.fn.Return<Wheel, NotAWheel | WrongWheel | DamagedArchive | FileProblem, FileSystem.FileSystem> {
    const machine = yield* Machine
    const { bytes, entries, texts } = yield* Effect.scoped(
      Effect.flatMap(openZip(path), (zip) => readEntries(path, zip))
    )
    const platforms = [...texts.WHEEL.matchAll(/^Tag: *[^-\s]+-[^-\s]+-(\S+)/gm)].flatMap(([, tags]) =>
      tags!.split(".")
    )
    if (platforms.length === 0) return yield* new NotAWheel({ path, reason: "it does not say what machines it is for" })
    if (!platforms.some((platform) => runs(machine, platform))) {
      return yield* new WrongWheel({ path, platforms, expected: describeMachine(machine) })
    }
    const sums = checksums(texts.RECORD)
    return {
      path,
      name: /^Name: *(\S+)/m.exec(texts.METADATA)?.[1] ?? "unnamed",
      version: /^Version: *(\S+)/m.exec(texts.METADATA)?.[1] ?? "unknown",
      record: createHash("sha256").update(texts.RECORD).update(String(bytes)).digest("hex"),
      files: entries.filter(({ fileName }) => isNeeded(fileName)).map(({ fileName, uncompressedSize }) => ({
        name: fileName,
        bytes: uncompressedSize,
        sha256: sums.get(fileName)
      }))
    }
  }
)

const isNeeded = (name: string): boolean => needed.some((pattern) => pattern.test(name))

/**
 * Unpacks what the engine needs, laid out as in site-packages. Every file is held against the checksum that the wheel has
 * of it.
 *
 * @param site the folder that stands for site-packages
 * @example
 * yield* unpackWheel(wheel, "engines/tensorflow.building/site", onBytes)
 */
export const unpackWheel = Effect.fnUntraced(
  function*(
    wheel: Wheel,
    site: string,
    onBytes: OnBytes
  ): Effect.fn.Return<void, NotAWheel | DamagedArchive | FileProblem, FileSystem.FileSystem | Path.Path> {
    const paths = yield* Path.Path
    const sums = new Map(wheel.files.map(({ name, sha256 }) => [name, sha256]))
    yield* Effect.scoped(Effect.gen(function*() {
      const zip = yield* openZip(wheel.path)
      const entries = yield* allEntries(wheel.path, zip)
      yield* Effect.forEach(entries.filter(({ fileName }) => sums.has(fileName)), (entry) =>
        Effect.gen(function*() {
          const to = paths.join(site, ...entry.fileName.split("/"))
          yield* makeFolder(paths.dirname(to))
          const sha256 = yield* writeStream(() => zip.openReadStreamPromise(entry), to, onBytes, modeOf(entry)).pipe(
            Effect.mapError(({ cause }) =>
              systemProblem("unpack", to, cause) ??
                new DamagedArchive({ path: wheel.path, reason: `${entry.fileName}: ${reasonOf(cause)}` })
            )
          )
          const expected = sums.get(entry.fileName)
          if (expected !== undefined && expected !== sha256) {
            const reason = `${entry.fileName} has another checksum than the wheel says`
            return yield* new DamagedArchive({ path: wheel.path, reason })
          }
        }), { discard: true })
    }))
  }
)

/** Whether a file can be run is in the upper half of what zip archives call its external attributes. */
const modeOf = ({ externalFileAttributes }: Entry): number =>
  ((externalFileAttributes >>> 16) & 0o111) === 0 ? 0o644 : 0o755

/** Opens a zip archive for as long as the scope. */
const openZip = (path: string) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => openPromise(path, { autoClose: false }),
      catch: (cause) => new StreamBroken({ cause })
    }),
    (zip) => Effect.sync(() => zip.close())
  ).pipe(Effect.catch(({ cause }) => Effect.flatMap(whyNotOpened(path, cause), Effect.fail)))

/** A zip archive that was cut off begins as one all the same. */
const whyNotOpened = Effect.fnUntraced(function*(path: string, error: unknown) {
  const problem = systemProblem("read", path, error)
  if (problem !== undefined) return problem
  const start = yield* Effect.result(firstBytes(path))
  if (Result.isFailure(start)) return start.failure
  return start.success.startsWith("PK")
    ? new DamagedArchive({ path, reason: "its end is missing" })
    : new NotAWheel({ path, reason: "it is no zip archive" })
})

const firstBytes = (path: string): Effect.Effect<string, FileProblem, FileSystem.FileSystem> =>
  Effect.scoped(Effect.gen(function*() {
    const file = yield* FileSystem.FileSystem.use((fs) => fs.open(path, { flag: "r" }))
    const buffer = new Uint8Array(2)
    yield* file.read(buffer)
    return new TextDecoder("latin1").decode(buffer)
  })).pipe(Effect.mapError(fileProblem("read", path)))

const allEntries = (path: string, zip: ZipFile): Effect.Effect<ReadonlyArray<Entry>, DamagedArchive | FileProblem> =>
  Effect.tryPromise({
    try: async () => {
      const entries: Array<Entry> = []
      // The reader refuses paths that would leave the folder.
      for await (const entry of zip.eachEntry()) entries.push(entry)
      return entries
    },
    catch: (error) => systemProblem("read", path, error) ?? new DamagedArchive({ path, reason: reasonOf(error) })
  })

/** The entries of a wheel, and the files that describe it. */
const readEntries = Effect.fnUntraced(function*(path: string, zip: ZipFile) {
  const entries = yield* allEntries(path, zip)
  const text = Effect.fnUntraced(function*(name: string) {
    const entry = entries.find(({ fileName }) => new RegExp(`^[^/]+\\.dist-info/${name}$`).test(fileName))
    if (entry === undefined) return yield* new NotAWheel({ path, reason: `it has no ${name}` })
    return yield* Effect.tryPromise({
      try: async () => (await (await zip.openReadStreamPromise(entry)).toArray()).join(""),
      catch: (error) => systemProblem("read", path, error) ?? new DamagedArchive({ path, reason: reasonOf(error) })
    })
  })
  const texts = { WHEEL: yield* text("WHEEL"), METADATA: yield* text("METADATA"), RECORD: yield* text("RECORD") }
  return { entries, texts, bytes: zip.fileSize }
})

/** The checksums of a wheel's list of files, which has them in base64 of URLs. */
const checksums = (record: string): ReadonlyMap<string, string> =>
  new Map(
    [...record.matchAll(/^"?(.*?)"?,sha256=([\w-]+),/gm)]
      .filter(([, name]) => isNeeded(name!))
      .map(([, name, sum]) => [name!, Buffer.from(sum!, "base64url").toString("hex")])
  )
