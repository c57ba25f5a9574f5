/**
 * The option of engines to compute again in place of keeping.
 */
import { Effect } from "effect"
import { EngineUnavailable } from "./EngineError.ts"
import { show } from "./flag.ts"

/**
 * How much of a step is computed again in place of being kept: nothing (false), what is cheap to compute (true), or convolutions,
 * products and attention as well, where that leaves less to keep ("all").
 */
export type Rematerialize = boolean | "all"

/**
 * The option as it was given; false where it was not. Fails with `EngineUnavailable` where it is nothing that it can be: types
 * allow nothing else, and JavaScript does.
 *
 * @example
 * yield* checkedRematerialize("onnx", undefined) // => false
 */
export const checkedRematerialize = (
  engine: string,
  value: Rematerialize | undefined
): Effect.Effect<Rematerialize, EngineUnavailable> =>
  value === undefined || typeof value === "boolean" || value === "all"
    ? Effect.succeed(value ?? false)
    : Effect.fail(
      new EngineUnavailable({
        engine,
        reason: `its rematerialize was set to ${show(value)}`,
        remedy: "say true, false or \"all\""
      })
    )
