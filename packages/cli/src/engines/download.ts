/**
 * Downloads that go on where they stopped. What came so far lies in `<file>.part`, and beside it what it is a part of; the
 * server is asked for the rest, on the condition (If-Range) that its file is still the same.
 */
import { Data, Effect, FileSystem, Option, Path, Result, Schedule, Schema, Stream } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { type FileProblem, fileProblem, makeFolder, writeWhole } from "../files.ts"
import { DamagedArchive, DownloadFailed } from "./errors.ts"
import { hashFile } from "./internal/streams.ts"
import { remove } from "./stages.ts"

export interface Download {
  readonly url: string
  readonly path: string
  /** In hexadecimal, where it is known. */
  readonly sha256: string | undefined
  /** Told of how many bytes there are, of how many. */
  readonly onProgress: (bytes: number, total: number | undefined) => Effect.Effect<void>
}

/** What a part is a part of. */
const Part = Schema.fromJsonString(Schema.Struct({ url: Schema.String, validator: Schema.String }))

/** A connection broke, or a server was busy: worth another try. */
class Broken extends Data.TaggedError("Broken")<{ readonly reason: string }> {}

/**
 * Downloads a file, unless it is there. Tries again when the connection breaks; what came is kept in any case.
 *
 * @example
 * yield* download({ url, path: "engines/downloads/libtensorflow.tar.gz", sha256, onProgress })
 */
export const download = Effect.fnUntraced(
  function*(
    { onProgress, path, sha256, url }: Download
  ): Effect.fn.Return<
    void,
    DownloadFailed | DamagedArchive | FileProblem,
    FileSystem.FileSystem | Path.Path | HttpClient.HttpClient
  > {
    const fs = yield* FileSystem.FileSystem
    const part = `${path}.part`
    if (yield* isThere(path, sha256)) return
    yield* makeFolder((yield* Path.Path).dirname(path))
    yield* fetchRest(url, part, onProgress).pipe(
      Effect.retry({ while: (error) => error._tag === "Broken", schedule: patience }),
      Effect.catchTag(
        "Broken",
        ({ reason }) =>
          Effect.fail(new DownloadFailed({ url, reason, remedy: "run the command again: it goes on where it stopped" }))
      )
    )
    if (sha256 !== undefined) {
      const found = yield* hashFile(part)
      if (found !== sha256) {
        yield* forget(part)
        return yield* new DamagedArchive({ path: url, reason: `its SHA-256 is ${found}, and should be ${sha256}` })
      }
    }
    yield* Effect.mapError(fs.rename(part, path), fileProblem("write", path))
    yield* forget(part)
  }
)

/** Four more tries, after one, two, four and eight seconds. */
const patience = Schedule.max([Schedule.exponential("1 second"), Schedule.recurs(4)])

const isThere = Effect.fnUntraced(function*(path: string, sha256: string | undefined) {
  const exists = yield* FileSystem.FileSystem.use((fs) => Effect.orElseSucceed(fs.exists(path), () => false))
  return exists && (sha256 === undefined || (yield* hashFile(path)) === sha256)
})

const forget = (part: string) => Effect.andThen(remove(part), remove(`${part}.json`))

/** Brings a part to its whole length, with one request. */
const fetchRest = Effect.fnUntraced(function*(url: string, part: string, onProgress: Download["onProgress"]) {
  const fs = yield* FileSystem.FileSystem
  const have = yield* usablePart(url, part)
  const response = yield* requestFrom(url, have)
  // 416: the part is whole, or the file has changed. Only the first is known for certain when the server says its length.
  if (response.status === 416) {
    if (lengthOf(response) === have.bytes) return
    yield* forget(part)
    return yield* new Broken({ reason: "the file has changed on the server" })
  }
  if (response.status !== 200 && response.status !== 206) return yield* refused(url, response.status)
  const from = response.status === 206 ? have.bytes : 0
  if (response.status === 206 && startOf(response) !== from) {
    yield* forget(part)
    return yield* new Broken({ reason: "the server sent another part of the file than was asked for" })
  }
  const total = lengthOf(response)
  const validator = response.headers["etag"] ?? response.headers["last-modified"]
  if (from === 0) yield* remember(part, url, validator)
  let bytes = from
  yield* response.stream.pipe(
    Stream.mapError(() => new Broken({ reason: "the connection broke" })),
    Stream.tap((chunk) => {
      bytes += chunk.byteLength
      return onProgress(bytes, total)
    }),
    Stream.run(fs.sink(part, { flag: from === 0 ? "w" : "a" })),
    Effect.catchTag("PlatformError", (error) => Effect.fail(fileProblem("write", part)(error)))
  )
  if (total !== undefined && bytes !== total) {
    if (bytes > total) yield* forget(part)
    return yield* new Broken({ reason: `the connection ended after ${bytes} of ${total} bytes` })
  }
})

