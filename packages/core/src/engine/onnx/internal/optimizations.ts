/**
 * What the engine makes of the optimizations that it is given.
 */
import { Effect } from "effect"
import { EngineUnavailable } from "../../EngineError.ts"
import { checkedFlag } from "../../flag.ts"
import type { Composite } from "../../trace/trace.ts"
import { all, type Choice, names, type Optimizations } from "../Optimizations.ts"

/**
 * A choice, completed. Fails with `EngineUnavailable` where it names what is no optimization, or says neither true nor
 * false: types allow neither, and JavaScript both.
 *
 * @example
 * yield* complete({ blockedConvolutions: false }, "onnx") // => all but one
 */
export const complete = (choice: Choice, engine: string): Effect.Effect<Optimizations, EngineUnavailable> => {
  const refuse = (reason: string, remedy: string) => Effect.fail(new EngineUnavailable({ engine, reason, remedy }))
  if (typeof choice !== "object" || choice === null) {
    return refuse(`its optimizations were set to ${JSON.stringify(choice)}`, "say them by name, as { algebra: false }")
  }
  const said = Object.entries(choice).filter(([, on]) => on !== undefined)
  const unknown = said.find(([name]) => !Object.hasOwn(all, name))
  if (unknown !== undefined) {
    return refuse(`it has no optimization "${unknown[0]}"`, `those that can be switched off are ${names.join(", ")}`)
  }
  const checked = Effect.forEach(
    said,
    ([name, on]) => Effect.map(checkedFlag(engine, `optimization "${name}"`, on), (on) => [name, on] as const)
  )
  return Effect.map(checked, (said) => ({ ...all, ...Object.fromEntries(said) }))
}

/** The operations that are recorded as what they are composed of. */
export const composed = (optimizations: Optimizations): ReadonlyArray<Composite> => {
  const asOne: ReadonlyArray<readonly [Composite, boolean]> = [
    ["groupNorm", optimizations.groupNormAsOne],
    ["attention", optimizations.attentionAsOne],
    ["silu", optimizations.siluAsOne],
    ["upsampleNearest", optimizations.upsamplingAsOne]
  ]
  return asOne.filter(([, on]) => !on).map(([name]) => name)
}
