/** Goes on using engines while they close, and ends. */
import { Effect, Exit, Fiber, Scope } from "effect"
import { makeRuntime } from "../../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { accumulate, accumulateState, x } from "../models.ts"

const life = Effect.gen(function*() {
  const [outer, ofEngine] = [yield* Effect.scope, yield* Scope.make()]
  const runtime = yield* Scope.provide(makeRuntime({ threads: 1 }), ofEngine)
  const executable = yield* runtime.compileModel(accumulate)
  const instance = yield* executable.start(accumulateState)
  const closing = yield* Effect.forkDetach(Scope.close(ofEngine, Exit.void), { startImmediately: true })
  const uses = [
    instance.step(x(1, 2, 3)),
    instance.read,
    Scope.provide(runtime.compileModel(accumulate), outer),
    Scope.provide(executable.start(accumulateState), outer)
  ]
  const fibers = yield* Effect.forEach(
    uses,
    (use) => Effect.forkDetach(Effect.flip(use as Effect.Effect<unknown, Error>), { startImmediately: true })
  )
  const errors = yield* Effect.forEach(fibers, Fiber.join)
  yield* Fiber.join(closing)
  return errors.filter(({ message }) => message.endsWith("the engine was closed")).length
}).pipe(Effect.scoped)

let refused = 0
for (let i = 0; i < 10; i++) refused += await Effect.runPromise(life)
process.stdout.write(`refused ${refused}\n`)
