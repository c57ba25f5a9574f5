/** The engine in its eager mode, for tests. */
import { Engine, type EngineUnavailable } from "@effusion/core/engine"
import { Layer } from "effect"
import type { Binding } from "../../../packages/core/src/engine/tensorflow/Binding.ts"
import { makeEager } from "../../../packages/core/src/engine/tensorflow/eager/index.ts"
import { loadBackend } from "../../../packages/core/src/engine/tensorflow/eager/load.ts"
import { loadBinding } from "../../../packages/core/src/engine/tensorflow/installation/index.ts"
import { installation } from "./installation.ts"

/** The folder of the package. */
export const { folder } = installation

const addon = loadBinding(installation.addon)

/** How many float32 tensors of each number of elements were made of arrays in this process. */
export const uploads = new Map<number, number>()

/** The addon, with uploads counted. */
export const binding: Binding = Object.create(addon, {
  createTensor: {
    value: ((shape, dtype, values) => {
      uploads.set(values.length, (uploads.get(values.length) ?? 0) + 1)
      return addon.createTensor(shape, dtype, values)
    }) satisfies Binding["createTensor"]
  }
}) as Binding

export const eagerLayer: Layer.Layer<Engine, EngineUnavailable> = Layer.effect(
  Engine,
  makeEager({ folder, binding, device: { kind: "cpu", description: "the processor", threads: 2 } })
)

/** The addon's tensors as the ledger has them, which are all that there are by the addon's own count. */
export const handles = (): { readonly tensors: number; readonly bytes: number } => {
  const { ledger } = loadBackend(folder, binding)
  const total = ledger.total()
  if (ledger.unaccounted() !== 0 || addon.getNumOfTensors() !== total.tensors) {
    throw new Error(`the ledger has ${total.tensors} tensors and the addon ${addon.getNumOfTensors()}`)
  }
  return total
}
