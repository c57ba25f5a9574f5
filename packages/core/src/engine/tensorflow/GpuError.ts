/**
 * Why TensorFlow computes with the processor where a GPU was to be expected, one class a cause. It says so nowhere but in
 * its log, and goes on.
 */
import { Data } from "effect"

const doctor = "\"effusion engine doctor\" shows TensorFlow's own words"

/** There is no NVIDIA GPU in the machine. */
export class GpuMissing extends Data.TaggedError("GpuMissing")<{}> {
  get problem() {
    return "there is no NVIDIA GPU in this machine"
  }
  get remedy() {
    return "compute with the processor (--device cpu)"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** All GPUs are hidden from this process. */
export class GpuHidden extends Data.TaggedError("GpuHidden")<{
  /** The value of the variable `CUDA_VISIBLE_DEVICES`. */
  readonly visibleDevices: string
}> {
  get problem() {
    return `CUDA_VISIBLE_DEVICES="${this.visibleDevices}" hides every GPU`
  }
  get remedy() {
    return "unset it, or give it the number of a GPU (0 is the first)"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The installed libtensorflow is one for processors. */
export class BuiltWithoutCuda extends Data.TaggedError("BuiltWithoutCuda")<{
  readonly folder: string
  readonly version: string
}> {
  get problem() {
    return `libtensorflow ${this.version} in ${this.folder} is built without CUDA`
  }
  get remedy() {
    return "install one with it: \"effusion engine install tensorflow --gpu\""
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** Libraries of CUDA, or cuDNN, are not where TensorFlow looks for them. */
export class CudaLibrariesMissing extends Data.TaggedError("CudaLibrariesMissing")<{
  /** Those that TensorFlow names; newer versions name none. */
  readonly libraries: ReadonlyArray<string>
  readonly libtensorflow: string
  /** The versions that this libtensorflow is built for, where they are known. */
  readonly wanted: CudaVersions | undefined
}> {
  get problem() {
    const what = this.libraries.length === 0 ? "libraries of CUDA or cuDNN" : this.libraries.join(", ")
    return `libtensorflow ${this.libtensorflow} does not find ${what}`
  }
  get remedy() {
    const { wanted } = this
    const what = wanted === undefined
      ? "the CUDA and cuDNN it is built for"
      : `CUDA ${wanted.cuda} and cuDNN ${wanted.cudnn}`
    return `install ${what}, and put their folders into LD_LIBRARY_PATH`
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The versions of CUDA's libraries that a libtensorflow is built for. */
export interface CudaVersions {
  readonly cuda: string
  readonly cudnn: string
}

/** The cuDNN that is there is older than the one that TensorFlow was built with, or of another major version. */
export class CudnnMismatch extends Data.TaggedError("CudnnMismatch")<{
  readonly loaded: string
  readonly wanted: string
}> {
  get problem() {
    return `cuDNN ${this.loaded} is installed, and libtensorflow was built with ${this.wanted}`
  }
  get remedy() {
    const [major, minor] = this.wanted.split(".")
    return `install cuDNN ${major}.${minor} or a newer ${major}.x`
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The kernel has no driver of NVIDIA's, or its library `libcuda.so.1` cannot be found. */
export class DriverMissing extends Data.TaggedError("DriverMissing")<{
  /** The version of the kernel's part, where that is there and only the library is missing. */
  readonly kernelVersion: string | undefined
}> {
  get problem() {
    return this.kernelVersion === undefined
      ? "NVIDIA's driver is not running"
      : `libcuda.so.1 is missing, the library of NVIDIA's driver ${this.kernelVersion}`
  }
  get remedy() {
    return this.kernelVersion === undefined
      ? "install it (in a container: start it with --gpus all)"
      : "install the driver's libraries (in a container: start it with --gpus all)"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The kernel's part of the driver and its library are of two versions. */
export class DriverMismatch extends Data.TaggedError("DriverMismatch")<{
  readonly kernelVersion: string
  readonly libraryVersion: string
}> {
  get problem() {
    return `NVIDIA's driver is ${this.kernelVersion} in the kernel, and its library is ${this.libraryVersion}`
  }
  get remedy() {
    return "restart the machine, or install the same version of both"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** The driver does not know the CUDA that TensorFlow was built with. */
export class DriverTooOld extends Data.TaggedError("DriverTooOld")<{
  readonly version: string | undefined
  readonly libtensorflow: string
  readonly wanted: CudaVersions | undefined
}> {
  get problem() {
    const { libtensorflow, version, wanted } = this
    return `NVIDIA's driver${version === undefined ? "" : ` ${version}`} is too old for the CUDA` +
      `${wanted === undefined ? "" : ` ${wanted.cuda}`} of libtensorflow ${libtensorflow}`
  }
  get remedy() {
    return "install a newer driver, or an older TensorFlow"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** TensorFlow has no code for a GPU as old as this. */
export class GpuTooOld extends Data.TaggedError("GpuTooOld")<{
  readonly model: string
  /** CUDA's compute capability of the GPU, and the least that will do. */
  readonly capability: string
  readonly minimum: string
}> {
  get problem() {
    return `${this.model} has CUDA's compute capability ${this.capability}, and this libtensorflow needs ${this.minimum}`
  }
  get remedy() {
    return "install an older TensorFlow, or compute with the processor (--device cpu)"
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** There is a GPU, and TensorFlow does not use it, for a reason that is none of the others. */
export class GpuUnusable extends Data.TaggedError("GpuUnusable")<{
  readonly model: string
  /** TensorFlow's own words, as far as there are any. */
  readonly detail: string | undefined
}> {
  get problem() {
    return `TensorFlow does not use ${this.model}${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
  get remedy() {
    return doctor
  }
  override get message() {
    return `${this.problem}; ${this.remedy}`
  }
}

/** Why there is no GPU to compute with. */
export type GpuError =
  | GpuMissing
  | GpuHidden
  | BuiltWithoutCuda
  | CudaLibrariesMissing
  | CudnnMismatch
  | DriverMissing
  | DriverMismatch
  | DriverTooOld
  | GpuTooOld
  | GpuUnusable
