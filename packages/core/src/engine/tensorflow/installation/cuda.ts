/**
 * The versions of CUDA's libraries: those that a libtensorflow is built for, and those that a process has loaded.
 */
import type { CudaVersions } from "../GpuError.ts"

/**
 * What the official builds of each minor version of TensorFlow 2 were built and tested with, the newest first.
 * Source: https://www.tensorflow.org/install/source#gpu
 */
const tested: ReadonlyArray<readonly [from: number, versions: CudaVersions]> = [
  [18, { cuda: "12.5", cudnn: "9.3" }],
  [16, { cuda: "12.3", cudnn: "8.9" }],
  [15, { cuda: "12.2", cudnn: "8.9" }],
  [14, { cuda: "11.8", cudnn: "8.7" }],
  [12, { cuda: "11.8", cudnn: "8.6" }],
  [5, { cuda: "11.2", cudnn: "8.1" }]
]

/**
 * The CUDA that a libtensorflow is built for, if it is an official one.
 *
 * @example
 * cudaFor("2.9.1") // => { cuda: "11.2", cudnn: "8.1" }
 */
export const cudaFor = (libtensorflow: string): CudaVersions | undefined => {
  const [major, minor = 0] = libtensorflow.split(".").map(Number)
  return major === 2 ? tested.find(([from]) => minor >= from)?.[1] : undefined
}

/**
 * The versions of CUDA's runtime and of cuDNN that a process has loaded, by the names of their files.
 *
 * @param maps the text of `/proc/<process>/maps`
 * @example
 * loadedCuda("... /usr/lib/libcudart.so.12.5.82\n... /usr/lib/libcudnn.so.9.3.0") // => { cuda: "12.5.82", cudnn: "9.3.0" }
 */
export const loadedCuda = (maps: string): Partial<CudaVersions> => {
  const cuda = versionOf("libcudart", maps)
  const cudnn = versionOf("libcudnn", maps)
  return { ...(cuda === undefined ? {} : { cuda }), ...(cudnn === undefined ? {} : { cudnn }) }
}

const versionOf = (library: string, maps: string): string | undefined =>
  new RegExp(String.raw`/${library}\.so\.([0-9.]+)\s*$`, "m").exec(maps)?.[1]
