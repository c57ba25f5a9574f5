/**
 * What logs of libtensorflow say, in its own words: lines of logs that users of several versions have published.
 */
import { assert, describe, it } from "vitest"
import { type GpuFacts, gpuProblem } from "../../../../packages/core/src/engine/tensorflow/installation/gpuProblem.ts"

const machine: Omit<GpuFacts, "log"> = {
  gpus: [{ model: "NVIDIA GeForce RTX 3090", bus: "0000:01:00.0" }],
  pluggedIn: true,
  driverVersion: "535.183.01",
  visibleDevices: undefined,
  libtensorflow: "2.9.1",
  folder: "/engines/tensorflow"
}

const problemOf = (log: string, facts: Partial<GpuFacts> = {}) => gpuProblem({ ...machine, ...facts, log })

/** tensorflow/tfjs#8269: tfjs-node-gpu 4.19, libtensorflow 2.9.1, CUDA 12.4. */
const withoutCudnn = `
2024-05-06 00:05:33.711121: I tensorflow/stream_executor/cuda/cuda_gpu_executor.cc:975] successful NUMA node read from SysFS had negative value (-1), but there must be at least one NUMA node, so returning NUMA node zero
2024-05-06 00:05:33.767399: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcudnn.so.8'; dlerror: libcudnn.so.8: cannot open shared object file: No such file or directory
2024-05-06 00:05:33.767416: W tensorflow/core/common_runtime/gpu/gpu_device.cc:1850] Cannot dlopen some GPU libraries. Please make sure the missing libraries mentioned above are installed properly if you would like to use GPU. Follow the guide at https://www.tensorflow.org/install/gpu for how to download and setup the required libraries for your platform.
Skipping registering GPU devices...
`

/** tensorflow/tensorflow#74459 (the engine of tfjs-node-gpu) and #5267 of tensorflow/tfjs, with TensorRT's lines. */
const withoutCuda11 = `
2024-08-24 15:40:49.279326: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libnvinfer.so.7'; dlerror: libnvinfer.so.7: cannot open shared object file: No such file or directory; LD_LIBRARY_PATH: /usr/local/cuda/lib64
2024-08-24 15:40:49.279326: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file: No such file or directory
2024-08-24 15:40:49.279356: I tensorflow/stream_executor/cuda/cudart_stub.cc:29] Ignore above cudart dlerror if you do not have a GPU set up on your machine.
2024-08-24 15:40:49.329972: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcusolver.so.11'; dlerror: libnvJitLink.so.12: cannot open shared object file: No such file or directory
2024-08-24 15:40:49.329972: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file: No such file or directory
`

/** tensorflow/tensorflow#85689 and #88676: TensorFlow 2.18, which names no library (#66987). */
const unnamed218 = `
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
E0000 00:00:1737749008.639844   35316 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered
E0000 00:00:1737749008.643244   35316 cuda_blas.cc:1418] Unable to register cuBLAS factory: Attempting to register factory for plugin cuBLAS when one has already been registered
W0000 00:00:1733476850.581204       1 gpu_device.cc:2344] Cannot dlopen some GPU libraries. Please make sure the missing libraries mentioned above are installed properly if you would like to use GPU. Follow the guide at https://www.tensorflow.org/install/gpu for how to download and setup the required libraries for your platform.
Skipping registering GPU devices...
`

/** tensorflow/tensorflow#60913: TensorFlow 2.18 or newer. */
const oldCudnn = `
E0000 00:00:1738697930.202924    7665 cuda_dnn.cc:522] Loaded runtime CuDNN library: 9.1.0 but source was compiled with: 9.3.0.  CuDNN library needs to have matching major version and equal or higher minor version. If using a binary install, upgrade your CuDNN library.
2025-02-04 20:38:50.230519: W tensorflow/core/framework/op_kernel.cc:1841] OP_REQUIRES failed at xla_ops.cc:577 : FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above for more details.
`

/** google-research/deeplab2#66: TensorFlow 2.5 to 2.9. */
const oldCudnn29 = `
2021-10-13 17:19:29.385716: E tensorflow/stream_executor/cuda/cuda_dnn.cc:362] Loaded runtime CuDNN library: 8.0.4 but source was compiled with: 8.1.0.  CuDNN library needs to have matching major version and equal or higher minor version.
`

