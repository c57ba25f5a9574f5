/** Leaves while a step is under way. */
import { Effect } from "effect"
import { makeRuntime } from "../../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { instanceOf, slow, slowState } from "../models.ts"

const program = Effect.gen(function*() {
  const instance = yield* instanceOf(yield* makeRuntime({}), slow, slowState)
  yield* Effect.forkChild(Effect.forever(instance.step({})), { startImmediately: true })
  yield* instance.read
  process.stdout.write("leaving\n")
  process.exit(3)
})

await Effect.runPromise(Effect.scoped(program))
