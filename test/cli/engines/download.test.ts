import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { download } from "../../../packages/cli/src/engines/download.ts"
import { temporaryFolder } from "../support/cli.ts"
import { type Answer, type FileServer, startServer } from "./support/server.ts"

const folder = temporaryFolder()
let server: FileServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server.close()
  folder.remove()
})

const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex")

/** Bytes that differ from place to place. */
const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 2654435761 + seed * 97) >>> 13)

/** A download whose pauses between tries take no time. */
const fetchTo = (path: string, sum?: string, url = `${server.url}/libtensorflow.tar.gz`) =>
  Effect.gen(function*() {
    const seen: Array<number> = []
    const onProgress = (bytes: number) =>
      Effect.sync(() => {
        seen.push(bytes)
        server.onSeen(bytes)
      })
    const fiber = yield* Effect.forkChild(
      download({ url, path, sha256: sum, onProgress })
    )
    const skip = Effect.forever(
      Effect.andThen(TestClock.adjust("10 seconds"), TestClock.withLive(Effect.sleep("5 millis")))
    )
    yield* Effect.raceFirst(Fiber.await(fiber), skip)
    yield* Fiber.join(fiber)
    return seen
  }).pipe(Effect.provide([NodeServices.layer, FetchHttpClient.layer, TestClock.layer()]), Effect.scoped)

/** A server's answers from here on, and a path for the file. */
const begin = (content: Uint8Array, ...answers: ReadonlyArray<Answer>) => {
  server.serve(content)
  server.answers.splice(0, Infinity, ...answers)
  ;(server.ranges as Array<unknown>).length = 0
  return join(mkdtempSync(join(folder.path, "to-")), "downloads", "file.tar.gz")
}

const assertWhole = (path: string, content: Uint8Array): void => {
  assert.strictEqual(sha256(readFileSync(path)), sha256(content))
  assert.deepStrictEqual(readdirSync(join(path, "..")), ["file.tar.gz"])
}

