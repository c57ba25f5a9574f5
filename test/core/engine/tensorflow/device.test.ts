/**
 * What TensorFlow computes on, on machines that are folders: their `/proc`, `/sys` and `/dev`.
 */
import { Effect, Result } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { cudaFor, loadedCuda } from "../../../../packages/core/src/engine/tensorflow/installation/cuda.ts"
import {
  describeGpu,
  deviceOf,
  type Diagnosis,
  driverVersionOf,
  gpusOf,
  hasGpu,
  type Installation,
  isGpuExpected,
  type Sources
} from "../../../../packages/core/src/engine/tensorflow/installation/index.ts"
import { variablesOf } from "../../../../packages/core/src/engine/tensorflow/installation/settings.ts"

const root = mkdtempSync(join(tmpdir(), "effusion-machine-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let machines = 0

/** A machine with these files. */
const machine = (files: { readonly [path: string]: string }): string => {
  const folder = join(root, String(++machines))
  mkdirSync(folder)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

const information = (model: string) =>
  `Model: \t\t ${model}\nIRQ:   \t\t 67\nGPU UUID: \t GPU-00000000-0000-0000-0000-000000000000\nVideo BIOS: \t 94.02.26.08.1c\n`

const proprietary = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n" +
  "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"

const open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (dvs-builder@U16)  " +
  "Tue Mar  5 22:15:33 UTC 2024\nGCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n"

const oneGpu = () =>
  machine({
    "proc/driver/nvidia/version": proprietary,
    "proc/driver/nvidia/gpus/0000:01:00.0/information": information("NVIDIA GeForce RTX 3090")
  })

describe("a machine", () => {
  it("has the GPUs that its driver lists, in the order of their places", () => {
    const two = machine({
      "proc/driver/nvidia/version": open,
      "proc/driver/nvidia/gpus/0000:81:00.0/information": information("NVIDIA A100-SXM4-40GB"),
      "proc/driver/nvidia/gpus/0000:01:00.0/information": information("NVIDIA RTX A4000")
    })
    assert.deepStrictEqual(gpusOf(two), [
      { bus: "0000:01:00.0", model: "NVIDIA RTX A4000" },
      { bus: "0000:81:00.0", model: "NVIDIA A100-SXM4-40GB" }
    ])
    assert.strictEqual(driverVersionOf(two), "550.54.15")
    assert.strictEqual(driverVersionOf(oneGpu()), "535.183.01")
  })

  it("has a GPU without its driver where there is one on the bus", () => {
    const device = (vendor: string, kind: string) => ({
      "sys/bus/pci/devices/0000:01:00.0/vendor": `${vendor}\n`,
      "sys/bus/pci/devices/0000:01:00.0/class": `${kind}\n`
    })
    const present = machine(device("0x10de", "0x030000"))
    assert.deepStrictEqual([hasGpu(present), gpusOf(present), driverVersionOf(present)], [true, [], undefined])
    assert.isTrue(hasGpu(machine(device("0x10de", "0x030200"))))
    // NVIDIA's sound, and the GPU of somebody else.
    assert.isFalse(hasGpu(machine(device("0x10de", "0x040300"))))
    assert.isFalse(hasGpu(machine(device("0x1002", "0x030000"))))
    assert.isTrue(hasGpu(machine({ "dev/dxg": "" })))
    assert.isFalse(hasGpu(machine({})))
  })

  it("expects a GPU to be used unless all are hidden", () => {
    const root = oneGpu()
    const expects = (visible?: string) =>
      isGpuExpected({ root, environment: visible === undefined ? {} : { CUDA_VISIBLE_DEVICES: visible } })
    assert.deepStrictEqual([expects(), expects("0"), expects("GPU-1234"), expects("-1"), expects("")], [
      true,
      true,
      true,
      false,
      false
    ])
  })

  it("names the GPU that is used, as far as that can be known", () => {
    const [a, b] = [{ bus: "0000:01:00.0", model: "NVIDIA A" }, { bus: "0000:02:00.0", model: "NVIDIA B" }] as const
    assert.strictEqual(describeGpu([a], {}), "NVIDIA A")
    assert.strictEqual(describeGpu([a, a], {}), "NVIDIA A")
    assert.strictEqual(describeGpu([], {}), "an NVIDIA GPU")
    assert.strictEqual(describeGpu([a, b], { CUDA_VISIBLE_DEVICES: "1" }), "one of NVIDIA A, NVIDIA B")
    const byPlace = { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: "1" }
    assert.strictEqual(describeGpu([a, b], byPlace), "NVIDIA B")
  })
})

describe("CUDA", () => {
  it("is that which a version of TensorFlow is built for", () => {
    assert.deepStrictEqual(cudaFor("2.9.1"), { cuda: "11.2", cudnn: "8.1" })
    assert.deepStrictEqual(cudaFor("2.15.0"), { cuda: "12.2", cudnn: "8.9" })
    assert.deepStrictEqual(cudaFor("2.21.0"), { cuda: "12.5", cudnn: "9.3" })
    assert.isUndefined(cudaFor("2.4.0"))
    assert.isUndefined(cudaFor("1.15.0"))
    assert.isUndefined(cudaFor(""))
  })

  it("is that which the process has loaded", () => {
    const maps = [
      "7f0000000000-7f0000001000 r-xp 00000000 08:01 1 /usr/local/cuda/lib64/libcudart.so.12.5.82",
      "7f0000002000-7f0000003000 r-xp 00000000 08:01 2 /usr/lib/x86_64-linux-gnu/libcudnn.so.9.3.0",
      "7f0000004000-7f0000005000 r-xp 00000000 08:01 3 /usr/lib/x86_64-linux-gnu/libcudnn_ops.so.9.3.0"
    ].join("\n")
    assert.deepStrictEqual(loadedCuda(maps), { cuda: "12.5.82", cudnn: "9.3.0" })
    assert.deepStrictEqual(loadedCuda("7f-80 r-xp 00000000 08:01 1 /usr/lib/libcudart.so.11.0"), { cuda: "11.0" })
    assert.deepStrictEqual(loadedCuda(""), {})
  })
})

const installation: Installation = {
  namedBy: "a test",
  folder: "/engines",
  package: "@tensorflow/tfjs-node-gpu",
  version: "4.22.0",
  addon: "/engines/lib/napi-v8/tfjs_binding.node",
  builtFor: "unknown",
  libraries: [],
  manifest: undefined
}

const loaded = { installation, settings: { device: "auto" as const, threads: 4 }, version: "2.21.0", usesGpu: false }

const withLog = (log: string, asked: Array<string> = []): Sources["diagnose"] => ({ folder }) => {
  asked.push(folder)
  return Effect.succeed<Diagnosis>({ version: "2.21.0", usesGpu: false, log })
}

const neverAsked: Sources["diagnose"] = () => Effect.die("nothing had to be diagnosed")

describe("what TensorFlow computes on", () => {
  it("is a GPU, with everything that has a version", async () => {
    const root = oneGpu()
    mkdirSync(join(root, "proc/self"))
    writeFileSync(join(root, "proc/self/maps"), "7f-80 r-xp 0 0 1 /usr/lib/libcudart.so.12.5.82\n")
    assert.deepStrictEqual(
      await Effect.runPromise(deviceOf({ ...loaded, usesGpu: true }, { root, environment: {}, diagnose: neverAsked })),
      {
        kind: "gpu",
        description: "NVIDIA GeForce RTX 3090",
        threads: 4,
        software: "libtensorflow 2.21.0, CUDA 12.5.82, driver 535.183.01"
      }
    )
  })

  it("is the processor where there is nothing else, or nothing else is wanted", async () => {
    for (
      const sources of [
        { root: machine({}), environment: {} },
        { root: oneGpu(), environment: { CUDA_VISIBLE_DEVICES: "-1" } }
      ]
    ) {
      const device = await Effect.runPromise(deviceOf(loaded, { ...sources, diagnose: neverAsked }))
      assert.deepInclude(device, { kind: "cpu", threads: 4, software: "libtensorflow 2.21.0" })
      assert.isUndefined(device.warning)
    }
    const asked = { ...loaded, settings: { device: "cpu" as const, threads: 1 } }
    const device = await Effect.runPromise(deviceOf(asked, { root: oneGpu(), environment: {}, diagnose: neverAsked }))
    assert.isUndefined(device.warning)
  })

  it("is the processor with a warning where a GPU stands idle", async () => {
    const asked: Array<string> = []
    const log = "W0000 gpu_device.cc:2344] Cannot dlopen some GPU libraries."
    const sources = { root: oneGpu(), environment: {}, diagnose: withLog(log, asked) }
    const device = await Effect.runPromise(deviceOf(loaded, sources))
    assert.strictEqual(device.kind, "cpu")
    assert.strictEqual(
      device.warning,
      "no GPU is used: libtensorflow 2.21.0 does not find libraries of CUDA or cuDNN; install CUDA 12.5 and cuDNN 9.3, " +
        "and put their folders into LD_LIBRARY_PATH"
    )
    assert.deepStrictEqual(asked, ["/engines"])
  })

  it("is an error where a GPU was asked for and is not used", async () => {
    const asked = { ...loaded, settings: { device: "gpu" as const, threads: 4 } }
    const why = async (sources: Sources, installation: Partial<Installation> = {}) => {
      const result = await Effect.runPromise(Effect.result(
        deviceOf({ ...asked, installation: { ...loaded.installation, ...installation } }, {
          environment: {},
          ...sources
        })
      ))
      return Result.isFailure(result) ? result.failure._tag : "none"
    }
    assert.strictEqual(await why({ root: machine({}), diagnose: neverAsked }), "GpuMissing")
    const hidden = { CUDA_VISIBLE_DEVICES: "-1" }
    assert.strictEqual(await why({ root: oneGpu(), environment: hidden, diagnose: neverAsked }), "GpuHidden")
    assert.strictEqual(await why({ root: oneGpu(), diagnose: neverAsked }, { builtFor: "cpu" }), "BuiltWithoutCuda")
    assert.strictEqual(await why({ root: oneGpu(), diagnose: withLog("port.cc: oneDNN") }), "BuiltWithoutCuda")
  })
})

describe("the variables of libtensorflow", () => {
  it("are set where the user has not", () => {
    assert.deepStrictEqual(variablesOf({}, {}), {
      TF_FORCE_GPU_ALLOW_GROWTH: "true",
      TF_CPP_MIN_LOG_LEVEL: "2",
      TF_DETERMINISTIC_OPS: "1",
      NVIDIA_TF32_OVERRIDE: "0"
    })
    assert.deepStrictEqual(
      variablesOf({ threads: 3 }, {
        TF_FORCE_GPU_ALLOW_GROWTH: "false",
        TF_DETERMINISTIC_OPS: "0",
        NVIDIA_TF32_OVERRIDE: "1",
        TF_NUM_INTRAOP_THREADS: "1"
      }),
      { TF_CPP_MIN_LOG_LEVEL: "2", TF_NUM_INTEROP_THREADS: "3" }
    )
    // An empty variable is one that is set.
    assert.notProperty(variablesOf({}, { TF_CPP_MIN_LOG_LEVEL: "" }), "TF_CPP_MIN_LOG_LEVEL")
  })

  it("hide GPUs for the processor alone, whatever the user has made visible", () => {
    assert.strictEqual(variablesOf({ device: "cpu" }, { CUDA_VISIBLE_DEVICES: "1" })["CUDA_VISIBLE_DEVICES"], "-1")
    assert.notProperty(variablesOf({ device: "gpu" }, {}), "CUDA_VISIBLE_DEVICES")
  })
})
