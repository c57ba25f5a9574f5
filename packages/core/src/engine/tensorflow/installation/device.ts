/**
 * What TensorFlow computes on, with everything that is worth knowing about it. It falls back to the processor without a
 * word; here it is found out, and why.
 */
import { Effect, Result } from "effect"
import { cpus } from "node:os"
import { join } from "node:path"
import type { DeviceInfo } from "../../Engine.ts"
import { BuiltWithoutCuda, type GpuError, GpuUnusable } from "../GpuError.ts"
import type { LoadError } from "../TensorflowError.ts"
import { loadedCuda } from "./cuda.ts"
import { diagnose, type Diagnosis } from "./diagnose.ts"
import { type Environment, environment } from "./environment.ts"
import { textOf } from "./files.ts"
import { gpuProblem, hidesAll } from "./gpuProblem.ts"
import { describeGpu, driverVersionOf, gpusOf, hasGpu } from "./gpus.ts"
import type { Installation } from "./Installation.ts"
import type { SettledSettings } from "./settings.ts"

/** TensorFlow, loaded. */
export interface Loaded {
  readonly installation: Installation
  readonly settings: SettledSettings
  /** The version of libtensorflow (`TF_Version` of the binding). */
  readonly version: string
  /** Whether it computes with a GPU (`isUsingGpuDevice()` of the binding). */
  readonly usesGpu: boolean
}

/** Where facts come from; tests have others than this machine. */
export interface Sources {
  /** The root of the file system. */
  readonly root?: string | undefined
  readonly environment?: Environment | undefined
  readonly diagnose?: ((installation: Installation) => Effect.Effect<Diagnosis, LoadError>) | undefined
}

/**
 * What a loaded TensorFlow computes on. Where it is the processor although there is a GPU that nobody has hidden, the
 * `warning` says why.
 *
 * Fails where a GPU was asked for (`device: "gpu"`) and is not used.
 *
 * @example
 * const { description } = yield* deviceOf({ ...prepared, version: binding.TF_Version, usesGpu: binding.isUsingGpuDevice() })
 */
export const deviceOf = Effect.fnUntraced(
  function*(loaded: Loaded, sources: Sources = {}): Effect.fn.Return<DeviceInfo, GpuError> {
    const { installation, settings: { device, threads }, usesGpu, version } = loaded
    const { root = "/" } = sources
    const variables = sources.environment ?? environment()
    if (usesGpu) {
      const { cuda, cudnn } = loadedCuda(textOf(join(root, "proc/self/maps")) ?? "")
      const driver = driverVersionOf(root)
      const software = [
        `libtensorflow ${version}`,
        ...(cuda === undefined ? [] : [`CUDA ${cuda}`]),
        ...(cudnn === undefined ? [] : [`cuDNN ${cudnn}`]),
        ...(driver === undefined ? [] : [`driver ${driver}`])
      ]
      return { kind: "gpu", description: describeGpu(gpusOf(root), variables), threads, software: software.join(", ") }
    }
    const processor: DeviceInfo = {
      kind: "cpu",
      description: cpus()[0]?.model.trim() ?? process.arch,
      threads,
      software: `libtensorflow ${version}`
    }
    if (device === "gpu") return yield* yield* whyNoGpu(installation, sources)
    if (device === "cpu" || !isGpuExpected(sources)) return processor
    return { ...processor, warning: `no GPU is used: ${(yield* whyNoGpu(installation, sources)).message}` }
  }
)

/**
 * Whether there is a GPU of NVIDIA's that nobody has hidden.
 *
 * @example
 * if (!isGpuExpected()) return "onnx"
 */
export const isGpuExpected = (sources: Sources = {}): boolean => {
  const visible = (sources.environment ?? environment())["CUDA_VISIBLE_DEVICES"]
  return (visible === undefined || !hidesAll(visible)) && hasGpu(sources.root)
}

/**
 * Why an installation computes with the processor, or would. It is loaded in a process of its own, for its log, unless what
 * is known of it says enough.
 */
export const whyNoGpu = Effect.fnUntraced(
  function*(installation: Installation, sources: Sources = {}): Effect.fn.Return<GpuError> {
    const { root = "/" } = sources
    const facts = {
      log: "",
      gpus: gpusOf(root),
      pluggedIn: hasGpu(root),
      driverVersion: driverVersionOf(root),
      visibleDevices: (sources.environment ?? environment())["CUDA_VISIBLE_DEVICES"],
      libtensorflow: installation.manifest?.libtensorflow ?? "",
      folder: installation.folder
    }
    if (!isGpuExpected(sources)) return gpuProblem(facts)
    if (installation.builtFor === "cpu") {
      return new BuiltWithoutCuda({ folder: installation.folder, version: facts.libtensorflow })
    }
    const diagnosis = yield* Effect.result((sources.diagnose ?? diagnose)(installation))
    return Result.isSuccess(diagnosis)
      ? gpuProblem({ ...facts, log: diagnosis.success.log, libtensorflow: diagnosis.success.version })
      : new GpuUnusable({ model: describeGpu(facts.gpus, {}), detail: diagnosis.failure.problem })
  }
)
