/** Runs a step and leaves the scope open. */
import { Effect, Scope } from "effect"
import { makeRuntime } from "../../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { accumulate, accumulateState, elementsOf, instanceOf, x } from "../models.ts"

const program = Effect.gen(function*() {
  const instance = yield* instanceOf(yield* makeRuntime({}), accumulate, accumulateState)
  const { doubled } = elementsOf(yield* instance.step(x(1, 2, 3)))
  process.stdout.write(`doubled ${doubled!.join()}\n`)
})

await Effect.runPromise(Scope.provide(program, await Effect.runPromise(Scope.make())))