const remember = (part: string, url: string, validator: string | undefined) =>
  Effect.andThen(
    remove(part),
    // A weak validator does not stand for the same bytes, and If-Range must not have it.
    validator === undefined || validator.startsWith("W/")
      ? remove(`${part}.json`)
      : writeWhole(`${part}.json`, JSON.stringify({ url, validator }))
  )

/** How much of a file is there, and what the server called it. */
const usablePart = Effect.fnUntraced(function*(url: string, part: string) {
  const fs = yield* FileSystem.FileSystem
  const known = yield* Effect.result(
    Effect.flatMap(fs.readFileString(`${part}.json`), Schema.decodeUnknownEffect(Part))
  )
  const info = yield* Effect.option(fs.stat(part))
  return Result.isSuccess(known) && known.success.url === url && Option.isSome(info) && Number(info.value.size) > 0
    ? { bytes: Number(info.value.size), validator: known.success.validator }
    : { bytes: 0, validator: "" }
})

const requestFrom = Effect.fnUntraced(
  function*(url: string, { bytes, validator }: { readonly bytes: number; readonly validator: string }) {
    const client = yield* HttpClient.HttpClient
    const request = HttpClientRequest.get(url).pipe(
      // Compressed on the way, its length would be another one.
      HttpClientRequest.setHeader("accept-encoding", "identity"),
      HttpClientRequest.setHeaders(bytes === 0 ? {} : { range: `bytes=${bytes}-`, "if-range": validator })
    )
    return yield* client.execute(request).pipe(
      Effect.mapError((error): Broken | DownloadFailed => {
        const reason = deepestReason(error)
        return isLasting(reason)
          ? new DownloadFailed({
            url,
            reason,
            remedy: isAddressWrong(reason)
              ? "check the address"
              : "see that this machine has a network, or download the file elsewhere and give it with --libtensorflow"
          })
          : new Broken({ reason })
      })
    )
  }
)

/** No network at all, a server that does not exist, or no address: trying again at once is of no use. */
const isLasting = (reason: string): boolean =>
  isAddressWrong(reason) || /ENOTFOUND|EAI_AGAIN|ENETUNREACH|ECONNREFUSED|EHOSTUNREACH/i.test(reason)

/** What Node says of an address that it does not ask. */
const isAddressWrong = (reason: string): boolean => /bad port|URL/i.test(reason)

/** Fetch says "fetch failed", and has the reason in its causes. */
const deepestReason = (error: unknown): string => {
  let at: unknown = error
  while (at instanceof Error && at.cause !== undefined) at = at.cause
  const text = at instanceof Error ? (at.message === "" ? at.name : at.message) : String(at)
  const code = (at as { readonly code?: unknown }).code
  return typeof code === "string" && !text.includes(code)
    ? `${text === "AggregateError" ? "" : `${text} `}(${code})`
    : text
}

const refused = (url: string, status: number) =>
  status === 429 || status >= 500
    ? new Broken({ reason: `the server answered with status ${status}` })
    : new DownloadFailed({
      url,
      reason: `the server answered with status ${status}`,
      remedy: status === 404 || status === 410
        ? "check the address"
        : "download the file in a browser, and give it with --libtensorflow"
    })

const lengthOf = ({ headers, status }: HttpClientResponse.HttpClientResponse): number | undefined => {
  const text = status === 200 ? headers["content-length"] : /\/(\d+)$/.exec(headers["content-range"] ?? "")?.[1]
  return text === undefined ? undefined : Number(text)
}

const startOf = ({ headers }: HttpClientResponse.HttpClientResponse): number | undefined => {
  const text = /^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1]
  return text === undefined ? undefined : Number(text)
}
