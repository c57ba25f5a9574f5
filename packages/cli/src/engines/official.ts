/**
 * The official archives of libtensorflow, which Google publishes.
 */
import { Effect } from "effect"
import { UnsupportedMachine } from "./errors.ts"
import { variable } from "./folders.ts"
import type { Machine } from "./machine.ts"

/** An archive to download. */
export interface OfficialArchive {
  readonly url: string
  readonly version: string
  readonly sha256: string
}

/** The last version of which there are archives for the CPU and for GPUs. */
const version = "2.18.0"

const archives: { readonly [name: string]: string | undefined } = {
  "cpu-linux-x86_64": "605bfcb370c7e7ec981eabada880f60784e3de018395be95c95c3e5592c3d9a2",
  "gpu-linux-x86_64": "6ca25aae03548cf76f6f68f00bdf53ec39710f08cee23bf6419b9e6e27feca5c",
  "cpu-darwin-arm64": "462257d2792730dcb131fcf21bc826192ae5a2c418535f6347d051f10fc8be8a"
}

/** What the archive for GPUs needs and does not bring along. */
export const gpuArchiveNeeds =
  `the official archive of libtensorflow ${version} for GPUs needs the libraries of CUDA 12.5 and cuDNN 9.3, and is ` +
  `older than GPUs that came after Hopper; a current TensorFlow wheel with NVIDIA's wheels brings its own (--wheel, see docs/engines.md)`

const places: { readonly [machine: string]: string | undefined } = {
  "linux-x64": "linux-x86_64",
  "darwin-arm64": "darwin-arm64"
}

/**
 * The official archive for a machine. The variable `EFFUSION_TENSORFLOW_MIRROR` names another place that has the same
 * files.
 *
 * @example
 * const { url } = yield* officialArchive(machine, { gpu: false })
 */
export const officialArchive = Effect.fnUntraced(
  function*(
    machine: Machine,
    { gpu }: { readonly gpu: boolean }
  ): Effect.fn.Return<OfficialArchive, UnsupportedMachine> {
    const place = places[`${machine.platform}-${machine.arch}`]
    const name = `${gpu ? "gpu" : "cpu"}-${place}`
    const sha256 = archives[name]
    if (sha256 === undefined) {
      return yield* new UnsupportedMachine({
        machine: `${machine.platform}-${machine.arch}`,
        reason: `there is no official libtensorflow for it${gpu ? " and GPUs" : ""}`,
        remedy: "give a wheel: pip download --no-deps tensorflow, then --wheel <file>"
      })
    }
    const mirror = (yield* variable("EFFUSION_TENSORFLOW_MIRROR")) ?? "https://storage.googleapis.com/tensorflow"
    return { url: `${mirror.replace(/\/+$/, "")}/versions/${version}/libtensorflow-${name}.tar.gz`, version, sha256 }
  }
)
