/**
 * Files that appear whole or not at all, and errors of the file system in words that say what to do.
 */
import { Data, Effect, FileSystem, Path, Predicate } from "effect"
import type { PlatformError } from "effect/PlatformError"

/** A file or folder cannot be read or written. */
export class FileProblem extends Data.TaggedError("FileProblem")<{
  readonly path: string
  /** What was to be done: `write the loss plot`. */
  readonly action: string
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `cannot ${this.action} "${this.path}": ${this.reason}; ${this.remedy}`
  }
}

/**
 * Says what an error of the file system means.
 *
 * @param action what was to be done with the path: `write`, `read the configuration`
 * @example
 * fs.readFileString(path).pipe(Effect.mapError(fileProblem("read", path)))
 */
export const fileProblem = (action: string, path: string) => (error: PlatformError): FileProblem => {
  const code = codeOf(error)
  return new FileProblem({ action, path, ...code === "" ? unnamed(error) : meaningOf(code) })
}

/**
 * What an error of the operating system means, and what to do about it.
 *
 * @param code its name: `ENOSPC`
 * @example
 * meaningOf("EISDIR").reason // => "it is a folder"
 */
export const meaningOf = (code: string): { readonly reason: string; readonly remedy: string } =>
  meanings[code] ?? { reason: code, remedy: "check the path" }

const unnamed = ({ reason }: PlatformError) => ({
  reason: reason.description ?? reason._tag,
  remedy: "check the path"
})

const isAFolder = { reason: "it is a folder", remedy: "give the path of a file" }

const meanings: { readonly [code: string]: { readonly reason: string; readonly remedy: string } | undefined } = {
  ENOENT: { reason: "it does not exist", remedy: "check the path" },
  EACCES: { reason: "you have no permission", remedy: "choose another place, or change the permissions" },
  EPERM: { reason: "you have no permission", remedy: "choose another place, or change the permissions" },
  EROFS: { reason: "the file system is read-only", remedy: "choose another place" },
  ENOSPC: { reason: "the disk is full", remedy: "make room, or choose a place on another disk" },
  EDQUOT: { reason: "your quota on this disk is used up", remedy: "make room, or choose a place on another disk" },
  EISDIR: isAFolder,
  ENOTDIR: { reason: "a part of its path is a file, not a folder", remedy: "choose another place" },
  EEXIST: { reason: "something of that name exists", remedy: "choose another name" },
  EMFILE: { reason: "too many files are open", remedy: "raise the limit (ulimit -n)" },
  ENAMETOOLONG: { reason: "its name is too long", remedy: "choose a shorter one" }
}

/** The operating system's name of the error, or an empty string. */
const codeOf = ({ reason }: PlatformError): string =>
  Predicate.hasProperty(reason.cause, "code") && typeof reason.cause.code === "string" ? reason.cause.code : ""

/**
 * Makes a folder, and the folders above it, where they are not there yet.
 *
 * Node's own way to make several folders at once says ENOENT of a read-only disk, and does not end below `/proc`; so this
 * makes one after the other.
 *
 * @example
 * yield* makeFolder("runs/digits-1/previews")
 */
export const makeFolder = (path: string): Effect.Effect<void, FileProblem, FileSystem.FileSystem | Path.Path> =>
  Effect.mapError(makeFolders(path), fileProblem("make the folder", path))

const makeFolders = (path: string): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const above = (yield* Path.Path).dirname(path)
    const make = fs.makeDirectory(path).pipe(
      Effect.catchIf(
        (error) => error.reason._tag === "AlreadyExists",
        (error) => Effect.flatMap(isFolder(path), (isThere) => isThere ? Effect.void : Effect.fail(error))
      )
    )
    yield* make.pipe(
      Effect.catchIf(
        (error) => error.reason._tag === "NotFound" && above !== path,
        () => Effect.andThen(makeFolders(above), make)
      )
    )
  })

/**
 * Whether there is a folder at a path.
 *
 * @example
 * if (yield* isFolder("runs")) { ... }
 */
export const isFolder = (path: string): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) => fs.stat(path)).pipe(
    Effect.map(({ type }) => type === "Directory"),
    Effect.orElseSucceed(() => false)
  )

/**
 * Writes a file whole or not at all: beside its place, then to the disk, then into its place. Folders above it are made.
 * Returns the path.
 *
 * @example
 * yield* writeWhole("runs/digits-1/samples.png", encodePng(grid(samples)))
 */
export const writeWhole = Effect.fnUntraced(
  function*(
    path: string,
    content: Uint8Array | string
  ): Effect.fn.Return<string, FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const beside = `${path}.writing`
    const bytes = bytesOf(content)
    yield* makeFolder(paths.dirname(path))
    const write = Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const file = yield* fs.open(beside, { flag: "w" })
        yield* file.writeAll(bytes)
        yield* file.sync
      }))
      yield* fs.rename(beside, path)
      return path
    })
    return yield* write.pipe(
      Effect.onError(() => Effect.ignore(fs.remove(beside, { force: true }))),
      Effect.mapError(fileProblem("write", path))
    )
  }
)

/**
 * {@link writeWhole}, but where there is another file, this one goes beside it: `a.png`, `a-2.png`, `a-3.png`. A file of
 * the same content is the same file. Returns the path.
 *
 * @example
 * const path = yield* writeBeside("samples.png", bytes)
 */
export const writeBeside = Effect.fnUntraced(
  function*(
    path: string,
    content: Uint8Array | string
  ): Effect.fn.Return<string, FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const { dir, ext, name } = paths.parse(path)
    const bytes = bytesOf(content)
    for (let number = 1;; number++) {
      const place = number === 1 ? path : paths.join(dir, `${name}-${number}${ext}`)
      const found = yield* fs.readFile(place).pipe(
        Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.void),
        Effect.mapError(fileProblem("read", place))
      )
      if (found === undefined) return yield* writeWhole(place, bytes)
      if (found.length === bytes.length && found.every((byte, i) => byte === bytes[i])) return place
    }
  }
)

const bytesOf = (content: Uint8Array | string): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

/**
 * Fails as {@link writeWhole} would, before there is anything to write: for what takes long to compute. Where the file is to
 * be, or in the nearest folder above that is there, a folder is made and removed at once; nothing else tells for certain,
 * since the superuser has every permission and a disk can be read-only.
 *
 * @example
 * yield* requireWritable("runs/digits-1/bound.svg")
 */
export const requireWritable = Effect.fnUntraced(
  function*(path: string): Effect.fn.Return<void, FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    if (yield* isFolder(path)) return yield* new FileProblem({ action: "write", path, ...isAFolder })
    const above = paths.dirname(path)
    const directory = yield* nearestThere(above)
    yield* fs.makeTempDirectoryScoped({ directory, prefix: ".effusion-" }).pipe(
      Effect.scoped,
      Effect.mapError(directory === above ? fileProblem("write", path) : fileProblem("make the folder", above))
    )
  }
)

/** The path, or the nearest one above it at which there is something. */
const nearestThere = (path: string): Effect.Effect<string, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const above = (yield* Path.Path).dirname(path)
    // What cannot be looked at is there, as far as one can tell.
    const isThere = yield* Effect.orElseSucceed(FileSystem.FileSystem.use((fs) => fs.exists(path)), () => true)
    return isThere || above === path ? path : yield* nearestThere(above)
  })
