/** Programs of the same identity share what was compiled: once for all of them, and until the last is released. */
import { assert, describe, it } from "@effect/vitest"
import { float32, type HostTensor } from "@effusion/core/tensor"
import { Effect, Exit, Fiber, Scope } from "effect"
import * as fc from "fast-check"
import {
  type Arrays,
  type Compilation,
  type Identity,
  type Machine,
  makeLocalRuntime,
  type Runtime
} from "../../../../packages/core/src/engine/worker/index.ts"
import { property } from "../../../conformance/check.ts"

/** What a machine has done so far, and what it is to refuse. */
interface Counts {
  compiled: number
  released: number
  /** Compilations that fail from now on. */
  refusals: number
}

const fresh = (): Counts => ({ compiled: 0, released: 0, refusals: 0 })

/** Adds its source to the state at every step. */
const counting = (counts: Counts): Machine<number> => ({
  compile: async (amount) => {
    await new Promise((resume) => void setImmediate(resume))
    if (counts.refusals > 0) {
      counts.refusals--
      throw new Error("refused")
    }
    counts.compiled++
    return {
      start: async (arrays) => {
        let state: Arrays = arrays
        return {
          tensors: 1,
          bytes: 4,
          step: async () => {
            state = { n: state["n"]!.map((n) => n + amount) as Float32Array<ArrayBuffer> }
            return { n: state["n"]!.slice() as Float32Array<ArrayBuffer> }
          },
          read: async () => state,
          write: async (next) => {
            state = next
          },
          release: async () => {}
        }
      },
      release: async () => void counts.released++
    }
  }
})

const scalar = { shape: [], dtype: "float32" } as const

/** A program that adds a number; programs of the same structure may add different ones. */
const adding = (amount: number, name = `add ${amount}`): Compilation<number> & { readonly identity: Identity } => ({
  program: name,
  signature: { state: { n: scalar }, input: {}, output: { n: scalar } },
  inputs: [],
  source: amount,
  identity: { structure: () => `add an ${amount % 2 === 0 ? "even" : "odd"} number`, elements: () => String(amount) }
})

/** As engines compile: what is there is shared. */
const obtain = Effect.fnUntraced(
  function*(runtime: Runtime<number>, program: ReturnType<typeof adding>) {
    return (yield* runtime.share(program)) ?? (yield* runtime.compile(program))
  }
)

const open = (counts: Counts) => makeLocalRuntime({ engine: "adding" }, counting(counts))
const zero: { readonly [name: string]: HostTensor } = { n: float32([], [0]) }
const numberOf = (tensors: { readonly [name: string]: HostTensor }) => tensors["n"]!.data[0]
const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }

describe("programs that compute the same", () => {
  const commands = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("open" as const), amount: fc.nat(4) }),
      fc.record({ kind: fc.constant("close" as const), place: fc.nat() }),
      fc.record({ kind: fc.constant("step" as const), place: fc.nat() })
    ),
    { maxLength: 30 }
  )

  it.effect("are compiled once, live until the last is released, and step states of their own", () =>
    property(commands, (commands) =>
      Effect.gen(function*() {
        const counts = fresh()
        const runtime = yield* open(counts)
        const all: Array<
          {
            readonly amount: number
            readonly scope: Scope.Closeable
            readonly step: Effect.Effect<number | undefined, unknown>
            steps: number
            closed: boolean
          }
        > = []
        for (const command of commands) {
          if (command.kind === "open") {
            const scope = yield* Scope.make()
            const { amount } = command
            const executable = yield* Scope.provide(obtain(runtime, adding(amount)), scope)
            assert.strictEqual(executable.name, `add ${amount}`)
            // The state outlives its program.
            const instance = yield* executable.start(zero)
            all.push({ amount, scope, step: Effect.map(instance.step({}), numberOf), steps: 0, closed: false })
          } else if (all.length > 0) {
            const one = all[command.place % all.length]!
            if (command.kind === "close") {
              one.closed = true
              yield* Scope.close(one.scope, Exit.void)
            } else if (one.closed) {
              assert.match(String(yield* Effect.flip(one.step)), /the compiled program was released/)
            } else assert.strictEqual(yield* one.step, ++one.steps * one.amount)
          }
          const living = all.filter(({ closed }) => !closed)
          assert.strictEqual((yield* runtime.memory).executables, living.length)
          assert.strictEqual(
            counts.compiled - counts.released,
            new Set(living.map(({ amount }) => amount)).size
          )
        }
        yield* Effect.forEach(all, ({ scope }) => Scope.close(scope, Exit.void))
        assert.strictEqual(counts.released, counts.compiled)
      }).pipe(Effect.scoped), { numRuns: 100 }))

  it.effect("are released once where the engine closes first", () =>
    Effect.gen(function*() {
      const counts = fresh()
      const scope = yield* Scope.make()
      const runtime = yield* Scope.provide(open(counts), scope)
      yield* Effect.forEach([1, 1, 1, 3], (amount) => obtain(runtime, adding(amount)))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(counts, { compiled: 2, released: 2, refusals: 0 })
      assert.deepStrictEqual(yield* runtime.memory, nothing)
    }))

  it.effect("are compiled once when all ask at once", () =>
    Effect.gen(function*() {
      const counts = fresh()
      const runtime = yield* open(counts)
      const amounts = Array.from({ length: 20 }, (_, i) => i % 4)
      const numbers = yield* Effect.forEach(
        amounts,
        (amount) =>
          Effect.flatMap(obtain(runtime, adding(amount)), (executable) => executable.start(zero)).pipe(
            Effect.flatMap((instance) => instance.step({})),
            Effect.map(numberOf)
          ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(numbers, amounts)
      assert.strictEqual(counts.compiled, 4)
    }))

  it.effect("are compiled afresh where the first could not be, each with an error of its own where it cannot either", () =>
    Effect.gen(function*() {
      const counts = { ...fresh(), refusals: 2 }
      const runtime = yield* open(counts)
      const exits = yield* Effect.forEach(
        ["a", "b", "c"],
        (name) => Effect.result(obtain(runtime, adding(1, name))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        exits.map((result) => result._tag === "Success" ? result.success.name : result.failure.message),
        [
          `the engine "adding" could not compile program "a": refused`,
          `the engine "adding" could not compile program "b": refused`,
          "c"
        ]
      )
      yield* obtain(runtime, adding(1))
      assert.strictEqual(counts.compiled, 1)
      assert.strictEqual((yield* runtime.memory).executables, 2)
    }))

  it.effect("lose nothing when the one that compiles is interrupted", () =>
    Effect.gen(function*() {
      const counts = fresh()
      const runtime = yield* open(counts)
      const first = yield* Effect.forkChild(Effect.scoped(obtain(runtime, adding(1))), { startImmediately: true })
      yield* Effect.scoped(Effect.gen(function*() {
        const second = yield* Effect.forkScoped(obtain(runtime, adding(1)), { startImmediately: true })
        yield* Fiber.interrupt(first)
        const instance = yield* (yield* Fiber.join(second)).start(zero)
        assert.strictEqual(numberOf(yield* instance.step({})), 1)
        assert.deepStrictEqual(counts, { compiled: 1, released: 0, refusals: 0 })
      }))
      assert.deepStrictEqual(counts, { compiled: 1, released: 1, refusals: 0 })
      assert.deepStrictEqual(yield* runtime.memory, nothing)
    }))

  it.effect("are told apart only while another one lives, and by their elements only where it has the same structure", () =>
    Effect.gen(function*() {
      const runtime = yield* open(fresh())
      const asked: Array<string> = []
      const watched = ({ identity, ...program }: ReturnType<typeof adding>) => ({
        ...program,
        identity: {
          structure: () => {
            asked.push("structure")
            return identity.structure()
          },
          elements: () => {
            asked.push("elements")
            return identity.elements()
          }
        }
      })
      assert.isUndefined(yield* runtime.share(watched(adding(1))))
      assert.deepStrictEqual(asked, [])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* runtime.compile(adding(2))
        assert.isUndefined(yield* runtime.share(watched(adding(1))))
        assert.deepStrictEqual(asked, ["structure"])
        assert.isUndefined(yield* runtime.share(watched(adding(4))))
        assert.deepStrictEqual(asked, ["structure", "structure", "elements"])
      }))
      assert.isUndefined(yield* runtime.share(watched(adding(2))))
      assert.strictEqual(asked.length, 3)
    }))

  it.effect("are what they were when they were compiled", () =>
    Effect.gen(function*() {
      const runtime = yield* open(fresh())
      let amount = 1
      const identity = fingerprintOf(() => String(amount))
      yield* runtime.compile({ ...adding(1), identity })
      amount = 3
      assert.isUndefined(yield* runtime.share({ ...adding(3), identity: fingerprintOf(() => "3") }))
      assert.isDefined(yield* runtime.share({ ...adding(1), identity: fingerprintOf(() => "1") }))
    }))
})

/** An identity that reads its elements once, as a graph's does. */
const fingerprintOf = (read: () => string): Identity => {
  let elements: string | undefined
  return { structure: () => "add a number", elements: () => elements ??= read() }
}
