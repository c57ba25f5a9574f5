/**
 * Modules of the user's.
 */
import { Effect, FileSystem, Path, Predicate } from "effect"
import { pathToFileURL } from "node:url"

/** Why a module does not serve, and what to do. */
export interface ModuleFault {
  readonly reason: string
  readonly remedy: string
}

/**
 * The exports of a module, by name. Fails with what is wrong where Node cannot load it.
 *
 * @example
 * const { default: schedule } = yield* loadModule("schedules/mine.ts")
 */
export const loadModule = Effect.fnUntraced(function*(path: string) {
  const paths = yield* Path.Path
  const exists = yield* FileSystem.FileSystem.use((fs) => Effect.orElseSucceed(fs.exists(path), () => false))
  if (!exists) return yield* Effect.fail<ModuleFault>({ reason: "it does not exist", remedy: "check the path" })
  const url = pathToFileURL(paths.resolve(path)).href
  return yield* Effect.tryPromise({
    try: () => import(/* @vite-ignore */ url) as Promise<{ readonly [name: string]: unknown }>,
    catch: whyNotLoaded
  })
})

const whyNotLoaded = (error: unknown): ModuleFault => {
  const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
  const message = Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
  const reason = message.split("\n")[0]!
  if (code === "ERR_MODULE_NOT_FOUND") return { reason, remedy: "install what it imports where the module is" }
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return { reason, remedy: "use only types that Node can strip (no enums, namespaces or parameter properties)" }
  }
  return code === "ERR_UNKNOWN_FILE_EXTENSION"
    ? { reason: "it is no module that Node can run", remedy: "give a file that ends in .ts, .mts, .js or .mjs" }
    : { reason: `it cannot be loaded (${reason})`, remedy: "see that it runs by itself: node <module>" }
}
