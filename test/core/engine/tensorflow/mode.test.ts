/**
 * The mode of the engine, as programs in JavaScript give it.
 */
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { Effect, Layer } from "effect"
import { assert, describe, it } from "vitest"

describe("a mode that there is not", () => {
  it("is an error that names it and those that there are, before anything is looked for", async () => {
    for (const mode of ["fast", 3]) {
      const layer = TensorflowEngine.layer({ mode: mode as never, package: "/nowhere" })
      const error = await Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(layer))))
      assert.strictEqual(error._tag, "EngineUnavailable")
      assert.strictEqual(
        error.message,
        `the engine "tensorflow" does not work here: the mode is ${
          JSON.stringify(mode)
        }; give "auto", "eager", "graph" or ` +
          "\"xla\""
      )
      assert.deepInclude(error.cause, { _tag: "InvalidSetting" })
    }
  })
})
