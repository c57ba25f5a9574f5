/**
 * A process of its own that loads the addon, for {@link diagnose}: what a broken library does to it does no harm.
 * Its argument is the path of the addon; it answers with a line of JSON.
 */
import { loadBinding } from "./load.ts"

/** What the process answers. */
export type Answer =
  | { readonly version: string; readonly usesGpu: boolean }
  | { readonly error: string }

const answer = (addon: string): Answer => {
  try {
    const binding = loadBinding(addon)
    return { version: binding.TF_Version, usesGpu: binding.isUsingGpuDevice() }
  } catch (cause) {
    return { error: cause instanceof Error ? cause.message : String(cause) }
  }
}

process.stdout.write(JSON.stringify(answer(process.argv[2]!)))
