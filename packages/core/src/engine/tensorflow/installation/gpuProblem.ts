/**
 * What TensorFlow's log says about a GPU that it does not use. Its words differ from version to version; whole logs of
 * several are in the tests.
 */
import {
  BuiltWithoutCuda,
  CudaLibrariesMissing,
  CudnnMismatch,
  DriverMismatch,
  DriverMissing,
  DriverTooOld,
  type GpuError,
  GpuHidden,
  GpuMissing,
  GpuTooOld,
  GpuUnusable
} from "../GpuError.ts"
import { cudaFor } from "./cuda.ts"
import { describeGpu, type Gpu } from "./gpus.ts"

/** What is known about a process in which TensorFlow computes with the processor. */
export interface GpuFacts {
  /** What TensorFlow wrote to standard error with its full log (`TF_CPP_MIN_LOG_LEVEL=0`). */
  readonly log: string
  readonly gpus: ReadonlyArray<Gpu>
  /** Whether a GPU of NVIDIA's is plugged in, driver or not. */
  readonly pluggedIn: boolean
  readonly driverVersion: string | undefined
  /** The variable `CUDA_VISIBLE_DEVICES`. */
  readonly visibleDevices: string | undefined
  /** The version of libtensorflow, and the folder of the package. */
  readonly libtensorflow: string
  readonly folder: string
}

/**
 * Why TensorFlow does not use a GPU.
 *
 * @example
 * gpuProblem({ ...facts, visibleDevices: "-1" })._tag // => "GpuHidden"
 */
export const gpuProblem = (facts: GpuFacts): GpuError => {
  const { driverVersion, folder, gpus, libtensorflow, log, visibleDevices } = facts
  if (visibleDevices !== undefined && hidesAll(visibleDevices)) return new GpuHidden({ visibleDevices })
  if (gpus.length === 0 && !facts.pluggedIn) return new GpuMissing()

  const wanted = cudaFor(libtensorflow)
  const cudnn = /Loaded runtime CuDNN library: ([\d.]*\d) but source was compiled with: ([\d.]*\d)/i.exec(log)
  if (cudnn !== null) return new CudnnMismatch({ loaded: cudnn[1]!, wanted: cudnn[2]! })
  const versions = /kernel version ([\d.]+) does not match DSO version ([\d.]+)/.exec(log)
  if (versions !== null) return new DriverMismatch({ kernelVersion: versions[1]!, libraryVersion: versions[2]! })
  if (tooOldDriver.test(log)) return new DriverTooOld({ version: driverVersion, libtensorflow, wanted })

  const missing = missingLibraries(log)
  if (missing.includes(driverLibrary) || noDriver.test(log)) {
    return new DriverMissing({ kernelVersion: driverVersion })
  }
  if (missing.length > 0) return new CudaLibrariesMissing({ libraries: missing, libtensorflow, wanted })
  const old =
    /Ignoring visible gpu device \(.*?name: (.+?), pci.*\) with Cuda compute capability ([\d.]+)\. The minimum required Cuda capability is ([\d.]*\d)/
      .exec(log)
  if (old !== null) return new GpuTooOld({ model: old[1]!, capability: old[2]!, minimum: old[3]! })
  const noDevice = /CUDA_ERROR_NO_DEVICE|UNKNOWN ERROR \(100\)/.test(log)
  // A list of GPUs ends at the first number that no GPU has.
  if (noDevice && visibleDevices !== undefined) return new GpuHidden({ visibleDevices })
  const unnamed = /Cannot dlopen some GPU libraries|Could not find cuda drivers/.test(log)
  if (unnamed) return new CudaLibrariesMissing({ libraries: [], libtensorflow, wanted })
  if (!/cuda|gpu_device/i.test(log)) return new BuiltWithoutCuda({ folder, version: libtensorflow })
  return new GpuUnusable({ model: describeGpu(gpus, {}), detail: complaintOf(log) })
}

/** A list of GPUs that has none in it. */
export const hidesAll = (visibleDevices: string): boolean => {
  const first = visibleDevices.split(",")[0]!.trim()
  return first === "" || first === "NoDevFiles" || /^-\d+$/.test(first)
}

const tooOldDriver =
  /CUDA driver version is insufficient for CUDA runtime version|CUDA_ERROR_(SYSTEM_DRIVER_MISMATCH|COMPAT_NOT_SUPPORTED_ON_DEVICE|UNSUPPORTED_PTX_VERSION)/

const driverLibrary = "libcuda.so.1"

/** CUDA's error 303 is that of a library that cannot be loaded, and the library is the driver's. */
const noDriver = /UNKNOWN ERROR \(303\)|kernel driver does not appear to be running/

/** Libraries that could not be loaded, but for those of TensorRT, which nobody needs here. */
const missingLibraries = (log: string): ReadonlyArray<string> => {
  const names = [...log.matchAll(/Could not load dynamic library '([^']+)'; dlerror: (?:([^\s:]+): cannot open)?/g)]
    // Where a library is there and one that it needs is not, it is that one.
    .map(([, library, needed]) => needed ?? library!)
    .filter((name) => !name.startsWith("libnvinfer"))
  return [...new Set(names)]
}

/** The first line of the log that is a warning or an error, without its time and place. */
const complaintOf = (log: string): string | undefined =>
  log.split("\n").flatMap((line) => /^(?:[EWF]\d{4} |.*: [EWF] )\S*.*?\] (.+)$/.exec(line)?.[1] ?? [])
    .find((words) => /cuda|gpu|device/i.test(words) && !/register cu\w+ factory/i.test(words))?.trim()
