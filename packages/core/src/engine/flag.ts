/**
 * Options of engines that are on or off.
 */
import { Effect } from "effect"
import { inspect } from "node:util"
import { EngineUnavailable } from "./EngineError.ts"

/**
 * Whether an option is on; it is off where it is not given. Fails with `EngineUnavailable` where it is neither true nor
 * false: types allow nothing else, and JavaScript does.
 *
 * @param option what it is called, as the rest of a sentence about "its": `optimization "algebra"`
 * @example
 * yield* checkedFlag("onnx", "optimization \"algebra\"", undefined) // => false
 */
export const checkedFlag = (
  engine: string,
  option: string,
  value: boolean | undefined
): Effect.Effect<boolean, EngineUnavailable> =>
  value === undefined || typeof value === "boolean"
    ? Effect.succeed(value === true)
    : Effect.fail(
      new EngineUnavailable({
        engine,
        reason: `its ${option} was set to ${show(value)}`,
        remedy: "say true or false"
      })
    )

/** What an option was set to, for an error. */
export const show = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value) : inspect(value, { depth: 0, breakLength: Infinity })
