/**
 * Data files on disk: found under one of several names, read whole, decompressed; all that goes wrong is a typed error.
 */
import { Effect } from "effect"
import { FileSystem } from "effect/FileSystem"
import { Path } from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { gunzip } from "node:zlib"
import { CorruptGzip, DataFileMissing, DataFileUnreadable, DataFolderMissing } from "../DataError.ts"

/** Fails unless there is a folder of this path. */
export const requireFolder = Effect.fnUntraced(
  function*(folder: string): Effect.fn.Return<void, DataFolderMissing | DataFileUnreadable, FileSystem> {
    const fileSystem = yield* FileSystem
    const { type } = yield* fileSystem.stat(folder).pipe(
      Effect.mapError((error) =>
        isNotFound(error) ? folderMissing(folder, "does not exist") : unreadable(folder)(error)
      )
    )
    if (type !== "Directory") return yield* folderMissing(folder, "is not a folder")
  }
)

/** The names of what is in a folder, in no order. */
export const readFolder = Effect.fnUntraced(
  function*(folder: string): Effect.fn.Return<ReadonlyArray<string>, DataFileUnreadable, FileSystem> {
    const fileSystem = yield* FileSystem
    return yield* fileSystem.readDirectory(folder).pipe(Effect.mapError(unreadable(folder)))
  }
)

/** The path of the first of the names that is in the folder; `content` says in messages what the file holds. */
export const findDataFile = Effect.fnUntraced(
  function*(folder: string, content: string, names: ReadonlyArray<string>): Effect.fn.Return<
    string,
    DataFolderMissing | DataFileMissing | DataFileUnreadable,
    FileSystem | Path
  > {
    const path = yield* Path
    yield* requireFolder(folder)
    const present = yield* readFolder(folder)
    const name = names.find((name) => present.includes(name))
    if (name === undefined) return yield* new DataFileMissing({ folder, content, lookedFor: names })
    return path.join(folder, name)
  }
)

/** The bytes of a file. */
export const readDataFile = Effect.fnUntraced(
  function*(path: string): Effect.fn.Return<Uint8Array, DataFileUnreadable, FileSystem> {
    const fileSystem = yield* FileSystem
    return yield* fileSystem.readFile(path).pipe(Effect.mapError(unreadable(path)))
  }
)

/** Whether a file is compressed, by its name or by its first two bytes (RFC 1952, section 2.3.1). */
export const isGzip = (path: string, bytes: Uint8Array): boolean =>
  path.endsWith(".gz") || (bytes[0] === 0x1f && bytes[1] === 0x8b)

/** The decompressed bytes of a gzip file; `path` is for the message. */
export const decompress = (path: string, bytes: Uint8Array): Effect.Effect<Uint8Array, CorruptGzip> =>
  Effect.callback((resume) =>
    gunzip(bytes, (error, decompressed) =>
      resume(
        error === null ? Effect.succeed(decompressed) : Effect.fail(new CorruptGzip({ path, reason: error.message }))
      ))
  )

/** Whether there is nothing of that path. */
export const isNotFound = (error: PlatformError): boolean => error.reason._tag === "NotFound"

const folderMissing = (folder: string, reason: string) => new DataFolderMissing({ folder, reason })

/** What an error of the file system means for data; `path` is for the message. */
export const unreadable = (path: string) => (error: PlatformError) =>
  new DataFileUnreadable({ path, reason: error.reason.message })
