/**
 * The NVIDIA GPUs of the machine, by what the kernel says of them. It needs neither CUDA nor a process.
 *
 * Every function takes the root of the file system, which tests have elsewhere.
 */
import { join } from "node:path"
import type { Environment } from "./environment.ts"
import { entriesOf, textOf } from "./files.ts"

/** A GPU that the driver has. */
export interface Gpu {
  /** As it calls itself, e.g. `NVIDIA GeForce RTX 3090`. */
  readonly model: string
  /** Where it is plugged in, e.g. `0000:01:00.0`. */
  readonly bus: string
}

/**
 * The GPUs that the kernel's driver has, in the order of their places; none where there is no driver.
 *
 * @example
 * gpusOf() // => [{ model: "NVIDIA H100 PCIe", bus: "0000:01:00.0" }]
 */
export const gpusOf = (root = "/"): ReadonlyArray<Gpu> => {
  const folder = join(root, "proc/driver/nvidia/gpus")
  return (entriesOf(folder) ?? []).toSorted().map((bus) => {
    const text = textOf(join(folder, bus, "information")) ?? ""
    return { bus, model: /^Model:\s*(.+)$/m.exec(text)?.[1]?.trim() ?? anyGpu }
  })
}

/** What a GPU is called that does not say its name. */
const anyGpu = "an NVIDIA GPU"

/**
 * Whether there is a GPU of NVIDIA's, with its driver or without: on the PCI bus, or, in Windows' subsystem for Linux,
 * behind the device that stands for all GPUs there.
 */
export const hasGpu = (root = "/"): boolean => {
  if (gpusOf(root).length > 0 || (entriesOf(join(root, "dev")) ?? []).includes("dxg")) return true
  const folder = join(root, "sys/bus/pci/devices")
  return (entriesOf(folder) ?? []).some((bus) =>
    textOf(join(folder, bus, "vendor"))?.trim() === nvidia &&
    textOf(join(folder, bus, "class"))?.startsWith(displayController) === true
  )
}

/** PCI's number of the vendor, and the beginning of its numbers of what shows pictures or computes them. */
const [nvidia, displayController] = ["0x10de", "0x03"]

/**
 * The version of the kernel's driver, or `undefined` where there is none.
 *
 * @example
 * driverVersionOf() // => "535.183.01"
 */
export const driverVersionOf = (root = "/"): string | undefined => {
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024", or "... Open Kernel
  // Module for x86_64  550.54.15  Release Build ...".
  const line = /^NVRM version:.*$/m.exec(textOf(join(root, "proc/driver/nvidia/version")) ?? "")?.[0]
  return line === undefined ? undefined : /\s(\d+\.\d+(?:\.\d+)?)(?:\s|$)/.exec(line)?.[1]
}

/**
 * What the GPU that is computed on is called. Where several differ, it is known by its number only where CUDA was told to
 * number them by their places; by itself it puts the fastest first.
 *
 * @example
 * describeGpu([{ model: "NVIDIA A100", bus: "0000:01:00.0" }], {}) // => "NVIDIA A100"
 */
export const describeGpu = (gpus: ReadonlyArray<Gpu>, variables: Environment): string => {
  const { CUDA_DEVICE_ORDER: order, CUDA_VISIBLE_DEVICES: visible } = variables
  const chosen = /^\d+$/.test(visible?.trim() ?? "") && order === "PCI_BUS_ID" ? gpus[Number(visible)] : undefined
  const models = [...new Set((chosen === undefined ? gpus : [chosen]).map(({ model }) => model))]
  return models.length > 1 ? `one of ${models.join(", ")}` : models[0] ?? anyGpu
}
