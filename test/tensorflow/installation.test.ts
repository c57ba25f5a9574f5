/**
 * The installation of TensorFlow, and what is said of it when it is broken: copies of the real one are broken for real.
 */
import { Effect, Result } from "effect"
import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { env } from "node:process"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeEach, describe, it } from "vitest"
import {
  damageOf,
  diagnose,
  find,
  type Installation,
  whyNoGpu
} from "../../packages/core/src/engine/tensorflow/installation/index.ts"
import { copyTo, framework, libraries, library, main, unshare } from "./support/copies.ts"
import { installation as real } from "./support/installation.ts"

const root = mkdtempSync(join(tmpdir(), "effusion-installation-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let copies = 0
const copyInstallation = (): Promise<Installation> => copyTo(join(root, String(++copies)))

/** What loading the installation in a process of its own fails with. */
const failureOf = async (installation: Installation) => {
  const result = await Effect.runPromise(Effect.result(diagnose(installation)))
  if (Result.isSuccess(result)) throw new Error("it loads")
  return result.failure
}

let copy: Installation
beforeEach(async () => {
  copy = await copyInstallation()
})

describe("a whole copy", () => {
  it("loads, computes, and writes a log", async () => {
    const { failure, log, usesGpu, version } = await Effect.runPromise(diagnose(copy))
    assert.match(version, /^\d+\.\d+\.\d+/)
    assert.isBoolean(usesGpu)
    assert.isUndefined(failure)
    assert.notStrictEqual(log, "")
    assert.isUndefined(damageOf(copy))
  })
})

describe("a library", () => {
  it("that was removed is named", async () => {
    for (const name of [main, framework]) {
      rmSync(library(copy, name))
      assert.deepInclude(await failureOf(copy), { _tag: "LibraryMissing", library: name })
      copy = await copyInstallation()
    }
  })

  it("that was renamed is named by the name that it should have", async () => {
    renameSync(library(copy, main), library(copy, "libtensorflow-old.so"))
    const failure = await failureOf(copy)
    assert.deepInclude(failure, { _tag: "LibraryMissing", library: main })
    assert.match(failure.message, /build it anew with "effusion engine install tensorflow"$/)
  })

  it("that was cut off ends the process that loads it, and is found out before", async () => {
    const path = unshare(library(copy, framework))
    const size = statSync(path).size
    truncateSync(path, Math.floor(size / 20))
    const crashed = await failureOf(copy)
    assert.deepInclude(crashed, { _tag: "LoadingCrashed", ending: "signal SIGBUS" })
    const damage = damageOf(copy)
    assert.deepInclude(damage, { _tag: "LibraryDamaged", path })
    assert.match(damage!.detail, /^it ends after \d+ of \d+ bytes$/)
    // The last byte counts, though it would load without it.
    copyFileSync(realpathSync(libraries.find((path) => basename(path) === framework)!), path)
    assert.isUndefined(damageOf(copy))
    truncateSync(path, size - 1)
    assert.strictEqual(damageOf(copy)?._tag, "LibraryDamaged")
  })

  it("that is something else is named, with what is wrong", async () => {
    const path = library(copy, framework)
    for (
      const [content, loader, header] of [
        ["", /file too short/, /^it is empty$/],
        ["<html>404 Not Found</html>\n".repeat(10), /invalid ELF header/, /^it is not a shared library$/]
      ] as const
    ) {
      rmSync(path)
      writeFileSync(path, content)
      const failure = await failureOf(copy)
      assert.deepInclude(failure, { _tag: "LibraryDamaged", path })
      assert.match(failure.message, loader)
      assert.match(damageOf(copy)!.detail, header)
    }
  })

  it("of another build is named by the symbol that it lacks", async () => {
    // A library, whole and of this system, that is not TensorFlow's.
    const path = library(copy, framework)
    rmSync(path)
    copyFileSync(realpathSync(copy.addon), path)
    const failure = await failureOf(copy)
    assert.strictEqual(failure._tag, "LibraryDamaged")
    assert.match(failure.message, /undefined symbol: /)
  })
})

describe("the addon", () => {
  it("that was cut off, or is none, is named", async () => {
    const whole = readFileSync(copy.addon)
    truncateSync(copy.addon, 1000)
    assert.strictEqual((await failureOf(copy))._tag, "LoadingCrashed")
    assert.deepInclude(damageOf(copy), { _tag: "LibraryDamaged", path: copy.addon })
    writeFileSync(copy.addon, "")
    assert.deepInclude(await failureOf(copy), { _tag: "LibraryDamaged", path: copy.addon })
    writeFileSync(copy.addon, whole)
    assert.isUndefined(damageOf(copy))
    await Effect.runPromise(diagnose(copy))
  })

  it("that was removed is not built", async () => {
    rmSync(copy.addon)
    const result = await Effect.runPromise(Effect.result(find({ package: copy.folder })))
    assert.isTrue(Result.isFailure(result))
    assert.deepInclude(Result.isFailure(result) ? result.failure : {}, { _tag: "AddonNotBuilt", folder: copy.folder })
  })
})

describe("GPUs", () => {
  it("are hidden by CUDA_VISIBLE_DEVICES, and it is told", async () => {
    for (const hidden of ["-1", ""]) {
      const { usesGpu } = await Effect.runPromise(
        diagnose(copy, { ...env, CUDA_VISIBLE_DEVICES: hidden })
      )
      assert.isFalse(usesGpu)
      const why = await Effect.runPromise(whyNoGpu(copy, { environment: { CUDA_VISIBLE_DEVICES: hidden } }))
      assert.deepInclude(why, { _tag: "GpuHidden", visibleDevices: hidden })
    }
  })
})

describe("a build without CUDA, in a machine with a GPU", () => {
  it("is recognised by its log", async ({ skip }) => {
    const machine = join(root, `machine-${copies}`)
    const gpu = join(machine, "proc/driver/nvidia/gpus/0000:01:00.0")
    mkdirSync(gpu, { recursive: true })
    writeFileSync(join(gpu, "information"), "Model: \t\t NVIDIA A100\n")
    const { usesGpu, version } = await Effect.runPromise(diagnose(copy))
    skip(usesGpu, "the installation computes with a GPU")
    const why = await Effect.runPromise(whyNoGpu(copy, { root: machine, environment: {} }))
    skip(why._tag === "DriverMissing", "the installation is built for CUDA")
    assert.deepInclude(why, { _tag: "BuiltWithoutCuda", folder: copy.folder, version })
  })
})

describe("another Node", () => {
  // Where there is one: NODE_24 is the path of a Node 24, of the npm package node@24 or of any other.
  it.runIf(env["NODE_24"] !== undefined)("loads the same addon", () => {
    const probe = new URL("../../packages/core/src/engine/tensorflow/installation/probe.ts", import.meta.url)
    const { stderr, stdout } = spawnSync(env["NODE_24"]!, [fileURLToPath(probe), real.addon], { encoding: "utf8" })
    assert.match(stdout, /^\{"version":"\d+\.\d+\.\d+","usesGpu":(true|false)\}$/, stderr)
  })
})

describe("the settings", () => {
  /** Runs a module that has `load`, `prepare`, `settle` and `failure` in a process of its own. */
  const inProcess = (code: string, variables: NodeJS.ProcessEnv = {}) => {
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `
        import { Effect } from "effect"
        import { readFileSync } from "node:fs"
        const { load, prepare, settle } = await import(${JSON.stringify(installationModule)})
        const failure = (effect) => Effect.runPromise(Effect.flip(effect))
        const result = await (async () => { ${code} })()
        console.log(JSON.stringify(result))
        `
      ],
      { cwd: import.meta.dirname, encoding: "utf8", env: { ...env, EFFUSION_TENSORFLOW: real.folder, ...variables } }
    )
    assert.strictEqual(status, 0, stderr)
    return { result: JSON.parse(stdout), stderr }
  }
  const installationModule = new URL(
    "../../packages/core/src/engine/tensorflow/installation/index.ts",
    import.meta.url
  ).href

  it("are read once a process: others are refused afterwards", () => {
    const { result, stderr } = inProcess(`
      const { installation, settings } = await Effect.runPromise(prepare({ device: "cpu", threads: 2 }))
      const binding = await Effect.runPromise(load(installation))
      const [threads, device] = [await failure(settle({ threads: 1 })), await failure(settle({ device: "gpu" }))]
      const again = await Effect.runPromise(settle({ device: "cpu", threads: 2 }))
      return {
        settings, again, threads, device, messages: [threads.message, device.message],
        version: binding.TF_Version, gpu: binding.isUsingGpuDevice()
      }
    `)
    assert.deepStrictEqual(result.settings, { device: "cpu", threads: 2 })
    assert.deepStrictEqual(result.again, result.settings)
    assert.deepInclude(result.threads, { _tag: "SettingsInUse", setting: "threads", asked: "1", inUse: "2" })
    assert.deepInclude(result.device, { _tag: "SettingsInUse", setting: "device", asked: "gpu", inUse: "cpu" })
    assert.include(result.messages[0], "ask for 2, or start another process")
    assert.isFalse(result.gpu)
    // What libtensorflow has to say to developers of it stays unsaid, but for what it says before it reads its settings.
    assert.notInclude(stderr, "cpu_feature_guard")
  })

  it("are free again where nothing was loaded: what is mended can be asked for otherwise", () => {
    rmSync(library(copy, framework))
    const { result } = inProcess(`
      const { Layer } = await import("effect")
      const { Engine } = await import("@effusion/core/engine")
      const { TensorflowEngine } = await import("@effusion/core/engine/tensorflow")
      const threads = (options) =>
        Effect.map(Engine, ({ device }) => device.threads).pipe(Effect.provide(TensorflowEngine.layer(options)))
      const refused = await failure(threads({ package: ${JSON.stringify(copy.folder)}, threads: 2 }))
      return { cause: refused.cause._tag, threads: await Effect.runPromise(threads({ threads: 1 })) }
    `)
    assert.deepStrictEqual(result, { cause: "LibraryMissing", threads: 1 })
  })

  it("reach libtensorflow: as many threads as were asked for compute", () => {
    // A product that takes long enough for all threads to take part; the kernel counts them.
    const threadsOf = (threads: number): number =>
      inProcess(`
        const { installation } = await Effect.runPromise(prepare({ device: "cpu", threads: ${threads} }))
        const binding = await Effect.runPromise(load(installation))
        const { readdirSync } = await import("node:fs")
        const before = readdirSync("/proc/self/task").length
        const n = 512
        const ids = [0, 1].map(() => binding.createTensor([n, n], binding.TF_FLOAT, new Float32Array(n * n).fill(1)))
        binding.executeOp("MatMul", [
          { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
          { name: "transpose_a", type: binding.TF_ATTR_BOOL, value: false },
          { name: "transpose_b", type: binding.TF_ATTR_BOOL, value: false }
        ], ids, 1)
        return readdirSync("/proc/self/task")
          .map((task) => readFileSync("/proc/self/task/" + task + "/comm", "utf8").trim())
          .filter((name) => name.startsWith("tf_")).length
      `).result
    const [one, four] = [threadsOf(1), threadsOf(4)]
    assert.isBelow(one, four)
  })

  it("are the user's where the user has any", () => {
    const { result } = inProcess(
      `
      const { settings } = await Effect.runPromise(prepare({ threads: 2 }))
      const { TF_DETERMINISTIC_OPS, TF_NUM_INTRAOP_THREADS, TF_FORCE_GPU_ALLOW_GROWTH } = process.env
      return { settings, TF_DETERMINISTIC_OPS, TF_NUM_INTRAOP_THREADS, TF_FORCE_GPU_ALLOW_GROWTH }
    `,
      { TF_DETERMINISTIC_OPS: "0", TF_NUM_INTRAOP_THREADS: "3" }
    )
    assert.deepStrictEqual(result, {
      settings: { device: "auto", threads: 3 },
      TF_DETERMINISTIC_OPS: "0",
      TF_NUM_INTRAOP_THREADS: "3",
      TF_FORCE_GPU_ALLOW_GROWTH: "true"
    })
  })
})
