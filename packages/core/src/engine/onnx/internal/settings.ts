/**
 * How a model is run: by ONNX Runtime's own optimizer or without it, and where the next state is written.
 */
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
  { overwrittenStates, runtimeOptimizer, statesInPlace }: Optimizations
): Settings => {
  const optimize = runtimeOptimizer && computesWithConstants(model)
  return {
    optimize,
    // The runtime's optimizer may move what reads a state behind what writes it.
    overwritten: overwrittenStates && !optimize ? overwritable(model) : new Set(),
    inPlace: statesInPlace
  }
}

/**
 * ONNX Runtime's own optimizer lays out weights that are constants, as those of a network that samples are: its
 * convolutions then take half the time. Where weights are state it finds nothing to gain, takes a tenth of a second to
 * a second to do so, and joins transposes that are faster apart.
 */
const computesWithConstants = ({ initializers }: OnnxModel): boolean =>
  initializers.some(({ data, shape }) => shape.length >= 2 && data.length >= 1024)
