/**
 * Settings are those of the process from when TensorFlow is loaded, and not before.
 */
import { Effect } from "effect"
import { env } from "node:process"
import { assert, describe, it } from "vitest"
import { abandon, keep, settle } from "../../../../packages/core/src/engine/tensorflow/installation/settings.ts"

describe("settings", () => {
  it("are free again once nobody has loaded TensorFlow with them, and nobody is about to", async () => {
    const before = { ...env }
    const two = { device: "cpu", threads: 2 } as const
    assert.deepStrictEqual(await Effect.runPromise(settle(two)), two)
    assert.strictEqual(env["TF_NUM_INTRAOP_THREADS"], "2")
    await Effect.runPromise(settle(two))
    await Effect.runPromise(abandon)
    // The other one is about to load it.
    const refused = await Effect.runPromise(Effect.flip(settle({ threads: 1 })))
    assert.deepInclude(refused, { _tag: "SettingsInUse", setting: "threads", asked: "1", inUse: "2" })
    await Effect.runPromise(abandon)
    assert.deepStrictEqual({ ...env }, before)

    assert.deepStrictEqual((await Effect.runPromise(settle({ threads: 1 }))).threads, 1)
    await Effect.runPromise(keep)
    // One that could not load it again takes nothing away from the one that has.
    await Effect.runPromise(settle({ threads: 1 }))
    await Effect.runPromise(abandon)
    assert.strictEqual((await Effect.runPromise(Effect.flip(settle(two))))._tag, "SettingsInUse")
  })
})
