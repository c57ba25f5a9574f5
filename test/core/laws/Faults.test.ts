/**
 * The laws have teeth: every planted fault is caught, and by the law that should catch it.
 */
import { Laws } from "@effusion/core/laws"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"

describe("a planted fault", () => {
  it.each(Laws.faults.map((fault) => [fault.name, fault.caughtBy, fault] as const))(
    "%s is caught by %s",
    async (_, caughtBy, fault) => {
      const { caught, law, others } = await Effect.runPromise(Laws.expose(fault))
      assert.isTrue(caught, `${fault.mistake}: ${others.length === 0 ? "no law" : others.join(", ")} caught it`)
      assert.strictEqual(law!.name, caughtBy)
      assert.isNotEmpty(law!.counterexample!.violation)
    }
  )

  it("is one of at least 30, each with a name of its own", () => {
    assert.isAtLeast(Laws.faults.length, 30)
    assert.strictEqual(new Set(Laws.faults.map(({ name }) => name)).size, Laws.faults.length)
  })
})
