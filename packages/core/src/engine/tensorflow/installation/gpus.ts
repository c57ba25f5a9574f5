/**
 * The NVIDIA GPUs of the machine, as the kernel's driver lists them. It needs neither CUDA nor a process.
 */
import { join } from "node:path"
import { entriesOf, textOf } from "./files.ts"

/** A GPU. */
export interface Gpu {
  /** As it calls itself, e.g. `NVIDIA GeForce RTX 3090`. */
  readonly model: string
  /** Where it is plugged in, e.g. `0000:01:00.0`. */
  readonly bus: string
}

/** Where the kernel's driver lists GPUs. */
export const driverFolder = "/proc/driver/nvidia"

/**
 * The GPUs that the kernel's driver has, or none where there is no driver.
 *
 * @example
 * gpusOf() // => [{ model: "NVIDIA H100 PCIe", bus: "0000:01:00.0" }]
 */
export const gpusOf = (folder: string = driverFolder): ReadonlyArray<Gpu> =>
  (entriesOf(join(folder, "gpus")) ?? []).map((bus) => {
    const text = textOf(join(folder, "gpus", bus, "information")) ?? ""
    return { bus, model: /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim() ?? "an NVIDIA GPU" }
  })

/**
 * The version of the kernel's driver, or `undefined` where there is none.
 *
 * @example
 * driverVersionOf() // => "535.183.01"
 */
export const driverVersionOf = (folder: string = driverFolder): string | undefined => {
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024", or "... Open Kernel
  // Module for x86_64  535.183.01 ...".
  const line = /^NVRM version:.*$/m.exec(textOf(join(folder, "version")) ?? "")?.[0]
  return line === undefined ? undefined : /\s(\d+\.\d+(?:\.\d+)?)\s/.exec(line)?.[1]
}
