import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { releaseGarbage } from "../../packages/cli/src/internal/garbage.ts"

/** What stays reachable only where it is held. */
const make = (count: number) => {
  const held = Array.from({ length: count }, (_, i) => ({ i }))
  return { held, references: held.map((object) => new WeakRef(object)) }
}

const living = (references: ReadonlyArray<WeakRef<object>>) =>
  references.filter((one) => one.deref() !== undefined).length

it.live("lets go of what nobody holds, at once, and of nothing else", () =>
  Effect.gen(function*() {
    const kept = make(1000)
    const { references } = make(1000)
    // What was made in a task lives as long as the task.
    yield* Effect.sleep(0)
    yield* releaseGarbage
    assert.deepStrictEqual([living(references), living(kept.references)], [0, kept.held.length])
  }))
