/**
 * The official archives of libtensorflow: `include/` and `lib/` in a folder or in a `.tar.gz`.
 */
import { Effect, FileSystem, Path } from "effect"
import { createReadStream } from "node:fs"
import { posix } from "node:path"
import { extract } from "tar"
import { type FileProblem, fileProblem, isFolder, makeFolder } from "../files.ts"
import { DamagedArchive, NoLibtensorflow, reasonOf } from "./errors.ts"
import { copy, type OnBytes, systemProblem } from "./internal/streams.ts"
import { Machine } from "./machine.ts"

/** The names of the two libraries, as they look for each other. */
const libraryNames = ({ platform }: Machine): ReadonlyArray<string> =>
  platform === "darwin"
    ? ["libtensorflow.2.dylib", "libtensorflow_framework.2.dylib"]
    : ["libtensorflow.so.2", "libtensorflow_framework.so.2"]

/** Where the headers of libtensorflow lie below `include/`. A folder such as /usr/local has others beside them. */
const headerFolders = ["tensorflow", "tsl", "xla"]

/**
 * Puts the libraries and headers of an unpacked archive into `site/libtensorflow`. What is a link there becomes a file.
 *
 * @param from a folder with `include/` and `lib/` in it
 * @param options.move the files are not needed where they are
 * @example
 * yield* takeFolder("/opt/libtensorflow", "engines/tensorflow.building/libraries.4711/site", { move: false })
 */
export const takeFolder = Effect.fnUntraced(
  function*(
    from: string,
    site: string,
    { move }: { readonly move: boolean }
  ): Effect.fn.Return<void, NoLibtensorflow | FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    yield* requireLibtensorflow(from, from)
    const to = paths.join(site, "libtensorflow")
    const [include, lib] = [paths.join(to, "include"), paths.join(to, "lib")]
    yield* makeFolder(include)
    yield* makeFolder(lib)
    yield* Effect.forEach(libraryNames(yield* Machine), (name) =>
      Effect.gen(function*() {
        const file = yield* fs.realPath(paths.join(from, "lib", name))
        const place = paths.join(lib, name)
        yield* move ? fs.rename(file, place) : fs.copyFile(file, place)
      }).pipe(Effect.mapError(fileProblem("copy", paths.join(from, "lib", name)))), { discard: true })
    yield* Effect.forEach(headerFolders, (folder) =>
      Effect.gen(function*() {
        const headers = paths.join(from, "include", folder)
        if (!(yield* isFolder(headers))) return
        yield* Effect.mapError(fs.copy(headers, paths.join(include, folder)), fileProblem("copy", headers))
      }), { discard: true })
  }
)

/** Fails unless a folder has what an archive of libtensorflow has. */
export const requireLibtensorflow = Effect.fnUntraced(
  function*(
    folder: string,
    name: string
  ): Effect.fn.Return<void, NoLibtensorflow, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const files = [
      ...libraryNames(yield* Machine).map((library) => `lib/${library}`),
      "include/tensorflow/c/c_api.h"
    ]
    const missing = yield* Effect.filter(
      files,
      (file) =>
        Effect.map(Effect.orElseSucceed(fs.exists(paths.join(folder, file)), () => false), (isThere) => !isThere)
    )
    if (missing.length > 0) return yield* new NoLibtensorflow({ path: name, missing })
  }
)

/**
 * Unpacks a `.tar.gz` of libtensorflow into `site/libtensorflow`.
 *
 * @param archive its path
 * @param beside a folder on the same disk, for what is unpacked and not placed yet
 * @example
 * yield* takeArchive("libtensorflow.tar.gz", site, "engines/tensorflow.building/libraries.4711/unpacked", onBytes)
 */
export const takeArchive = Effect.fnUntraced(
  function*(
    archive: string,
    site: string,
    beside: string,
    onBytes: OnBytes
  ): Effect.fn.Return<void, DamagedArchive | NoLibtensorflow | FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    yield* makeFolder(beside)
    // Links are followed here and not made: libtensorflow.so.2 is one to a file with its whole version in the name.
    const links = new Map<string, string>()
    const unpack = () =>
      extract({
        cwd: beside,
        // An entry whose path leaves the folder is refused, and with it the whole archive.
        strict: true,
        preserveOwner: false,
        filter: (path, entry) => {
          if (!("type" in entry) || entry.type !== "SymbolicLink") return true
          links.set(posix.normalize(path), posix.join(posix.dirname(path), entry.linkpath ?? ""))
          return false
        }
      })
    yield* copy(async () => createReadStream(archive, { highWaterMark: 1 << 20 }), unpack as () => never, onBytes).pipe(
      Effect.mapError(({ cause }) =>
        systemProblem("unpack", archive, cause) ?? new DamagedArchive({ path: archive, reason: reasonOf(cause) })
      )
    )
    yield* Effect.forEach(libraryNames(yield* Machine), (name) => {
      const file = followed(`lib/${name}`, links)
      // What the archive does not have is said below.
      return file === `lib/${name}` || file.startsWith("..")
        ? Effect.void
        : Effect.ignore(fs.rename(paths.join(beside, file), paths.join(beside, "lib", name)))
    }, { discard: true })
    yield* requireLibtensorflow(beside, archive)
    yield* takeFolder(beside, site, { move: true })
  }
)

/** The file at the end of a chain of links; a chain that does not end is cut short. */
const followed = (path: string, links: ReadonlyMap<string, string>, length = 0): string => {
  const to = links.get(path)
  return to === undefined || length > links.size ? path : followed(to, links, length + 1)
}