/** tensorflow/tensorflow#48722: TensorFlow 2.5 in a container. */
const mismatch = `
E tensorflow/stream_executor/cuda/cuda_driver.cc:328] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected
I tensorflow/stream_executor/cuda/cuda_diagnostics.cc:200] libcuda reported version is: 460.73.1
I tensorflow/stream_executor/cuda/cuda_diagnostics.cc:204] kernel reported version is: 455.32.0
E tensorflow/stream_executor/cuda/cuda_diagnostics.cc:313] kernel version 455.32.0 does not match DSO version 460.73.1 -- cannot find working devices in this configuration
`

/** TensorFlow 2.8 and 2.9 where there is no libcuda.so.1. */
const withoutDriver = `
2022-04-28 03:54:33.745939: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcuda.so.1'; dlerror: libcuda.so.1: cannot open shared object file: No such file or directory
2022-04-28 03:54:33.746027: W tensorflow/stream_executor/cuda/cuda_driver.cc:269] failed call to cuInit: UNKNOWN ERROR (303)
2022-04-28 03:54:33.746059: I tensorflow/stream_executor/cuda/cuda_diagnostics.cc:156] kernel driver does not appear to be running on this host (a-host): /proc/driver/nvidia/version does not exist
`

/** TensorFlow 2.19 and 2.20 where there is no libcuda.so.1. */
const withoutDriver219 = `
2025-11-12 05:27:34.116389: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
2025-11-12 05:27:34.609829: E external/local_xla/xla/stream_executor/cuda/cuda_platform.cc:51] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)
`

/** tensorflow/tensorflow#61947: TensorFlow 2.12. */
const oldDriver = `
2023-09-24 12:00:00.000000: E tensorflow/core/common_runtime/session.cc:90] Failed to create session: INTERNAL: cudaGetDevice() failed. Status: CUDA driver version is insufficient for CUDA runtime version
`

/** tensorflow/tensorflow#46653 and others: the words are the same in 2.9 and 2.21. */
const oldGpu = `
2020-07-07 15:35:48.536480: I tensorflow/core/common_runtime/gpu/gpu_device.cc:1721] Ignoring visible gpu device (device: 0, name: GeForce GTX 780M, pci bus id: 0000:01:00.0, compute capability: 3.0) with Cuda compute capability 3.0. The minimum required Cuda capability is 3.5.
`

/** A build without CUDA: libtensorflow 2.21, as it begins everywhere. */
const processorBuild = `
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795511687.884717    4150 port.cc:153] oneDNN custom operations are on. You may see slightly different numerical results due to floating-point round-off errors from different computation orders. To turn them off, set the environment variable \`TF_ENABLE_ONEDNN_OPTS=0\`.
I0000 00:00:1795511688.053492    4150 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use available CPU instructions in performance-critical operations.
`

