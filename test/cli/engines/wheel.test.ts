import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll } from "vitest"
import { describeMachine, Machine, runs } from "../../../packages/cli/src/engines/machine.ts"
import { readWheel, unpackWheel } from "../../../packages/cli/src/engines/wheel.ts"
import { temporaryFolder } from "../support/cli.ts"
import { otherFiles, tensorflowFiles, writeWheel } from "./support/wheels.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const debian = { platform: "linux", arch: "x64", glibc: "2.36", node: process.execPath }

const read = (path: string, machine: Machine = { ...debian, arch: process.arch, platform: process.platform }) =>
  readWheel(path).pipe(Effect.provideService(Machine, machine), Effect.provide(NodeServices.layer))

/** Unpacks a wheel into a folder of its own. */
const unpack = (path: string) =>
  Effect.gen(function*() {
    const site = mkdtempSync(join(folder.path, "site-"))
    let bytes = 0
    yield* unpackWheel(yield* read(path), site, (more) => bytes += more)
    return { site, bytes }
  }).pipe(Effect.provide(NodeServices.layer))

const filesIn = (site: string): ReadonlyArray<string> =>
  readdirSync(site, { recursive: true, encoding: "utf8" }).filter((file) => statSync(join(site, file)).isFile()).sort()

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(effect)

describe("a wheel of TensorFlow", () => {
  it.effect("says what it is", () =>
    Effect.gen(function*() {
      const path = yield* Effect.promise(() => writeWheel(join(folder.path, "a.whl")))
      const { files, name, version } = yield* read(path)
      assert.deepStrictEqual([name, version], ["tensorflow_cpu", "2.21.0"])
      assert.deepStrictEqual(files.map(({ name }) => name).sort(), Object.keys(tensorflowFiles).sort())
      assert.strictEqual(
        files.find(({ name }) => name.endsWith("_cc.so.2"))!.sha256,
        createHash("sha256").update("the library").digest("hex")
      )
    }))

  it.effect("is unpacked as far as the engine needs it, byte by byte", () =>
    Effect.gen(function*() {
      const path = yield* Effect.promise(() => writeWheel(join(folder.path, "b.whl")))
      const { bytes, site } = yield* unpack(path)
      assert.deepStrictEqual(filesIn(site), Object.keys(tensorflowFiles).sort())
      for (const [file, content] of Object.entries(tensorflowFiles)) {
        assert.strictEqual(readFileSync(join(site, file), "utf8"), content)
      }
      assert.strictEqual(bytes, Object.values(tensorflowFiles).reduce((sum, { length }) => sum + length, 0))
    }))

  it.effect("leaves programs that can be run", () =>
    Effect.gen(function*() {
      const files = { "nvidia/cuda_nvcc/bin/ptxas": "#!", "nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc": "BC" }
      const path = yield* Effect.promise(() => writeWheel(join(folder.path, "nvcc.whl"), { files }))
      const { site } = yield* unpack(path)
      const modes = Object.keys(files).map((file) => statSync(join(site, file)).mode & 0o111)
      assert.deepStrictEqual(modes.map((mode) => mode !== 0), [true, false])
    }))

  it("of any files comes out as what is needed of them", () =>
    fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.constantFrom(
            ...Object.keys({ ...tensorflowFiles, ...otherFiles }),
            "nvidia/cudnn/lib/libcudnn.so.9",
            "nvidia/cudnn/include/cudnn.h",
            "nvidia/cu13/lib/libcudart_static.a",
            "tensorflow.libs/libgomp-24e2ab19.so.1.0.0"
          ),
          fc.uint8Array({ maxLength: 2000 })
        ),
        async (files) => {
          const path = await writeWheel(join(folder.path, "c.whl"), { files })
          const { site } = await Effect.runPromise(unpack(path))
          const isNeeded = (file: string) =>
            file in tensorflowFiles || file === "nvidia/cudnn/lib/libcudnn.so.9" || file.startsWith("tensorflow.libs/")
          assert.deepStrictEqual(filesIn(site), Object.keys(files).filter(isNeeded).sort())
          for (const file of filesIn(site)) {
            assert.deepStrictEqual(new Uint8Array(readFileSync(join(site, file))), new Uint8Array(files[file]!))
          }
        }
      ),
      { numRuns: 25 }
    ))

  it.effect("with one byte changed is refused", () =>
    Effect.gen(function*() {
      const path = yield* Effect.promise(() =>
        writeWheel(join(folder.path, "d.whl"), {
          sums: { "tensorflow/libtensorflow_cc.so.2": createHash("sha256").update("another").digest("base64url") }
        })
      )
      const error = yield* failure(unpack(path))
      assert.strictEqual(error._tag, "DamagedArchive")
      assert.include(error.message, "libtensorflow_cc.so.2 has another checksum than the wheel says")
      assert.include(error.message, "download it again")
    }))

  it.effect("that was cut off is damaged, wherever the cut is", () =>
    Effect.gen(function*() {
      const path = yield* Effect.promise(() => writeWheel(join(folder.path, "e.whl")))
      const whole = statSync(path).size
      for (const size of [3, Math.floor(whole / 2), whole - 30, whole - 1]) {
        truncateSync(path, size)
        const error = yield* failure(unpack(path))
        assert.strictEqual(error._tag, "DamagedArchive", `${size} of ${whole} bytes: ${error.message}`)
        yield* Effect.promise(() => writeWheel(path))
      }
    }))

  it.effect("with a damaged library is refused before the library is used", () =>
    Effect.gen(function*() {
      const path = yield* Effect.promise(() =>
        writeWheel(join(folder.path, "f.whl"), { files: { "tensorflow/libtensorflow_cc.so.2": "x".repeat(50_000) } })
      )
      const bytes = readFileSync(path)
      // The first entry's data, after its header and its name.
      bytes[30 + "tensorflow/libtensorflow_cc.so.2".length + 10]! ^= 0xff
      writeFileSync(path, bytes)
      const error = yield* failure(unpack(path))
      assert.strictEqual(error._tag, "DamagedArchive", error.message)
    }))

  it.effect("whose paths leave the folder is refused", () =>
    Effect.gen(function*() {
      const path = yield* Effect.promise(() =>
        writeWheel(join(folder.path, "g.whl"), { files: { "nvidia/aa/lib/libevil.so.1": "evil" } })
      )
      // The library that writes wheels does not write such paths.
      writeFileSync(path, readFileSync(path, "latin1").replaceAll("nvidia/aa/", "nvidia/../"), "latin1")
      const error = yield* failure(unpack(path))
      assert.strictEqual(error._tag, "DamagedArchive")
      assert.include(error.message, "invalid relative path: nvidia/../lib/libevil.so.1")
    }))
})

