/**
 * Where libraries come from, where that is wrong: what is said, and that the next try is not spoilt by it.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { systemError } from "effect/PlatformError"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterAll } from "vitest"
import { remove } from "../../../packages/cli/src/engines/stages.ts"
import { assertInstalled, folder, install, newEngines, wheel } from "./support/installing.ts"
import { archiveFiles, writeArchive, writeFiles } from "./support/wheels.ts"

/** Serves one file, which can be changed. */
let served: Uint8Array = new Uint8Array()
const server = createServer((_, response) => void response.end(served)).listen(0, "127.0.0.1")
afterAll(() => void server.close())
const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtensorflow.tar.gz`

describe("libtensorflow", () => {
  it.effect("is given once: in a wheel or as an archive", () =>
    Effect.gen(function*() {
      const libtensorflow = writeFiles(join(folder.path, "twice"), archiveFiles)
      const error = yield* Effect.flip(install({ engines: newEngines(), wheels: [wheel], libtensorflow }))
      assert.strictEqual(error._tag, "TwoLibtensorflows")
      assert.include(error.message, `in the wheel "${wheel}" and in "${libtensorflow}"; give one of them`)
    }))

  it.live("that came damaged is downloaded anew by the same command", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      served = new TextEncoder().encode("<html>try later</html>")
      const error = yield* Effect.flip(install({ engines, libtensorflow: address() }))
      assert.strictEqual(error._tag, "DamagedArchive")
      assert.include(error.message, `"${address()}" is damaged`)
      assert.deepStrictEqual(readdirSync(join(engines, "downloads")), [])

      const path = join(folder.path, "whole.tar.gz")
      yield* Effect.promise(() => writeArchive(path, writeFiles(join(folder.path, "whole"), archiveFiles)))
      served = readFileSync(path)
      yield* install({ engines, libtensorflow: address() })
      assertInstalled(engines)
    }))

  it.live("at an address that is none is no matter of the network", () =>
    Effect.gen(function*() {
      for (const libtensorflow of ["http://", "http://127.0.0.1:9/x.tar.gz"]) {
        const error = yield* Effect.flip(install({ engines: newEngines(), libtensorflow }))
        assert.strictEqual(error._tag, "DownloadFailed")
        assert.match(error.message, /; check the address$/)
      }
    }))
})

describe("removing a folder", () => {
  it.live("waits for a process that was left behind and still writes into it", () =>
    Effect.gen(function*() {
      const path = join(folder.path, "filling")
      mkdirSync(path)
      const fs = yield* FileSystem.FileSystem
      let tries = 0
      const filling = systemError({
        _tag: "Unknown",
        module: "FileSystem",
        method: "remove",
        cause: Object.assign(new Error("directory not empty"), { code: "ENOTEMPTY" })
      })
      const busy = {
        ...fs,
        remove: (...args: Parameters<typeof fs.remove>) =>
          Effect.suspend(() => ++tries < 3 ? Effect.fail(filling) : fs.remove(...args))
      }
      yield* Effect.provideService(remove(path), FileSystem.FileSystem, busy)
      assert.strictEqual(tries, 3)
      assert.isFalse(yield* fs.exists(path))
    }).pipe(Effect.provide(NodeServices.layer)))
})
