/**
 * How a model is run: by ONNX Runtime's own optimizer or without it, and where the next state is written.
 */
import { isRewritten } from "../lowering/constants.ts"
import { overwritable } from "../lowering/overwritable.ts"
import type { OnnxModel } from "../Model.ts"
import type { Optimizations } from "../Optimizations.ts"
import type { SessionSource } from "./session.ts"

/** What {@link settingsOf} decides. */
export type Settings = Pick<SessionSource, "optimize" | "overwritten" | "inPlace">

/**
 * How a model is run with the optimizations that are on.
 *
 * @example
 * settingsOf(lower(graph), Optimizations.all) // => { optimize: false, overwritten: Set { "average" }, inPlace: true }
 */
export const settingsOf = (
  model: OnnxModel,
  optimizations: Optimizations
): Settings => {
  const optimize = isRewritten(model, optimizations)
  return {
    optimize,
    // The runtime's optimizer may move what reads a state behind what writes it.
    overwritten: optimizations.overwrittenStates && !optimize ? overwritable(model) : new Set(),
    inPlace: optimizations.statesInPlace
  }
}
