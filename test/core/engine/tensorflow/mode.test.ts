/**
 * Options of the engine that it cannot have, as programs in JavaScript give them.
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

describe("rematerialization", () => {
  const refusal = (options: { readonly mode?: TensorflowEngine.Mode; readonly rematerialize: unknown }) =>
    Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(
      TensorflowEngine.layer({ ...options, package: "/nowhere" } as TensorflowEngine.Options)
    ))))

  it("is refused in modes that cannot, before anything is looked for", async () => {
    for (const mode of ["eager", "xla"] as const) {
      const error = await refusal({ mode, rematerialize: true })
      assert.strictEqual(error._tag, "EngineUnavailable")
      assert.strictEqual(
        error.message,
        "the engine \"tensorflow\" does not work here: it was asked to compute again in place of keeping, which mode " +
          `"${mode}" cannot; take mode "graph", or leave out rematerialize`
      )
      // Not to be asked is no reason.
      assert.include((await refusal({ mode, rematerialize: false })).message, "/nowhere")
    }
    for (const mode of ["auto", "graph"] as const) {
      assert.include((await refusal({ mode, rematerialize: true })).message, "/nowhere")
    }
  })

  it("is refused where it is neither on nor off, in every mode", async () => {
    for (const mode of ["auto", "eager", "graph", "xla"] as const) {
      assert.strictEqual(
        (await refusal({ mode, rematerialize: "yes" })).message,
        "the engine \"tensorflow\" does not work here: its rematerialize was set to \"yes\"; say true, false or \"all\""
      )
    }
  })
})
