/**
 * What meets a scope that is closing: programs that are being compiled, states that are being placed, steps under way.
 * Each comes to its end or is refused, in words; none is forgotten.
 */
import { assert } from "@effect/vitest"
import { type CompileError, Engine, type EngineUnavailable, type RunError } from "@effusion/core/engine"
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import * as fc from "fast-check"
import type { EngineTests } from "../conformance/tests.ts"
import { forAll } from "../support/properties.ts"
import type { OpenEngine } from "./Command.ts"
import { inputOf, runningSum, stateOf } from "./model.ts"
import { turns } from "./turns.ts"

const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }
const state = stateOf({ sum: [1, 2], steps: 0 })
const input = inputOf([1, 1], 0)

/** Does something after some turns of the event loop, beside everything else. */
const later = <A, E>(at: number, effect: Effect.Effect<A, E>): Effect.Effect<Fiber.Fiber<A, E>> =>
  Effect.forkDetach(Effect.andThen(turns(at), effect), { startImmediately: true })

/** Holds what met something that was closing to success, interruption, or the error that says so. */
const endsWell = Effect.fnUntraced(function*<A, E extends { readonly _tag: string; readonly message: string }>(
  fiber: Fiber.Fiber<A, E>
) {
  const exit = yield* Fiber.await(fiber)
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
  const error = yield* Effect.flip(exit)
  assert.include(["CompilationFailed", "ExecutionFailed"], error._tag)
  assert.match(error.message, /closed/)
})

const moment = fc.nat(10)

const whats = ["compile", "start", "step", "read", "write", "memory"] as const

type UseError = CompileError | RunError

/** When something happens to an engine that closes, and what. */
const uses = fc.array(
  fc.record({ at: moment, what: fc.constantFrom(...whats) }),
  { minLength: 1, maxLength: 12, size: "max" }
)

/** When a state is placed and stepped, and when that is interrupted or its scopes close. */
const lives = fc.record({
  start: moment,
  interrupt: fc.option(moment, { nil: undefined }),
  steps: fc.array(moment, { maxLength: 4 }),
  closeProgram: moment,
  closeInstance: moment
})

/** Registers the tests. */
export const closingTests = (it: EngineTests, open: Effect.Effect<OpenEngine, EngineUnavailable>): void => {
  it.effect("is nothing when the engine has closed, whatever was under way or came then", () =>
    forAll(
      fc.record({ close: moment, uses }),
      Effect.fnUntraced(function*({ close, uses }) {
        const engine = yield* open
        const compile = engine.service.compile(runningSum(2))
        const outer = yield* Effect.scope
        const executable = yield* compile
        const instance = yield* executable.start(state)
        const effects: { readonly [what in typeof whats[number]]: Effect.Effect<unknown, UseError> } = {
          compile: Scope.provide(compile, outer),
          start: Scope.provide(executable.start(state), outer),
          step: instance.step(input),
          read: instance.read,
          write: instance.write(state),
          memory: engine.service.memory
        }
        const closing = yield* later(close, engine.close)
        const using = yield* Effect.forEach(uses, ({ at, what }) => later(at, effects[what]))
        yield* Effect.forEach(using, endsWell)
        yield* Fiber.join(closing)
        assert.deepStrictEqual(yield* engine.service.memory, nothing)
      }),
      { numRuns: 15 }
    ))

  it.effect("is what it was when a state's scopes have closed, in any order, at any moment of its life", () =>
    forAll(
      lives,
      Effect.fnUntraced(function*({ closeInstance, closeProgram, interrupt, start, steps }) {
        const engine = yield* Engine
        const before = yield* engine.memory
        const [ofProgram, ofInstance] = [yield* Scope.make(), yield* Scope.make()]
        const executable = yield* Scope.provide(engine.compile(runningSum(2)), ofProgram)
        const starting = yield* later(start, Scope.provide(executable.start(state), ofInstance))
        const others: ReadonlyArray<Fiber.Fiber<unknown, RunError>> = [
          yield* later(closeProgram, Scope.close(ofProgram, Exit.void)),
          yield* later(closeInstance, Scope.close(ofInstance, Exit.void)),
          ...(interrupt === undefined ? [] : [yield* later(interrupt, Fiber.interrupt(starting))]),
          ...yield* Effect.forEach(steps, (at) =>
            later(at, Effect.flatMap(Fiber.join(starting), (instance) => instance.step(input))))
        ]
        yield* endsWell(starting)
        yield* Effect.forEach(others, endsWell)
        assert.deepStrictEqual(yield* engine.memory, before)
      })
    ))
}
