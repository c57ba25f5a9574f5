/**
 * Everything that is done before TensorFlow is loaded.
 */
import { Effect } from "effect"
import type { GpuError } from "../GpuError.ts"
import type { LoadError } from "../TensorflowError.ts"
import { isGpuExpected, whyNoGpu } from "./device.ts"
import { find, type FindOptions } from "./find.ts"
import type { Installation } from "./Installation.ts"
import { damageOf } from "./load.ts"
import { abandon, keep, type Settings, settle, type SettledSettings } from "./settings.ts"

/** TensorFlow, found and ready to be loaded by `loadBinding` in any thread. */
export interface Prepared {
  readonly installation: Installation
  readonly settings: SettledSettings
  /** To be called once it is loaded: from then on the process has these settings. */
  readonly keep: Effect.Effect<void>
  /** To be called where it cannot be loaded: the process is free to take other settings. */
  readonly abandon: Effect.Effect<void>
}

/**
 * Finds the package, looks whether its files are whole and whether there is the GPU that was asked for, and sets what
 * libtensorflow reads when it is loaded. To be called in the main thread; nothing is loaded yet.
 *
 * @example
 * const { installation } = yield* prepare({ device: "cpu", threads: 2 })
 * const binding = loadBinding(installation.addon)
 */
export const prepare = Effect.fnUntraced(
  function*(options: FindOptions & Settings): Effect.fn.Return<Prepared, LoadError | GpuError> {
    const installation = yield* find(options)
    const damaged = damageOf(installation)
    if (damaged !== undefined) return yield* damaged
    if (options.device === "gpu" && !isGpuExpected()) return yield* yield* whyNoGpu(installation)
    return { installation, settings: yield* settle(options), keep, abandon }
  }
)
