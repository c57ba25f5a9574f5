/** A machine that works in the engine's own thread: the contract of a runtime, without a worker. */
import { assert, describe, it } from "@effect/vitest"
import type { HostTensor } from "@effusion/core/tensor"
import { float32 } from "@effusion/core/tensor"
import { Effect, Exit, Fiber, Scope } from "effect"
import {
  type Arrays,
  type Compilation,
  type Compiled,
  type Held,
  type Machine,
  makeLocalRuntime
} from "../../../../packages/core/src/engine/worker/index.ts"

/** Adds its source to the state at every step, and writes down what it is asked for. */
const addingMachine = (journal: Array<string>, fails: () => boolean = () => false): Machine<number> => ({
  compile: async (amount): Promise<Compiled> => ({
    start: async (arrays): Promise<Held> => {
      let state: Arrays = arrays
      return {
        tensors: 1,
        bytes: 4,
        step: async () => {
          if (fails()) throw new Error("the machine\n  broke")
          // A step that takes turns of the event loop, in which no other may begin.
          journal.push("begins")
          await new Promise((resume) => void setImmediate(resume))
          journal.push("ends")
          state = { n: state["n"]!.map((n) => n + amount) as Float32Array<ArrayBuffer> }
          return { n: state["n"]!.slice() as Float32Array<ArrayBuffer> }
        },
        read: async () => state,
        write: async (next) => {
          state = next
        },
        release: async () => void journal.push("releases a state")
      }
    },
    release: async () => void journal.push("releases a program")
  })
})

const scalar = { shape: [], dtype: "float32" } as const
const adding: Compilation<number> = {
  program: "adding",
  signature: { state: { n: scalar }, input: {}, output: { n: scalar } },
  inputs: [],
  source: 2
}
const zero: { readonly [name: string]: HostTensor } = { n: float32([], [0]) }
const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }
const numberOf = (tensors: { readonly [name: string]: HostTensor }) => tensors["n"]!.data[0]

const started = Effect.fnUntraced(function*(journal: Array<string>, fails?: () => boolean) {
  const runtime = yield* makeLocalRuntime({ engine: "adding" }, addingMachine(journal, fails))
  const instance = yield* (yield* runtime.compile(adding)).start(zero)
  return { runtime, instance }
})

describe("a runtime in its own thread", () => {
  it.effect("steps states forward, reads and replaces them, and counts what it holds", () =>
    Effect.gen(function*() {
      const { instance, runtime } = yield* started([])
      assert.strictEqual(numberOf(yield* instance.step({})), 2)
      assert.strictEqual(numberOf(yield* instance.step({})), 4)
      yield* instance.write({ n: float32([], [10]) })
      assert.strictEqual(numberOf(yield* instance.read), 10)
      assert.deepStrictEqual(yield* runtime.memory, { executables: 1, instances: 1, tensors: 1, bytes: 4 })
    }))

  it.effect("begins a request when the one before has ended, whoever asks", () =>
    Effect.gen(function*() {
      const journal: Array<string> = []
      const runtime = yield* makeLocalRuntime({ engine: "adding" }, addingMachine(journal))
      const executable = yield* runtime.compile(adding)
      const instances = [yield* executable.start(zero), yield* executable.start(zero)]
      yield* Effect.forEach([0, 1, 0, 1, 0], (i) => instances[i]!.step({}), { concurrency: "unbounded" })
      assert.deepStrictEqual(journal, Array.from({ length: 5 }, () => ["begins", "ends"]).flat())
    }))

  it.effect("releases everything in order when the scope closes, also when steps are interrupted", () =>
    Effect.gen(function*() {
      const journal: Array<string> = []
      const fiber = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
        const { instance } = yield* started(journal)
        return yield* Effect.forever(instance.step({}))
      })))
      while (journal.length < 7) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(journal.slice(-2), ["releases a state", "releases a program"])
      // A step that had begun ran to its end.
      assert.strictEqual(journal.at(-3), "ends")
    }))

  it.effect("says in one line why a step failed, and ends its instance only", () =>
    Effect.gen(function*() {
      let broken = false
      const { instance, runtime } = yield* started([], () => broken)
      broken = true
      const error = yield* Effect.flip(instance.step({}))
      assert.strictEqual(error._tag, "ExecutionFailed")
      assert.include(error.message, "the machine broke")
      assert.match((yield* Effect.flip(instance.read)).message, /an earlier step failed/)
      broken = false
      const other = yield* (yield* runtime.compile(adding)).start(zero)
      assert.strictEqual(numberOf(yield* other.step({})), 2)
    }))

  it.effect("holds nothing when it is closed, and says so", () =>
    Effect.gen(function*() {
      const journal: Array<string> = []
      const scope = yield* Scope.make()
      const runtime = yield* Scope.provide(makeLocalRuntime({ engine: "adding" }, addingMachine(journal)), scope)
      const instance = yield* (yield* runtime.compile(adding)).start(zero)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(journal, ["releases a state", "releases a program"])
      assert.deepStrictEqual(yield* runtime.memory, nothing)
      assert.match((yield* Effect.flip(instance.step({}))).message, /the engine was closed/)
    }))

  it.live("lets timers fire between the steps of a machine that never waits", () =>
    Effect.gen(function*() {
      const machine: Machine<number> = {
        compile: async () => ({
          start: async () => ({
            tensors: 0,
            bytes: 0,
            step: async () => ({}),
            read: async () => ({}),
            write: async () => {},
            release: async () => {}
          }),
          release: async () => {}
        })
      }
      const runtime = yield* makeLocalRuntime({ engine: "idle" }, machine)
      const signature = { state: {}, input: {}, output: {} }
      const executable = yield* runtime.compile({ program: "idle", signature, inputs: [], source: 0 })
      const instance = yield* executable.start({})
      const timer = yield* Effect.forkChild(Effect.sleep("5 millis"), { startImmediately: true })
      // Without turns for others this loop would not end.
      while (timer.pollUnsafe() === undefined) yield* instance.step({})
    }))
})