describe("a download", () => {
  it("is the same file, wherever the connection breaks", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200_000 }),
        fc.array(fc.record({ cutAfter: fc.integer({ min: 0, max: 200_000 }), ignoresRange: fc.boolean() }), {
          maxLength: 4
        }),
        async (length, answers) => {
          const content = bytesOf(length, answers.length)
          const path = begin(content, ...answers)
          await Effect.runPromise(fetchTo(path, sha256(content)))
          assertWhole(path, content)
        }
      ),
      { numRuns: 25 }
    ))

  it.effect("asks for the rest alone, and counts what it has", () =>
    Effect.gen(function*() {
      const content = bytesOf(100_000, 1)
      const path = begin(content, { cutAfter: 40_000, whenSeen: true })
      const seen = yield* fetchTo(path, sha256(content))
      assert.lengthOf(server.ranges, 2)
      assert.isUndefined(server.ranges[0])
      assert.strictEqual(server.ranges[1], "bytes=40000-")
      assert.strictEqual(seen.at(-1), 100_000)
      assert.deepStrictEqual(seen, seen.toSorted((a, b) => a - b))
    }))

  it.effect("goes on in another process where one was given up", () =>
    Effect.gen(function*() {
      const content = bytesOf(100_000, 2)
      const path = begin(content, ...Array.from({ length: 5 }, () => ({ cutAfter: 10_000, whenSeen: true })))
      const error = yield* Effect.flip(fetchTo(path, sha256(content)))
      assert.strictEqual(error._tag, "DownloadFailed")
      assert.include(error.message, "run the command again: it goes on where it stopped")
      assert.strictEqual(statSync(`${path}.part`).size, 50_000)
      yield* fetchTo(path, sha256(content))
      assert.strictEqual(server.ranges.at(-1), "bytes=50000-")
      assertWhole(path, content)
    }))

  it.effect("begins anew when the file has changed in between", () =>
    Effect.gen(function*() {
      const [before, after] = [bytesOf(100_000, 3), bytesOf(90_000, 4)]
      const path = begin(before, ...Array.from({ length: 5 }, () => ({ cutAfter: 10_000, whenSeen: true })))
      yield* Effect.flip(fetchTo(path))
      server.serve(after)
      yield* fetchTo(path)
      assertWhole(path, after)
    }))

  it.effect("does not take a part whose origin is unknown", () =>
    Effect.gen(function*() {
      const content = bytesOf(60_000, 5)
      const path = begin(content, ...Array.from({ length: 5 }, () => ({ cutAfter: 10_000, whenSeen: true })))
      yield* Effect.flip(fetchTo(path))
      writeFileSync(`${path}.part.json`, JSON.stringify({ url: "http://elsewhere/", validator: "\"1\"" }))
      yield* fetchTo(path)
      assertWhole(path, content)
    }))

  it.effect("whose part is whole already is done", () =>
    Effect.gen(function*() {
      const content = bytesOf(30_000, 6)
      const path = begin(content, ...Array.from({ length: 5 }, () => ({ cutAfter: 5_000, whenSeen: true })))
      yield* Effect.flip(fetchTo(path))
      writeFileSync(`${path}.part`, content)
      yield* fetchTo(path, sha256(content))
      assertWhole(path, content)
    }))

  it.effect("that is there is not asked for again, unless it is another one", () =>
    Effect.gen(function*() {
      const content = bytesOf(30_000, 7)
      const path = begin(content)
      yield* fetchTo(path, sha256(content))
      yield* fetchTo(path, sha256(content))
      assert.lengthOf(server.ranges, 1)
      writeFileSync(path, "damaged")
      yield* fetchTo(path, sha256(content))
      assertWhole(path, content)
    }))

  it.effect("with another checksum is refused and not kept", () =>
    Effect.gen(function*() {
      const content = bytesOf(30_000, 8)
      const path = begin(content)
      const error = yield* Effect.flip(fetchTo(path, sha256(bytesOf(30_000, 9))))
      assert.strictEqual(error._tag, "DamagedArchive")
      assert.include(error.message, `its SHA-256 is ${sha256(content)}`)
      assert.isFalse(existsSync(path))
      assert.deepStrictEqual(readdirSync(join(path, "..")), [])
    }))
})

describe("a server that", () => {
  it.effect("is busy is asked again", () =>
    Effect.gen(function*() {
      const content = bytesOf(1_000, 10)
      const path = begin(content, { status: 503 }, { status: 429 })
      yield* fetchTo(path, sha256(content))
      assert.lengthOf(server.ranges, 3)
      assertWhole(path, content)
    }))

  it.effect("has no such file is not", () =>
    Effect.gen(function*() {
      for (const [status, remedy] of [[404, "check the address"], [403, "download the file in a browser"]] as const) {
        const path = begin(bytesOf(1, 11), { status })
        const error = yield* Effect.flip(fetchTo(path))
        assert.strictEqual(error._tag, "DownloadFailed")
        assert.include(error.message, `status ${status}; ${remedy}`)
        assert.lengthOf(server.ranges, 1)
      }
    }))

  it.effect("is not there, or has no address, is said at once", () =>
    Effect.gen(function*() {
      const path = join(folder.path, "nowhere", "file.tar.gz")
      const closed = yield* Effect.promise(startServer)
      yield* Effect.promise(closed.close)
      for (const url of [`${closed.url}/a.tar.gz`, "http://nowhere.invalid/a.tar.gz", "http://127.0.0.1:1/a.tar.gz"]) {
        const error = yield* Effect.flip(fetchTo(path, undefined, url))
        assert.strictEqual(error._tag, "DownloadFailed")
        assert.match(error.message, /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|bad port/)
        assert.include(error.message, /bad port/.test(error.message) ? "check the address" : "--libtensorflow")
      }
    }))
})
