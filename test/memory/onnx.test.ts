/**
 * The default engine, held to the memory suite.
 *
 * Measured: in the second half of the 2,000 steps the resident memory grows by 3 to 6 MiB. When the worker kept the state
 * of each run that was interrupted, 1.5 MiB with its spare, it grew by 51 to 58.
 */
import { assert, describe, it } from "@effect/vitest"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { existsSync, readdirSync } from "node:fs"
import { engineMemory } from "./suite.ts"
import { turns } from "./turns.ts"

const layer = OnnxEngine.layer({ threads: 1 })

engineMemory("onnx", layer, {
  checksIndices: true,
  interruptions: { steps: 2000, hidden: 8192, megabytes: 16 },
  races: { runs: 50 }
})

/** Where the operating system says which threads a process has. */
const tasks = "/proc/self/task"

describe.runIf(existsSync(tasks))("the threads of the engine onnx", () => {
  const threads = Effect.sync(() => readdirSync(tasks).length)

  it.live("are gone when its scope has closed, at whatever moment its opening was interrupted", () =>
    Effect.gen(function*() {
      const opened = (after: number) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const opening = yield* Effect.forkChild(Layer.buildWithScope(Layer.fresh(layer), scope), {
            startImmediately: true
          })
          yield* turns(after)
          yield* Fiber.interrupt(opening)
          yield* Scope.close(scope, Exit.void)
        })
      // The first one starts threads that stay, of Node and of ONNX Runtime.
      yield* Effect.scoped(Layer.build(Layer.fresh(layer)))
      const before = yield* threads
      for (const after of [0, 1, 10, 100, 1000, 10_000, 100_000]) {
        yield* opened(after)
        assert.strictEqual(yield* threads, before, `interrupted after ${after} turns of the event loop`)
      }
    }))
})
