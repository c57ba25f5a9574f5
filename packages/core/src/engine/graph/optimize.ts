/**
 * The passes, in order. Each is held to the graph before it by a property: same results for all inputs.
 */
import type { Graph } from "./Graph.ts"
import { algebra } from "./passes/algebra.ts"
import { commonSubexpressions } from "./passes/commonSubexpressions.ts"
import { deadCode } from "./passes/deadCode.ts"
import { largeBytes, reductionsFirst } from "./passes/reductionsFirst.ts"
import { rematerialization, smallBytes, spendings } from "./passes/rematerialization.ts"
import { runningOrder } from "./passes/runningOrder.ts"
import { transposes } from "./passes/transposes.ts"
import { uniformValues } from "./passes/uniformValues.ts"
import type { Pass } from "./rewrite.ts"

/** All passes, in the order in which {@link optimize} applies them; some come again. */
export const passes = [
  ["deadCode", deadCode],
  ["uniformValues", uniformValues],
  ["algebra", algebra],
  ["transposes", transposes],
  // Dropping x * 1 brings new uniform values and new neighbours to light.
  ["uniformValues", uniformValues],
  ["algebra", algebra],
  ["commonSubexpressions", commonSubexpressions],
  ["deadCode", deadCode]
] as const satisfies ReadonlyArray<readonly [name: string, pass: Pass]>

/** The name of a pass. */
export type PassName = (typeof passes)[number][0]

/**
 * An equivalent graph with less to compute.
 *
 * @param on whether each pass is applied; all are unless given
 */
export const optimize = (graph: Graph, on?: { readonly [Name in PassName]: boolean }): Graph =>
  passes.reduce((simpler: Graph, [name, pass]) => on?.[name] === false ? simpler : pass(simpler), graph)

/**
 * An equivalent graph that takes less memory, and more time, to compute; of a graph that is optimised already.
 *
 * @param rematerialize whether what is cheap to compute is computed again (true), or anything ("all")
 * @example
 * economize(true)(optimize(graph))
 */
export const economize = (rematerialize: true | "all"): Pass => (graph) =>
  reductionsFirst(largeBytes)(
    rematerialize === "all"
      ? rematerialization(smallBytes, spendings)(runningOrder(graph))
      : rematerialization(smallBytes)(graph)
  )
