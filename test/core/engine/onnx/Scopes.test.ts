/** Who holds what, and until when: release, interruption, and the order of steps. */
import { assert, describe, it, layer } from "@effect/vitest"
import { ExecutionFailed } from "@effusion/core/engine"
import { Effect, Exit, Fiber, Scope } from "effect"
import { MessageChannel } from "node:worker_threads"
import { makeMachine } from "../../../../packages/core/src/engine/onnx/internal/machine.ts"
import type { Sessions, SessionSource } from "../../../../packages/core/src/engine/onnx/internal/session.ts"
import type { Protocol, RequestType } from "../../../../packages/core/src/engine/worker/protocol.ts"
import { serve } from "../../../../packages/core/src/engine/worker/serve.ts"
import {
  accumulate,
  accumulateState,
  elementsOf,
  instanceOf,
  nothingHeld,
  runtimeLayer,
  slow,
  slowState,
  TestRuntime,
  x
} from "./models.ts"

const turnOfEventLoop = Effect.promise(() => new Promise<void>((resume) => void setImmediate(resume)))

const countOf = (state: Parameters<typeof elementsOf>[0]): number => elementsOf(state)["count"]![0]!

layer(runtimeLayer({ threads: 1 }))("a scope", (it) => {
  const uses: ReadonlyArray<
    readonly [string, Effect.Effect<void, string>, (exit: Exit.Exit<void, unknown>) => boolean]
  > = [
    ["success", Effect.void, Exit.isSuccess],
    ["failure", Effect.fail("on purpose"), Exit.isFailure],
    ["interruption", Effect.interrupt, Exit.hasInterrupts],
    ["a defect", Effect.die("on purpose"), Exit.hasDies]
  ]
  for (const [what, use, expected] of uses) {
    it.effect(`releases the program and the state on ${what}`, () =>
      Effect.gen(function*() {
        const runtime = yield* TestRuntime
        const exit = yield* Effect.gen(function*() {
          const instance = yield* instanceOf(runtime, accumulate, accumulateState)
          yield* instance.step(x(1, 2, 3))
          assert.deepStrictEqual(yield* runtime.memory, { executables: 1, instances: 1, tensors: 3, bytes: 24 })
          yield* use
        }).pipe(Effect.scoped, Effect.exit)
        assert.isTrue(expected(exit))
        assert.deepStrictEqual(yield* runtime.memory, nothingHeld)
      }))
  }

  it.effect("makes its instance unusable when it closes, and the instance says so", () =>
    Effect.gen(function*() {
      const executable = yield* (yield* TestRuntime).compileModel(accumulate)
      const instance = yield* Effect.scoped(executable.start(accumulateState))
      for (const use of [instance.step(x(1, 2, 3)), instance.read, instance.write(accumulateState)]) {
        const error = yield* Effect.flip(Effect.asVoid(use))
        assert.instanceOf(error, ExecutionFailed)
        assert.match(error.message, /the instance was released: its scope is closed/)
      }
    }))

  it.effect("makes its program unusable when it closes, with its instances, and they say so", () =>
    Effect.gen(function*() {
      const runtime = yield* TestRuntime
      const outlives = yield* Effect.scope
      const [executable, instance] = yield* Effect.gen(function*() {
        const executable = yield* runtime.compileModel(accumulate)
        return [executable, yield* Scope.provide(executable.start(accumulateState), outlives)] as const
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* runtime.memory, { executables: 0, instances: 1, tensors: 3, bytes: 24 })
      const restart = Effect.scoped(executable.start(accumulateState))
      for (const use of [instance.step(x(1, 2, 3)), instance.read, Effect.asVoid(restart)]) {
        const error = yield* Effect.flip(Effect.asVoid(use))
        assert.instanceOf(error, ExecutionFailed)
        assert.match(error.message, /the compiled program was released: its scope is closed/)
      }
    }))
})

layer(runtimeLayer({ threads: 1 }))("steps of one instance", (it) => {
  it.effect("run one after the other, in the order in which they were asked for", () =>
    Effect.gen(function*() {
      const instance = yield* instanceOf(yield* TestRuntime, accumulate, accumulateState)
      const outputs = yield* Effect.forEach([1, 10, 100, 1000], (n) => instance.step(x(n, 0, 0)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(outputs.map((output) => elementsOf(output)["doubled"]![0]), [2, 22, 222, 2222])
    }))

  it.effect("end whole when they are interrupted: the step under way is made, those in the queue are not", () =>
    Effect.gen(function*() {
      const instance = yield* instanceOf(yield* TestRuntime, slow, slowState)
      const step = Effect.forkChild(instance.step({}), { startImmediately: true })
      const [underWay, queued, last] = [yield* step, yield* step, yield* step]
      yield* Fiber.interrupt(queued)
      // Interruption of a step in the queue does not wait for the step under way.
      assert.isUndefined(underWay.pollUnsafe())
      yield* Fiber.interrupt(underWay)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(underWay)))
      yield* Fiber.join(last)
      assert.strictEqual(countOf(yield* instance.read), 2)
    }))

  it.effect("are made before the instance is released, or fail if they were still in the queue", () =>
    Effect.gen(function*() {
      const runtime = yield* TestRuntime
      const [underWay, queued] = yield* Effect.gen(function*() {
        const instance = yield* instanceOf(runtime, slow, slowState)
        const step = Effect.forkDetach(Effect.exit(instance.step({})), { startImmediately: true })
        return [yield* step, yield* step] as const
      }).pipe(Effect.scoped)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(underWay)))
      const error = yield* Effect.flip(Effect.flatten(Fiber.join(queued)))
      assert.match(String(error), /was released: its scope is closed/)
      assert.deepStrictEqual(yield* runtime.memory, nothingHeld)
    }))

  it.effect("leave the main thread free", () =>
    Effect.gen(function*() {
      const instance = yield* instanceOf(yield* TestRuntime, slow, slowState)
      const fiber = yield* Effect.forkChild(instance.step({}), { startImmediately: true })
      let turns = 0
      while (fiber.pollUnsafe() === undefined) {
        yield* turnOfEventLoop
        turns++
      }
      assert.isAbove(turns, 1)
    }))
})

describe("the worker", () => {
  it.effect("releases sessions when it is told to, not when they happen to be collected", () =>
    Effect.gen(function*() {
      const released: Array<number> = []
      let created = 0
      const sessions: Sessions = {
        inPlace: true,
        create: async () => {
          const session = created++
          return { run: async () => {}, release: async () => void released.push(session) }
        }
      }
      const { port1, port2 } = new MessageChannel()
      yield* Effect.addFinalizer(() => Effect.sync(() => port1.close()))
      serve(port2, makeMachine(sessions))
      let id = 0
      const ask = <T extends RequestType>(type: T, body: Protocol<SessionSource>[T]["request"]) =>
        Effect.promise(() =>
          new Promise<void>((resume) => {
            port1.once("message", () => resume())
            const request = { id: id++, type, body }
            port1.postMessage(request)
          })
        )
      const compile = (program: number) =>
        ask("compile", {
          program,
          source: { model: new Uint8Array(), inputs: [], outputs: [], threads: 1 }
        })

      for (const program of [10, 20, 30]) yield* compile(program)
      assert.deepStrictEqual([created, released], [3, []])
      yield* ask("releaseProgram", { program: 20 })
      assert.deepStrictEqual(released, [1])
      yield* ask("close", {})
      assert.deepStrictEqual(released, [1, 0, 2])
    }))
})