describe("what is no wheel", () => {
  it.effect("is refused: another file, another zip archive, nothing at all", () =>
    Effect.gen(function*() {
      const text = join(folder.path, "page.whl")
      writeFileSync(text, "<html>404</html>")
      const page = yield* failure(read(text))
      assert.strictEqual(page._tag, "NotAWheel")
      assert.include(page.message, "pip download --no-deps tensorflow-cpu")
      for (const without of ["WHEEL", "METADATA", "RECORD"]) {
        const path = yield* Effect.promise(() => writeWheel(join(folder.path, "zip.whl"), { without: [without] }))
        const error = yield* failure(read(path))
        assert.strictEqual(error._tag, "NotAWheel")
        assert.include(error.message, `it has no ${without}`)
      }
      const missing = yield* failure(read(join(folder.path, "missing.whl")))
      assert.strictEqual(missing._tag, "FileProblem")
      assert.include(missing.message, "it does not exist")
    }))
})

describe("a wheel for another machine", () => {
  it.effect("is refused with what it is for and what this is", () =>
    Effect.gen(function*() {
      for (const platform of ["manylinux_2_27_aarch64", "macosx_12_0_arm64", "win_amd64", "manylinux_2_40_x86_64"]) {
        const path = yield* Effect.promise(() => writeWheel(join(folder.path, "other.whl"), { platforms: [platform] }))
        const error = yield* failure(read(path, debian))
        assert.strictEqual(error._tag, "WrongWheel")
        assert.include(error.message, `is for ${platform}, and this is Linux on x86_64 with glibc 2.36`)
      }
    }))

  it("is known by its tag", () => {
    const arm = { ...debian, arch: "arm64" }
    const mac = { ...arm, platform: "darwin", glibc: undefined }
    const alpine = { ...debian, glibc: undefined }
    const old = { ...debian, glibc: "2.17" }
    const cases: ReadonlyArray<readonly [Machine, string, boolean]> = [
      [debian, "manylinux_2_27_x86_64", true],
      [debian, "manylinux_2_36_x86_64", true],
      [debian, "manylinux_2_37_x86_64", false],
      [old, "manylinux_2_27_x86_64", false],
      [old, "manylinux2014_x86_64", true],
      [old, "manylinux1_x86_64", true],
      [debian, "linux_x86_64", true],
      [debian, "manylinux_2_27_aarch64", false],
      [arm, "manylinux_2_27_aarch64", true],
      [debian, "musllinux_1_2_x86_64", false],
      [alpine, "manylinux_2_17_x86_64", false],
      [debian, "win_amd64", false],
      [mac, "macosx_12_0_arm64", true],
      [mac, "macosx_12_0_universal2", true],
      [mac, "macosx_12_0_x86_64", false],
      [debian, "any", true]
    ]
    for (const [machine, tag, expected] of cases) {
      assert.strictEqual(runs(machine, tag), expected, `${tag} on ${describeMachine(machine)}`)
    }
  })
})
