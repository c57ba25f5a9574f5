/**
 * A process of its own that loads the addon, for {@link diagnose}: what a broken library does to it does no harm.
 * Its argument is the path of the addon; it answers with a line of JSON.
 */
import { loadBinding } from "./load.ts"
import { convolve } from "./trial.ts"

/** What the process answers. */
export type Answer =
  | { readonly version: string; readonly usesGpu: boolean; readonly failure?: string }
  | { readonly error: string }

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const answer = (addon: string): Answer => {
  try {
    const binding = loadBinding(addon)
    const loaded = { version: binding.TF_Version, usesGpu: binding.isUsingGpuDevice() }
    try {
      convolve(binding)
      return loaded
    } catch (cause) {
      return { ...loaded, failure: messageOf(cause) }
    }
  } catch (cause) {
    return { error: messageOf(cause) }
  }
}

process.stdout.write(JSON.stringify(answer(process.argv[2]!)))
