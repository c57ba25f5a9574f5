/**
 * How a model is run: where the next state is written.
 */
import { overwritable } from "../lowering/overwritable.ts"
import type { OnnxModel } from "../Model.ts"
import type { Optimizations } from "../Optimizations.ts"
import type { SessionSource } from "./session.ts"

/** What {@link settingsOf} decides. */
export type Settings = Pick<SessionSource, "overwritten" | "inPlace">

/**
 * How a model is run with the optimizations that are on.
 *
 * @example
 * settingsOf(lower(graph), Optimizations.all) // => { overwritten: Set { "average" }, inPlace: true }
 */
export const settingsOf = (model: OnnxModel, { overwrittenStates, statesInPlace }: Optimizations): Settings => ({
  overwritten: overwrittenStates ? overwritable(model) : new Set(),
  inPlace: statesInPlace
})
