import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { hostname } from "node:os"
import { basename, join } from "node:path"
import { EngineDoesNotWork } from "../../../packages/cli/src/engines/errors.ts"
import { type InstallOptions } from "../../../packages/cli/src/engines/install.ts"
import {
  assertInstalled,
  folder,
  fresh,
  install,
  installed,
  newEngines,
  stagesOf,
  type Surroundings,
  wheel
} from "./support/installing.ts"
import { startServer } from "./support/server.ts"
import { brokenCompiler, brokenNpm, working, writeTools } from "./support/tools.ts"
import { archiveFiles, tensorflowFiles, writeArchive, writeFiles, writeWheel } from "./support/wheels.ts"

describe("installing from a wheel", () => {
  it.effect("leaves an engine that core finds, and nothing beside it", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      assert.deepStrictEqual(stagesOf(yield* install({ engines })), fresh)
      assertInstalled(engines)
      const found = installed(engines)
      assert.deepInclude("addon" in found ? found.manifest : undefined, {
        package: "@tensorflow/tfjs-node",
        version: "4.22.0",
        source: "tensorflow_cpu 2.21.0",
        libraries: ["site/tensorflow/libtensorflow_cc.so.2", "site/tensorflow/libtensorflow_framework.so.2"]
      })
      for (const [file, content] of Object.entries(tensorflowFiles)) {
        assert.strictEqual(readFileSync(join(engines, "tensorflow", "site", file), "utf8"), content)
      }
    }))

  it.effect("a second time only checks, and installs anew what does not work or when it is told to", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      yield* install({ engines })
      const again = yield* install({ engines })
      assert.deepStrictEqual(stagesOf(again), [])
      assert.deepInclude(again.at(-1), { event: "installed", before: true })
      const before = readlinkSync(join(engines, "tensorflow"))

      const addon = installed(engines)
      rmSync("addon" in addon ? addon.addon : "")
      assert.deepStrictEqual(stagesOf(yield* install({ engines })), fresh)
      assertInstalled(engines)
      assert.notStrictEqual(readlinkSync(join(engines, "tensorflow")), before)

      assert.deepStrictEqual(stagesOf(yield* install({ engines, force: true })), fresh)
      assertInstalled(engines)
    }))

  it.effect("of another version takes the place of the first", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      yield* install({ engines })
      const newer = yield* Effect.promise(() => writeWheel(join(folder.path, "newer.whl"), { version: "2.22.0" }))
      assert.deepStrictEqual(stagesOf(yield* install({ engines, wheels: [newer] })), fresh)
      assertInstalled(engines)
      const found = installed(engines)
      assert.strictEqual("addon" in found ? found.manifest?.source : "", "tensorflow_cpu 2.22.0")
    }))

  it.effect("takes the libraries of CUDA from further wheels, and links them", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      const cudart = yield* Effect.promise(() =>
        writeWheel(join(folder.path, "cudart.whl"), {
          name: "nvidia_cuda_runtime_cu12",
          version: "12.5.82",
          files: { "nvidia/cuda_runtime/lib/libcudart.so.12": "cudart", "nvidia/cuda_runtime/include/cuda.h": "//" }
        })
      )
      yield* install({ engines, gpu: true, wheels: [wheel, cudart] })
      const found = installed(engines, "tfjs-node-gpu")
      if (!("addon" in found)) return assert.fail(found.detail)
      assert.strictEqual(found.manifest!.source, "tensorflow_cpu 2.21.0, nvidia_cuda_runtime_cu12 12.5.82")
      assert.include(found.manifest!.libraries, "site/nvidia/cuda_runtime/lib/libcudart.so.12")
    }))

  it.effect("replaces a folder that was put there by hand", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      writeFiles(join(engines, "tensorflow"), { "node_modules/x": "by hand" })
      yield* install({ engines })
      assertInstalled(engines)
    }))
})

