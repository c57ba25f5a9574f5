import { assert, describe, it } from "@effect/vitest"
import type { Installation } from "@effusion/core/engine/tensorflow/installation"
import { Effect, Result } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { Writable } from "node:stream"
import { compilerArguments, librariesIn } from "../../../packages/cli/src/engines/addon.ts"
import { findingsOf, variableFindings } from "../../../packages/cli/src/engines/doctor.ts"
import { type Examination, readLdd } from "../../../packages/cli/src/engines/examine.ts"
import { type InstallEvent, InstallReporter } from "../../../packages/cli/src/engines/InstallReporter.ts"
import { table, tensorflowRow } from "../../../packages/cli/src/engines/list.ts"

const installation: Installation = {
  namedBy: "the engines folder",
  folder: "/engines/tensorflow/node_modules/@tensorflow/tfjs-node-gpu",
  package: "@tensorflow/tfjs-node-gpu",
  version: "4.22.0",
  addon: "/engines/tensorflow/node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node",
  builtFor: "gpu",
  libraries: [],
  manifest: undefined
}

const healthy: Examination = {
  engines: "/engines",
  places: [installation],
  isUnfinished: false,
  found: Result.succeed(installation),
  isAbsent: false,
  libraries: [
    { name: "libtensorflow_cc.so.2", path: "/engines/libtensorflow_cc.so.2" },
    { name: "libm.so.6", path: "/lib/libm.so.6" }
  ],
  loaded: Result.succeed({ version: "2.21.0", usesGpu: true, log: "" }),
  computed: Result.succeed(undefined),
  gpu: { models: ["NVIDIA H100 PCIe"], driver: "550.54.15", isExpected: true, fault: undefined }
}

const fault = { problem: "libcudnn.so.9 is missing", remedy: "install cuDNN 9" }
const brokenIn = (examination: Examination) =>
  findingsOf(examination).filter(({ state }) => state === "broken").map(({ detail, remedy, subject }) => ({
    subject,
    detail,
    remedy
  }))

