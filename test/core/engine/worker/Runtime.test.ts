/** An engine in a worker thread, whatever it runs: scopes, turns, reasons, and a thread that dies. */
import { assert, describe, it } from "@effect/vitest"
import { CompilationFailed, ExecutionFailed, OutOfMemory } from "@effusion/core/engine"
import { float32, type HostTensor } from "@effusion/core/tensor"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Compilation, makeRuntime, type Runtime } from "../../../../packages/core/src/engine/worker/index.ts"
import type { Data, Source } from "./workers/adding.ts"

const runtimeOf = (worker: string, data: Data = {}) =>
  makeRuntime<Source>({
    engine: "adder",
    thread: { name: "test", url: new URL(`./workers/${worker}.ts`, import.meta.url), data }
  })
const adding = (data?: Data) => runtimeOf("adding", data)

const f32 = { dtype: "float32", shape: [3] } as const
const program: Compilation<Source> = {
  program: "add",
  signature: {
    state: { sum: f32 },
    input: { x: f32 },
    output: { doubled: f32, alive: { dtype: "int32", shape: [1] } }
  },
  inputs: ["x"],
  source: {}
}
const x = (...elements: ReadonlyArray<number>) => ({ x: float32([3], elements) })
const zeros = { sum: float32([3], [0, 0, 0]) }
const elements = (tensor: HostTensor | undefined) => Array.from(tensor!.data)
const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }

const start = (runtime: Runtime<Source>, explain: NonNullable<Compilation<Source>["explain"]> = () => undefined) =>
  Effect.flatMap(runtime.compile({ ...program, explain }), (executable) => executable.start(zeros))

describe("an engine in a worker thread", () => {
  it.effect("steps, reads and replaces states, each of which goes its own way, and releases them with their scopes", () =>
    Effect.gen(function*() {
      const runtime = yield* adding()
      assert.deepStrictEqual(runtime.facts, { base: 10 })
      yield* Effect.scoped(Effect.gen(function*() {
        const executable = yield* runtime.compile(program)
        const [a, b] = [yield* executable.start(zeros), yield* executable.start({ sum: float32([3], [5, 5, 5]) })]
        assert.deepStrictEqual(elements((yield* a.step(x(1, 2, 3)))["doubled"]), [2, 4, 6])
        assert.deepStrictEqual(elements((yield* b.step(x(1, 0, 0)))["doubled"]), [12, 10, 10])
        yield* a.write({ sum: float32([3], [100, 0, 0]) })
        assert.deepStrictEqual(elements((yield* a.step(x(0, 0, 1)))["doubled"]), [200, 0, 2])
        assert.deepStrictEqual(elements((yield* a.read)["sum"]), [100, 0, 1])
        assert.deepStrictEqual(elements((yield* b.read)["sum"]), [6, 5, 5])
        assert.deepStrictEqual(yield* runtime.memory, { executables: 1, instances: 2, tensors: 2, bytes: 24 })
      }))
      assert.deepStrictEqual(yield* runtime.memory, nothing)
    }))

  it.effect("says why it does not load, and why a program does not compile, in one line", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* Effect.flip(Effect.scoped(adding({ unavailable: "no library\n  of that name" }))),
        "no library of that name"
      )
      const runtime = yield* adding()
      const error = yield* Effect.flip(
        Effect.scoped(runtime.compile({ ...program, source: { refused: "an odd node" } }))
      )
      assert.instanceOf(error, CompilationFailed)
      assert.strictEqual(error.message, `the engine "adder" could not compile program "add": an odd node`)
      assert.deepStrictEqual(yield* runtime.memory, nothing)
    }))

  it.effect("explains what a runtime says where it can, and ends the instance with it", () =>
    Effect.gen(function*() {
      const full = (reason: string, program: string) =>
        reason.startsWith("full")
          ? new OutOfMemory({ program, engine: "adder", device: "the abacus", requestedBytes: 3 * 2 ** 30 })
          : undefined
      const explained = yield* start(yield* adding({ negative: "full" }), full)
      const error = yield* Effect.flip(explained.step(x(-1, 0, 0)))
      assert.instanceOf(error, OutOfMemory)
      assert.strictEqual(
        error.message,
        `the engine "adder" ran out of memory on the abacus when 3 GiB more were needed, in program "add"; lower the ` +
          `batch size (accumulating gradients over smaller batches keeps the numbers), let the engine rematerialize, take a ` +
          `smaller network, or another device`
      )
      const later = yield* Effect.flip(explained.read)
      assert.instanceOf(later, ExecutionFailed)
      assert.match(later.message, /an earlier step failed: full/)

      const plain = yield* start(yield* adding({ negative: "a fault" }), full)
      assert.instanceOf(yield* Effect.flip(plain.step(x(-1, 0, 0))), ExecutionFailed)
    }))

  it.effect("counts what its runtime has lost, and loses nothing else for it", () =>
    Effect.gen(function*() {
      const runtime = yield* adding({ stuck: 1 })
      yield* Effect.scoped(start(runtime))
      assert.deepStrictEqual(yield* runtime.memory, { executables: 0, instances: 1, tensors: 1, bytes: 0 })
      yield* Effect.scoped(start(runtime))
      assert.deepStrictEqual(yield* runtime.memory, { executables: 0, instances: 1, tensors: 1, bytes: 0 })
      const { alive } = yield* (yield* start(runtime)).step(x(1, 1, 1))
      assert.deepStrictEqual(elements(alive), [2])
    }))

  it.effect("that was closed is of no use, and holds nothing", () =>
    Effect.gen(function*() {
      const runtime = yield* Effect.scoped(adding())
      const error = yield* Effect.flip(Effect.scoped(runtime.compile(program)))
      assert.match(error.message, /the engine was closed/)
      assert.deepStrictEqual(yield* runtime.memory, nothing)
    }))

  it.effect("thirty times over, with states that nobody released before", () =>
    Effect.gen(function*() {
      for (let life = 0; life < 30; life++) {
        const scope = yield* Scope.make()
        const runtime = yield* Scope.provide(adding(), scope)
        const { doubled } = yield* Effect.flatMap(start(runtime), (instance) => instance.step(x(life, 0, 0))).pipe(
          Scope.provide(scope)
        )
        assert.deepStrictEqual(elements(doubled), [2 * life, 0, 0])
        yield* Scope.close(scope, Exit.void)
      }
    }))
})

