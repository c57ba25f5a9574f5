/**
 * The passes, in order. Each is held to the graph before it by a property: same results for all inputs.
 */
import type { Graph } from "./Graph.ts"
import { algebra } from "./passes/algebra.ts"
import { commonSubexpressions } from "./passes/commonSubexpressions.ts"
import { deadCode } from "./passes/deadCode.ts"
import { transposes } from "./passes/transposes.ts"
import { uniformValues } from "./passes/uniformValues.ts"
import type { Pass } from "./rewrite.ts"

/** All passes, in the order in which {@link optimize} applies them. */
export const passes: ReadonlyArray<readonly [name: string, pass: Pass]> = [
  ["deadCode", deadCode],
  ["uniformValues", uniformValues],
  ["algebra", algebra],
  ["transposes", transposes],
  // Dropping x * 1 brings new uniform values and new neighbours to light.
  ["uniformValues", uniformValues],
  ["algebra", algebra],
  ["commonSubexpressions", commonSubexpressions],
  ["deadCode", deadCode]
]

/** An equivalent graph with less to compute. */
export const optimize = (graph: Graph): Graph => passes.reduce((simpler, [, pass]) => pass(simpler), graph)