describe("what the doctor finds", () => {
  it("is nothing broken in an engine that works", () => {
    assert.deepStrictEqual(brokenIn(healthy), [])
    const subjects = findingsOf(healthy).filter(({ state }) => state === "right").map(({ subject }) => subject)
    assert.deepStrictEqual(subjects, ["package", "addon", "library", "libraries", "loading", "computing", "device"])
  })

  it("is each thing that is broken, with its remedy", () => {
    const notLoaded = { ...healthy, loaded: Result.fail(fault), computed: undefined }
    assert.deepStrictEqual(brokenIn(notLoaded), [{ subject: "loading", detail: fault.problem, remedy: fault.remedy }])
    assert.strictEqual(brokenIn({ ...healthy, computed: Result.fail(fault) })[0]!.subject, "computing")
    assert.strictEqual(brokenIn({ ...healthy, found: Result.fail(fault) })[0]!.subject, "package")
    const missing = brokenIn({
      ...healthy,
      libraries: [{ name: "libtensorflow_cc.so.2", path: undefined }, { name: "libz.so.1", path: undefined }]
    })
    assert.deepStrictEqual(missing.map(({ detail }) => detail), [
      "libtensorflow_cc.so.2 is missing",
      "libz.so.1 is missing"
    ])
    assert.include(missing[0]!.remedy, "effusion engine install tensorflow")
    assert.include(missing[1]!.remedy, "package manager")
  })

  it("shows TensorFlow's own words when a GPU is not used", () => {
    const unused: Examination = {
      ...healthy,
      loaded: Result.succeed({ version: "2.21.0", usesGpu: false, log: "E cuda_driver.cc: no device\n" }),
      gpu: { ...healthy.gpu, fault }
    }
    assert.deepStrictEqual(brokenIn(unused), [{ subject: "device", detail: fault.problem, remedy: fault.remedy }])
    assert.deepInclude(findingsOf(unused), {
      state: "noted",
      subject: "TensorFlow says",
      detail: "E cuda_driver.cc: no device"
    })
  })

  it("is not broken where TensorFlow was never installed", () => {
    const absent: Examination = {
      ...healthy,
      places: [{ namedBy: "the engines folder", folder: "/engines/tensorflow", detail: "does not exist" }],
      found: Result.fail({ problem: "TensorFlow is not installed", remedy: "install it" }),
      isAbsent: true,
      isUnfinished: true,
      libraries: undefined,
      loaded: undefined,
      computed: undefined
    }
    assert.deepStrictEqual(brokenIn(absent), [])
    assert.isTrue(findingsOf(absent).some(({ detail }) => detail.includes("did not come to its end")))
  })

  it("has the variables that decide, and none that may be a secret", () => {
    const names = variableFindings({
      TF_CPP_MIN_LOG_LEVEL: "0",
      TF_VAR_password: "secret",
      TF_TOKEN_app_terraform_io: "secret",
      CUDA_VISIBLE_DEVICES: "1",
      LD_LIBRARY_PATH: undefined,
      HOME: "/home/ada"
    }).map(({ detail }) => detail)
    assert.deepStrictEqual(names, ["CUDA_VISIBLE_DEVICES=1", "TF_CPP_MIN_LOG_LEVEL=0"])
  })

  it("reads what ldd wrote", () => {
    const text = "\tlinux-vdso.so.1 (0x00007ffd)\n" +
      "\tlibtensorflow_cc.so.2 => /a/lib/napi-v8/../../site/tensorflow/libtensorflow_cc.so.2 (0x00007f84e5000000)\n" +
      "\tlibx.so.1 => not found\n\tlibx.so.1 => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n"
    assert.deepStrictEqual(readLdd(text), [
      { name: "libtensorflow_cc.so.2", path: "/a/site/tensorflow/libtensorflow_cc.so.2" },
      { name: "libx.so.1", path: undefined }
    ])
  })
})

describe("the table of engines", () => {
  it("has a row each, with what is wrong below", () => {
    const row = tensorflowRow(healthy, true)
    assert.deepInclude(row, { works: true, software: "libtensorflow 2.21.0", device: "NVIDIA H100 PCIe" })
    const damaged = tensorflowRow({ ...healthy, loaded: Result.fail(fault), computed: undefined }, false)
    assert.deepInclude(damaged, { works: false, problem: "libcudnn.so.9 is missing; install cuDNN 9" })
    const lines = table([row, damaged])
    assert.lengthOf(lines, 4)
    assert.match(lines[1]!, /^tensorflow {2}yes {4}libtensorflow 2\.21\.0 {2}NVIDIA H100 PCIe {2}\/engines/)
    assert.strictEqual(lines[3], "  libcudnn.so.9 is missing; install cuDNN 9")
  })

  it("says that an engine works on the CPU although there is a GPU, and why", () => {
    const row = tensorflowRow({
      ...healthy,
      loaded: Result.succeed({ version: "2.21.0", usesGpu: false, log: "" }),
      gpu: { ...healthy.gpu, fault }
    }, false)
    assert.deepInclude(row, { works: true, device: "the CPU", problem: "libcudnn.so.9 is missing; install cuDNN 9" })
  })
})