const turnOfEventLoop = Effect.promise(() => new Promise<void>((resume) => void setImmediate(resume)))

describe("a worker that does not load", () => {
  it.effect("because it cannot be started at all, is a failure with its reason", () =>
    Effect.gen(function*() {
      const uncloneable = { unavailable: () => "functions do not go to threads" } as unknown as Data
      assert.match(yield* Effect.flip(Effect.scoped(adding(uncloneable))), /could not be cloned/)
    }))

  it.effect("can be given up, and is ended when it has had time to load", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.scoped(runtimeOf("silent")), { startImmediately: true })
      yield* turnOfEventLoop
      const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(interruption)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }))
})

describe("a step", () => {
  it.effect("holds interruption off until its answer is there", () =>
    Effect.gen(function*() {
      const executable = yield* (yield* runtimeOf("patient")).compile(program)
      const [instance, other] = [yield* executable.start(zeros), yield* executable.start(zeros)]
      const step = yield* Effect.forkChild(instance.step(x(1, 2, 3)), { startImmediately: true })
      const interruption = yield* Effect.forkChild(Fiber.interrupt(step), { startImmediately: true })
      for (let turn = 0; turn < 10; turn++) yield* turnOfEventLoop
      assert.isUndefined(interruption.pollUnsafe())
      yield* other.read
      yield* Fiber.join(interruption)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(step)))
    }))
})

describe("a worker that dies", () => {
  const deaths = [
    ["of an error", ["x"], /its worker thread failed: the worker breaks/],
    ["by leaving", [], /its worker thread ended unexpectedly, with exit code 7/]
  ] as const
  for (const [how, inputs, reason] of deaths) {
    it.effect(`${how} fails what waits for it and whatever comes later`, () =>
      Effect.gen(function*() {
        const runtime = yield* runtimeOf("dying")
        const compilation = { ...program, inputs }
        const executable = yield* runtime.compile(compilation)
        const [first, second] = [yield* executable.start(zeros), yield* executable.start(zeros)]
        const pending = yield* Effect.forEach([first.step(x(1, 2, 3)), second.step(x(1, 2, 3))], Effect.flip, {
          concurrency: "unbounded"
        })
        const later = [
          yield* Effect.flip(second.read),
          yield* Effect.flip(Effect.scoped(executable.start(zeros)))
        ]
        for (const error of [...pending, ...later]) {
          assert.instanceOf(error, ExecutionFailed)
          assert.match(error.message, reason)
        }
        const compilationError = yield* Effect.flip(Effect.scoped(runtime.compile(compilation)))
        assert.instanceOf(compilationError, CompilationFailed)
        assert.match(compilationError.message, reason)
        assert.deepStrictEqual(yield* runtime.memory, nothing)
      }))
  }
})