describe("installing from an archive of libtensorflow", () => {
  const unpacked = writeFiles(join(folder.path, "libtensorflow"), archiveFiles)

  it.effect("takes a folder, a file and an address, and keeps what it is given", () =>
    Effect.gen(function*() {
      const archive = yield* Effect.promise(() => writeArchive(join(folder.path, "lib.tar.gz"), unpacked))
      const server = yield* Effect.promise(startServer)
      server.serve(readFileSync(archive))
      const url = `${server.url}/libtensorflow-cpu.tar.gz`
      for (const libtensorflow of [unpacked, archive, url]) {
        const engines = newEngines()
        const stages = stagesOf(yield* install({ engines, libtensorflow }))
        assert.deepStrictEqual(stages, libtensorflow === url ? ["download", ...fresh] : fresh)
        assertInstalled(engines)
        const lib = join(engines, "tensorflow", "site", "libtensorflow", "lib")
        assert.deepStrictEqual(
          readdirSync(lib).map((name) => `lib/${name}`).sort(),
          Object.keys(archiveFiles).slice(0, 2).sort()
        )
        assert.isFalse(lstatSync(join(lib, readdirSync(lib)[0]!)).isSymbolicLink())
      }
      assert.isTrue(existsSync(join(unpacked, "LICENSE")))
      yield* Effect.promise(server.close)
    }))

  it.effect("follows the links of an archive, and no links that leave it", () =>
    Effect.gen(function*() {
      const [library, framework] = Object.keys(archiveFiles)
      const linked = writeFiles(join(folder.path, "linked"), archiveFiles)
      renameSync(join(linked, library!), join(linked, `${library!}.18.0`))
      symlinkSync(`${basename(library!)}.18.0`, join(linked, library!))
      symlinkSync(basename(library!), join(linked, "lib", "libtensorflow.so"))
      const archive = yield* Effect.promise(() => writeArchive(join(folder.path, "linked.tar.gz"), linked))
      for (const libtensorflow of [linked, archive]) {
        const engines = newEngines()
        yield* install({ engines, libtensorflow })
        assertInstalled(engines)
        const taken = join(engines, "tensorflow", "site", "libtensorflow", library!)
        assert.strictEqual(readFileSync(taken, "utf8"), "the library")
        assert.isFalse(lstatSync(taken).isSymbolicLink())
      }
      rmSync(join(linked, framework!))
      symlinkSync(`../../libtensorflow/${framework!}`, join(linked, framework!))
      const evil = yield* Effect.promise(() => writeArchive(join(folder.path, "evil.tar.gz"), linked))
      const error = yield* Effect.flip(install({ engines: newEngines(), libtensorflow: evil }))
      assert.strictEqual(error._tag, "NoLibtensorflow", error.message)
      assert.include(error.message, framework!)
    }))

  it.effect("fails when it is cut off, when it is none", () =>
    Effect.gen(function*() {
      const archive = yield* Effect.promise(() => writeArchive(join(folder.path, "cut.tar.gz"), unpacked))
      writeFileSync(archive, readFileSync(archive).subarray(0, 200))
      const cut = yield* Effect.flip(install({ engines: newEngines(), libtensorflow: archive }))
      assert.strictEqual(cut._tag, "DamagedArchive", cut.message)

      const text = join(folder.path, "page.tar.gz")
      writeFileSync(text, "<html>404</html>".repeat(100))
      const page = yield* Effect.flip(install({ engines: newEngines(), libtensorflow: text }))
      assert.strictEqual(page._tag, "DamagedArchive", page.message)

      const other = writeFiles(join(folder.path, "other"), { "lib/libother.so": "x" })
      for (
        const place of [
          other,
          yield* Effect.promise(() => writeArchive(join(folder.path, "other.tar.gz"), other))
        ]
      ) {
        const error = yield* Effect.flip(install({ engines: newEngines(), libtensorflow: place }))
        assert.strictEqual(error._tag, "NoLibtensorflow", error.message)
        assert.include(error.message, "include/tensorflow/c/c_api.h")
      }
      const missing = yield* Effect.flip(install({ engines: newEngines(), libtensorflow: join(folder.path, "none") }))
      assert.strictEqual(missing._tag, "FileProblem")
    }))

  it.effect("downloads the official one from wherever a variable says, and holds it against its checksum", () =>
    Effect.gen(function*() {
      const server = yield* Effect.promise(startServer)
      server.serve(Buffer.from("not the official archive"))
      const error = yield* Effect.flip(
        install({ engines: newEngines(), wheels: [] }, {
          machine: { platform: "linux", arch: "x64", glibc: "2.36" },
          environment: { EFFUSION_TENSORFLOW_MIRROR: `${server.url}/` }
        })
      )
      assert.strictEqual(error._tag, "DamagedArchive")
      assert.include(error.message, `${server.url}/versions/2.18.0/libtensorflow-cpu-linux-x86_64.tar.gz`)
      yield* Effect.promise(server.close)
    }))
})