describe("the compiler's arguments", () => {
  const files = [
    "tensorflow/libtensorflow_cc.so.2",
    "tensorflow/libtensorflow_framework.so.2",
    "nvidia/cuda_runtime/lib/libcudart.so.12",
    "nvidia/cudnn/lib/libcudnn.so.9",
    "nvidia/cudnn/lib/libcudnn_adv.so.9"
  ]

  it("link the libraries where they lie, and find them relative to the addon", () => {
    const args = compilerArguments("linux", "@tensorflow/tfjs-node", librariesIn(files), "out.node")
    assert.include(args, "site/nvidia/cudnn/lib/libcudnn.so.9")
    assert.notInclude(args, "site/nvidia/cudnn/lib/libcudnn_adv.so.9")
    // lib/napi-v8, tfjs-node, @tensorflow and node_modules are above it.
    assert.include(args, "-Wl,-rpath,$ORIGIN/../../../../../site/tensorflow")
    assert.include(args, "-Wl,-rpath,$ORIGIN/../../../../../site/nvidia/cuda_runtime/lib")
    assert.include(args, "-Isite/tensorflow/include")
  })

  it("name no absolute path, but that of headers that come with effusion", () => {
    const args = compilerArguments("linux", "@tensorflow/tfjs-node", librariesIn(files), "out.node")
    const absolute = args.filter((arg) => /^\/|=\/|^-(I|idirafter)\//.test(arg))
    assert.lengthOf(absolute, 1)
    assert.isTrue(absolute[0]!.startsWith("-idirafter/"))
  })

  it("take the headers of an official archive", () => {
    const libraries = librariesIn([
      "libtensorflow/lib/libtensorflow.2.dylib",
      "libtensorflow/lib/libtensorflow_framework.2.dylib"
    ])
    const args = compilerArguments("darwin", "@tensorflow/tfjs-node", libraries, "out.node")
    assert.include(args, "-Isite/libtensorflow/include")
    assert.include(args, "-Wl,-rpath,@loader_path/../../../../../site/libtensorflow/lib")
  })
})

const progress = (bytes: number): InstallEvent => ({ event: "progress", stage: "libraries", bytes, total: 1e9 })
const stage: InstallEvent = { event: "stage", stage: "libraries", text: "unpacking the libraries", skipped: false }
const installed: InstallEvent = {
  event: "installed",
  path: "/engines/tensorflow",
  libtensorflow: "2.21.0",
  package: "@tensorflow/tfjs-node",
  gpu: false,
  before: false,
  seconds: 12.4
}

/** Tells of a stage of ten seconds. */
const reportAll = Effect.gen(function*() {
  const { report } = yield* InstallReporter
  yield* report(stage)
  for (let i = 1; i <= 100; i++) {
    yield* TestClock.adjust("100 millis")
    yield* report(progress(i * 1e7))
  }
  yield* report(installed)
})

describe("what an installation tells", () => {
  it.effect("as lines, is a line every five seconds", () =>
    Effect.gen(function*() {
      yield* Effect.provide(reportAll, InstallReporter.lines)
      assert.deepStrictEqual(yield* TestConsole.logLines, [
        "unpacking the libraries",
        "  500 of 1,000 MB",
        "  1,000 of 1,000 MB",
        "The tensorflow engine works: libtensorflow 2.21.0 on the CPU, in /engines/tensorflow (13 s)."
      ])
    }))

  it.effect("as JSON, is an object a line", () =>
    Effect.gen(function*() {
      yield* Effect.provide(reportAll, InstallReporter.json)
      const events = (yield* TestConsole.logLines).map((line) => JSON.parse(String(line)))
      assert.deepStrictEqual(events[0], stage)
      assert.deepStrictEqual(events.at(-1), installed)
      assert.lengthOf(events.filter(({ event }) => event === "progress"), 50)
    }))

  it.effect("in a terminal, is a bar that ends", () =>
    Effect.gen(function*() {
      const written: Array<string> = []
      const stream = Object.assign(
        new Writable({
          write: (chunk, _, done) => {
            written.push(String(chunk))
            done()
          }
        }),
        { isTTY: true, columns: 100 }
      )
      yield* Effect.provide(reportAll, InstallReporter.bar(stream))
      const text = written.join("")
      assert.include(text, "unpacking the libraries\n")
      assert.match(text, /100% \| 1,000 of 1,000 MB/)
      assert.isAbove(text.indexOf("The tensorflow engine works"), text.lastIndexOf("100%"))
    }))
})
