/**
 * The settings of libtensorflow. It reads them when it is loaded or first used, once a process, from variables; those that
 * the user has set stay as they are.
 */
import { Effect } from "effect"
import { availableParallelism } from "node:os"
import { InvalidSetting, SettingsInUse } from "../TensorflowError.ts"
import { type Environment, environment, setVariable } from "./environment.ts"
import { type Gpu, gpusOf } from "./gpus.ts"

/** What to compute on. A GPU of several is chosen by `CUDA_VISIBLE_DEVICES`, as with every program that uses CUDA. */
export type Device = "auto" | "cpu" | "gpu"

/** What can be asked of libtensorflow. */
export interface Settings {
  /** `auto`, the default, is a GPU where one can be used. */
  readonly device?: Device | undefined
  /** Threads of the processor that one operation uses; all when not given. */
  readonly threads?: number | undefined
}

/** What libtensorflow computes with. */
export interface SettledSettings {
  readonly device: Device
  readonly threads: number
}

/** The settings that libtensorflow was loaded with, or is about to be; it reads them once, for the whole process. */
interface InUse {
  readonly settings: SettledSettings
  /** What the variables were before that were set for it. */
  readonly before: Environment
  /** How many are about to load it. */
  readonly awaiting: number
  /** Whether it has been loaded. */
  readonly loaded: boolean
}

let inUse: InUse | undefined

/**
 * Sets the variables that libtensorflow reads, for the whole of this process. To be called in the main thread, before the
 * addon is loaded in any. What comes of loading it is told with {@link keep} or {@link abandon}.
 *
 * Fails with `SettingsInUse` where the process has loaded it with others, or is about to.
 *
 * @example
 * const { threads } = yield* settle({ device: "cpu", threads: 2 })
 */
export const settle = (
  settings: Settings
): Effect.Effect<SettledSettings, InvalidSetting | SettingsInUse> =>
  Effect.suspend((): Effect.Effect<SettledSettings, InvalidSetting | SettingsInUse> => {
    const { threads } = settings
    if (threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
      return Effect.fail(
        new InvalidSetting({ setting: "the number of threads", value: threads, expected: "a whole number, 1 or more" })
      )
    }
    if (inUse !== undefined) {
      const conflict = conflictOf(inUse.settings, settings, gpusOf())
      if (conflict !== undefined) return Effect.fail(conflict)
      inUse = { ...inUse, awaiting: inUse.awaiting + 1 }
      return Effect.succeed(inUse.settings)
    }
    const variables = variablesOf(settings, environment())
    const before = Object.fromEntries(Object.keys(variables).map((name) => [name, environment()[name]]))
    for (const [name, value] of Object.entries(variables)) setVariable(name, value)
    inUse = { settings: settledOf(settings, environment()), before, awaiting: 1, loaded: false }
    return Effect.succeed(inUse.settings)
  })

/** Libtensorflow has been loaded: the settings stay until the process ends. */
export const keep: Effect.Effect<void> = Effect.sync(() => {
  if (inUse !== undefined) inUse = { ...inUse, awaiting: inUse.awaiting - 1, loaded: true }
})

/**
 * Libtensorflow was not loaded. Where nobody else has loaded it or is about to, the variables are as they were before, and
 * the next one may settle otherwise.
 */
export const abandon: Effect.Effect<void> = Effect.sync(() => {
  if (inUse === undefined) return
  inUse = { ...inUse, awaiting: inUse.awaiting - 1 }
  if (inUse.loaded || inUse.awaiting > 0) return
  for (const [name, value] of Object.entries(inUse.before)) setVariable(name, value)
  inUse = undefined
})

/**
 * The variables to set, which the user has not.
 *
 * @example
 * variablesOf({ threads: 2 }, { TF_DETERMINISTIC_OPS: "0" })["TF_NUM_INTRAOP_THREADS"] // => "2"
 */
export const variablesOf = ({ device, threads }: Settings, user: Environment): { readonly [name: string]: string } => {
  const wanted = {
    // All of a GPU's memory would be taken at once, from whatever else uses it.
    TF_FORCE_GPU_ALLOW_GROWTH: "true",
    // Errors of libtensorflow's are thrown as well; printed, the rest would tear a progress display.
    TF_CPP_MIN_LOG_LEVEL: "2",
    // A resumed run is bit-identical to an uninterrupted one.
    TF_DETERMINISTIC_OPS: "1",
    // From Ampere on, NVIDIA's libraries compute float32 products and convolutions with factors of 10 bits (TF32), which
    // is a thousandth off: https://docs.nvidia.com/cuda/cublas/#tensor-core-usage
    NVIDIA_TF32_OVERRIDE: "0",
    ...(threads === undefined
      ? {}
      : { TF_NUM_INTRAOP_THREADS: String(threads), TF_NUM_INTEROP_THREADS: String(threads) })
  }
  return {
    ...Object.fromEntries(Object.entries(wanted).filter(([name]) => user[name] === undefined)),
    // Which GPUs the user has made visible does not matter where none is to be used.
    ...(device === "cpu" ? { CUDA_VISIBLE_DEVICES: "-1" } : {})
  }
}

const settledOf = ({ device = "auto" }: Settings, variables: Environment): SettledSettings => {
  const threads = Number(variables["TF_NUM_INTRAOP_THREADS"])
  return { device, threads: Number.isInteger(threads) && threads > 0 ? threads : availableParallelism() }
}

/** What of settings cannot be had, for the process has others. */
const conflictOf = (
  inUse: SettledSettings,
  { device = "auto", threads }: Settings,
  gpus: ReadonlyArray<Gpu>
): SettingsInUse | undefined => {
  if (threads !== undefined && threads !== inUse.threads) {
    return new SettingsInUse({ setting: "threads", asked: String(threads), inUse: String(inUse.threads) })
  }
  // Where there is no GPU, everything is computed by the processor anyway.
  const differs = device === "gpu"
    ? inUse.device === "cpu"
    : device === "cpu" && inUse.device !== "cpu" && gpus.length > 0
  return differs ? new SettingsInUse({ setting: "device", asked: device, inUse: inUse.device }) : undefined
}
