/**
 * Loading the native addon, and saying why it does not load.
 */
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname, join } from "node:path"
import type { Binding } from "../Binding.ts"
import { LibraryDamaged, LibraryMissing, type LoadError, LoadingFailed, SystemTooOld } from "../TensorflowError.ts"
import { elfHeaderLength, elfProblem } from "./elf.ts"
import { beginningOf } from "./files.ts"
import type { Installation } from "./Installation.ts"

/**
 * What is wrong with the files of an installation, as far as it can be seen without loading them; a file that was cut off
 * would end the process that loads it.
 */
export const damageOf = ({ addon, libraries }: Installation): LibraryDamaged | undefined => {
  for (const path of process.platform === "linux" ? [addon, ...libraries] : []) {
    // A link to nowhere is a library that is missing, which the loader says.
    if (!existsSync(path)) continue
    const beginning = beginningOf(path, elfHeaderLength)
    const detail = beginning === undefined ? "it cannot be read" : elfProblem(beginning.bytes, beginning.size)
    if (detail !== undefined) return new LibraryDamaged({ path, detail })
  }
  return undefined
}

/**
 * Loads the addon into this thread. Throws what the loader says; {@link loadError} says what that means.
 *
 * @param addon the path of the addon ({@link Installation})
 */
export const loadBinding = (addon: string): Binding => createRequire(import.meta.url)(addon) as Binding

/**
 * Loads the addon into this thread.
 *
 * @example
 * const binding = yield* load(installation)
 * binding.TF_Version // => "2.21.0"
 */
export const load = ({ addon }: Installation): Effect.Effect<Binding, LoadError> =>
  Effect.try({
    try: () => loadBinding(addon),
    catch: (cause) => loadError(cause instanceof Error ? cause.message : String(cause), addon)
  })

/**
 * What a message of the loader means.
 *
 * @param message what loading the addon threw: the words of `dlopen`
 * @example
 * loadError("libtensorflow.so.2: cannot open shared object file: No such file or directory", addon)._tag // => "LibraryMissing"
 */
export const loadError = (message: string, addon: string): LoadError => {
  // glibc: elf/dl-load.c and elf/dl-version.c.
  const missing = /([^\s:/]+): cannot open shared object file/.exec(message)?.[1]
  if (missing !== undefined) return new LibraryMissing({ library: missing, addon })
  const old = /([^\s:/]+): version [`']([^']+)' not found \(required by ([^)]+)\)/.exec(message)
  if (old !== null) return new SystemTooOld({ library: old[1]!, version: old[2]!, neededBy: pathOf(old[3]!, addon) })
  const damaged =
    /^(.+?): (file too short|invalid ELF header|undefined symbol: \S+|wrong ELF class: \S+|ELF load command .+|cannot read file data.*|only ET_DYN and ET_EXEC can be loaded.*)/
      .exec(message)
  if (damaged !== null) return new LibraryDamaged({ path: pathOf(damaged[1]!, addon), detail: damaged[2]! })
  if (/Module did not self-register/.test(message)) {
    return new LibraryDamaged({ path: addon, detail: "it is not an addon of Node" })
  }
  return new LoadingFailed({ addon, detail: message.split("\n", 1)[0]! })
}

/** The loader names libraries by way of the addon: `lib/napi-v8/../../deps/lib/libtensorflow.so.2`. */
const pathOf = (path: string, addon: string): string => {
  const trimmed = path.trim()
  return trimmed.includes("/") ? join(trimmed) : join(dirname(addon), basename(trimmed))
}