describe("a GPU that TensorFlow does not use", () => {
  it("for want of libraries, which it names", () => {
    const missing = problemOf(withoutCudnn)
    assert.deepInclude(missing, { _tag: "CudaLibrariesMissing", libraries: ["libcudnn.so.8"] })
    assert.strictEqual(
      missing.message,
      "libtensorflow 2.9.1 does not find libcudnn.so.8; install CUDA 11.2 and cuDNN 8.1, and put their folders into " +
        "LD_LIBRARY_PATH"
    )
    // Each once, the one that is missing and not the one that needs it, and nothing of TensorRT.
    assert.deepInclude(problemOf(withoutCuda11), { libraries: ["libcudart.so.11.0", "libnvJitLink.so.12"] })
  })

  it("for want of libraries, which newer versions do not name", () => {
    assert.strictEqual(
      problemOf(unnamed218, { libtensorflow: "2.18.0" }).message,
      "libtensorflow 2.18.0 does not find libraries of CUDA or cuDNN; install CUDA 12.5 and cuDNN 9.3, and put their " +
        "folders into LD_LIBRARY_PATH"
    )
  })

  it("because cuDNN is older than it needs", () => {
    assert.deepInclude(problemOf(oldCudnn), { _tag: "CudnnMismatch", loaded: "9.1.0", wanted: "9.3.0" })
    assert.strictEqual(
      problemOf(oldCudnn29).message,
      "cuDNN 8.0.4 is installed, and libtensorflow was built with 8.1.0; install cuDNN 8.1 or a newer 8.x"
    )
  })

  it("because of the driver", () => {
    assert.deepInclude(problemOf(mismatch), {
      _tag: "DriverMismatch",
      kernelVersion: "455.32.0",
      libraryVersion: "460.73.1"
    })
    for (const log of [withoutDriver, withoutDriver219]) {
      const missing = problemOf(log, { gpus: [], driverVersion: undefined })
      assert.deepInclude(missing, { _tag: "DriverMissing", kernelVersion: undefined })
      assert.match(missing.message, /^NVIDIA's driver is not running; install it/)
    }
    assert.match(problemOf(withoutDriver219).message, /^libcuda\.so\.1 is missing, .* driver 535\.183\.01; /)
    assert.strictEqual(
      problemOf(oldDriver, { libtensorflow: "2.12.0" }).message,
      "NVIDIA's driver 535.183.01 is too old for the CUDA 11.8 of libtensorflow 2.12.0; install a newer driver, or an " +
        "older TensorFlow"
    )
  })

  it("because it is too old", () => {
    assert.deepInclude(problemOf(oldGpu), {
      _tag: "GpuTooOld",
      model: "GeForce GTX 780M",
      capability: "3.0",
      minimum: "3.5"
    })
  })

  it("because the build has no CUDA, which says nothing of it", () => {
    const without = problemOf(processorBuild, { libtensorflow: "2.21.0" })
    assert.strictEqual(without._tag, "BuiltWithoutCuda")
    assert.match(without.message, /libtensorflow 2\.21\.0 in \/engines\/tensorflow .* --gpu/)
  })

  it("for a reason that only TensorFlow knows", () => {
    const log =
      "2025-11-12 05:27:34.609829: E external/local_xla/xla/stream_executor/cuda/cuda_platform.cc:51] failed " +
      "call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY: system not yet initialized"
    assert.deepInclude(problemOf(`${unnamed218.split("\n").slice(0, 4).join("\n")}\n${log}`), {
      _tag: "GpuUnusable",
      model: "NVIDIA GeForce RTX 3090",
      detail: "failed call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY: system not yet initialized"
    })
  })
})

describe("no GPU", () => {
  const noDevice =
    "E tensorflow/stream_executor/cuda/cuda_driver.cc:328] failed call to cuInit: CUDA_ERROR_NO_DEVICE: " +
    "no CUDA-capable device is detected"
  const noDevice219 =
    "2026-06-05 02:18:10.729273: E external/local_xla/xla/stream_executor/cuda/cuda_platform.cc:51] " +
    "failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (100)"

  it("because all are hidden", () => {
    for (const visibleDevices of ["", "-1", "NoDevFiles", "-1,0"]) {
      assert.deepInclude(problemOf("", { visibleDevices }), { _tag: "GpuHidden", visibleDevices })
    }
    // Only CUDA knows how many there are.
    for (const log of [noDevice, noDevice219]) {
      assert.deepInclude(problemOf(log, { visibleDevices: "7" }), { _tag: "GpuHidden", visibleDevices: "7" })
      assert.strictEqual(problemOf(log)._tag, "GpuUnusable")
    }
  })

  it("because the machine has none", () => {
    const none = { gpus: [], pluggedIn: false, driverVersion: undefined }
    for (const log of ["", withoutDriver, withoutDriver219, processorBuild]) {
      assert.strictEqual(problemOf(log, none)._tag, "GpuMissing")
    }
  })
})

describe("every problem", () => {
  it("is one line, with a remedy", () => {
    for (
      const log of [
        withoutCudnn,
        withoutCuda11,
        unnamed218,
        oldCudnn,
        mismatch,
        withoutDriver,
        oldDriver,
        oldGpu,
        "",
        "cuda"
      ]
    ) {
      const { message, problem, remedy } = problemOf(log)
      assert.strictEqual(message, `${problem}; ${remedy}`)
      assert.notMatch(message, /undefined|\n/)
    }
  })
})
