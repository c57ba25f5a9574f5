/**
 * What is still in memory when the garbage has been collected.
 */
import { Effect } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/**
 * Collects garbage, and says which of the objects are still there. It comes back in a later turn of the event loop: what
 * a weak reference was made of, or gave back, lives until the turn has ended.
 *
 * @example
 * const left = yield* uncollected({ state: new WeakRef(state) }) // => ["state"] as long as something holds it
 */
export const uncollected = (references: { readonly [name: string]: WeakRef<object> }): Effect.Effect<Array<string>> =>
  Effect.promise(async () => {
    await new Promise(setImmediate)
    collect()
    return Object.keys(references).filter((name) => references[name]!.deref() !== undefined)
  })
