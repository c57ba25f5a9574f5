/**
 * Streams of Node's as effects: copying with a count and a checksum.
 */
import { Data, Effect, Predicate } from "effect"
import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { type Readable, Transform, type Writable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { FileProblem, meaningOf } from "../../files.ts"

/** A stream broke off; the cause is an error of the operating system's, or of whoever reads the format. */
export class StreamBroken extends Data.TaggedError("StreamBroken")<{ readonly cause: unknown }> {}

/** Told of how many bytes went by since it was last told. */
export type OnBytes = (bytes: number) => void

/**
 * Copies a stream into another one, until its end; interruption destroys both.
 *
 * @example
 * yield* copy(() => Promise.resolve(createReadStream(from)), () => createWriteStream(to), onBytes)
 */
export const copy = (
  from: () => Promise<Readable>,
  to: () => Writable,
  onBytes: OnBytes
): Effect.Effect<void, StreamBroken> =>
  Effect.tryPromise({
    try: async (signal) => pipeline(await from(), watched(onBytes), to(), { signal }),
    catch: (cause) => new StreamBroken({ cause })
  })

/** Passes everything on, and tells of it. */
const watched = (onChunk: (bytes: number, chunk: Uint8Array) => void): Transform =>
  new Transform({
    transform: (chunk: Uint8Array, _encoding, done) => {
      onChunk(chunk.byteLength, chunk)
      done(undefined, chunk)
    }
  })

/**
 * Writes a stream to a file and to the disk; gives the SHA-256 of what was written, in hexadecimal.
 *
 * @param mode the file's permissions
 * @example
 * const sha256 = yield* writeStream(() => zip.openReadStreamPromise(entry), "site/c_api.h", onBytes, 0o644)
 */
export const writeStream = (
  from: () => Promise<Readable>,
  path: string,
  onBytes: OnBytes,
  mode: number
): Effect.Effect<string, StreamBroken> =>
  Effect.suspend(() => {
    const hash = createHash("sha256")
    const told = (bytes: number, chunk?: Uint8Array): void => {
      if (chunk !== undefined) hash.update(chunk)
      onBytes(bytes)
    }
    return Effect.map(copy(from, () => createWriteStream(path, { flush: true, mode }), told), () => hash.digest("hex"))
  })

/**
 * The SHA-256 of a file, in hexadecimal.
 *
 * @example
 * const sha256 = yield* hashFile("libtensorflow.tar.gz")
 */
export const hashFile = (path: string): Effect.Effect<string, FileProblem> =>
  Effect.tryPromise({
    try: async (signal) => {
      const hash = createHash("sha256")
      await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal })
      return hash.digest("hex")
    },
    catch: (error) => systemProblem("read", path, error) ?? new FileProblem({ action: "read", path, ...unknownProblem })
  })

const unknownProblem = { reason: "it cannot be read", remedy: "check the path" }

/**
 * An error of the operating system, in words; undefined if the error is another one.
 *
 * @param action what was to be done with the path: `read`, `unpack into`
 * @example
 * systemProblem("read", path, error)?.message // => `cannot read "a.whl": the disk is full; make room, or ...`
 */
export const systemProblem = (action: string, path: string, error: unknown): FileProblem | undefined => {
  if (!Predicate.hasProperty(error, "code") || typeof error.code !== "string") return undefined
  // What Node and libraries name ERR_... or Z_... is no error of the operating system.
  if (!Predicate.hasProperty(error, "syscall") || !/^E[A-Z0-9]+$/.test(error.code)) return undefined
  return new FileProblem({ action, path, ...meaningOf(error.code) })
}