describe("what is missing or broken", () => {
  const failing = (surroundings: Surroundings, options: Partial<InstallOptions> = {}) =>
    Effect.gen(function*() {
      const engines = newEngines()
      const error = yield* Effect.flip(install({ engines, ...options }, surroundings))
      assert.isFalse(existsSync(join(engines, "tensorflow")))
      return error
    })

  it.effect("is said before anything else: a compiler, npm, a machine that TensorFlow is made for", () =>
    Effect.gen(function*() {
      const compiler = yield* failing({ environment: { CXX: "/nowhere/c++" } })
      assert.strictEqual(compiler._tag, "NoCompiler")
      assert.include(compiler.message, "/nowhere/c++")
      const windows = yield* failing({ machine: { platform: "win32" } })
      assert.strictEqual(windows._tag, "UnsupportedMachine")
      assert.include(windows.message, "WSL")
      assert.include((yield* failing({ machine: { platform: "freebsd" } })).message, "--engine onnx")
      assert.include((yield* failing({ machine: { arch: "ppc64" } })).message, "--engine onnx")
      const alpine = yield* failing({ machine: { platform: "linux", glibc: undefined } })
      assert.include(alpine.message, "musl")
      const arm = yield* failing({ machine: { platform: "linux", arch: "arm64", glibc: "2.36" } }, { wheels: [] })
      assert.include(arm.message, "no official libtensorflow for it; give a wheel")
    }))

  it.effect("is said with its last words: npm's, the compiler's", () =>
    Effect.gen(function*() {
      const noNetwork = writeTools(join(folder.path, "no-network"), brokenNpm)
      const npm = yield* failing({ environment: noNetwork.environment })
      assert.strictEqual(npm._tag, "NpmFailed")
      assert.include(
        npm.message,
        "npm ended with code 1: npm error code ENOTFOUND | npm error network no such host; see"
      )
      const old = writeTools(join(folder.path, "old"), undefined, brokenCompiler)
      const compiler = yield* failing({ environment: old.environment })
      assert.strictEqual(compiler._tag, "CompileFailed")
      assert.include(compiler.message, "tfjs_backend.cc:1:10: fatal error: no such header")
      assert.include(compiler.message, "CXX")
    }))

  it.effect("a wheel without the library is refused by name", () =>
    Effect.gen(function*() {
      const meta = yield* Effect.promise(() =>
        writeWheel(join(folder.path, "meta.whl"), { name: "tensorflow_intel", files: { "tensorflow/a.py": "" } })
      )
      const error = yield* failing({}, { wheels: [meta] })
      assert.strictEqual(error._tag, "NoTensorflowInWheel")
      assert.include(error.message, "(tensorflow_intel 2.21.0)")
    }))

  it.effect("an engine that does not compute is not put in place, and its stages are kept", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      const check = () => Effect.fail(new EngineDoesNotWork({ reason: "libx.so.1 is missing", remedy: "install it" }))
      const error = yield* Effect.flip(install({ engines }, { check }))
      assert.include(error.message, "libx.so.1 is missing; install it")
      assert.isFalse(existsSync(join(engines, "tensorflow")))
      const repaired = yield* install({ engines })
      assert.deepStrictEqual(stagesOf(repaired), ["libraries (there)", "package (there)", "addon (there)", "check"])
      assertInstalled(engines)
    }))

  it.effect("a GPU that is not used is said, and the engine is installed", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      const check = () => Effect.succeed({ ...working, builtForGpu: true })
      const events = yield* install({ engines, gpu: true }, { check })
      const warnings = events.flatMap((event) => event.event === "warning" ? [event.message] : [])
      assert.deepStrictEqual(warnings, [`TensorFlow does not use a GPU here; "effusion engine doctor" says why`])
      const found = installed(engines, "tfjs-node-gpu")
      assert.strictEqual("addon" in found ? found.builtFor : undefined, "gpu")
    }))

  it.live("another installation at the same time is refused; the lock of one that is gone is not", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      mkdirSync(engines, { recursive: true })
      writeFileSync(join(engines, "tensorflow.lock"), JSON.stringify({ pid: process.ppid, host: hostname() }))
      const error = yield* Effect.flip(install({ engines }))
      assert.strictEqual(error._tag, "InstallationRunning")
      assert.include(error.message, `process ${process.ppid} is installing`)
      for (const gone of [JSON.stringify({ pid: 999_999_999, host: hostname() }), ""]) {
        writeFileSync(join(engines, "tensorflow.lock"), gone)
        yield* install({ engines, force: true })
        assertInstalled(engines)
      }
    }))
})
