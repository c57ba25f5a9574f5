/**
 * What a command is: something done to an engine and to its model, after which both must hold the same.
 */
import { assert } from "@effect/vitest"
import type { Engine, EngineMemory } from "@effusion/core/engine"
import { Effect, Record, Scope } from "effect"
import type * as fc from "fast-check"
import * as Model from "./model.ts"

export type Compiled = Effect.Success<ReturnType<typeof compile>>
export type Started = Effect.Success<ReturnType<Compiled["start"]>>

/** An engine, and how to close it. */
export interface OpenEngine {
  readonly service: Engine["Service"]
  readonly close: Effect.Effect<void>
}

/** What there is: values at the places that they have in the model. */
export interface Real {
  engine: OpenEngine
  /** What the engine held before: what a sequence that failed has left is not the next one's fault. */
  before: EngineMemory
  readonly scopes: Array<Scope.Closeable>
  readonly programs: Array<Compiled>
  readonly instances: Array<Started>
}

/** Begins: one open scope, and nothing in it. */
export const begin = (engine: OpenEngine): Effect.Effect<{ readonly model: Model.Model; readonly real: Real }> =>
  Effect.map(engine.service.memory, (before) => ({
    model: Model.empty(),
    real: { engine, before, scopes: [Scope.makeUnsafe()], programs: [], instances: [] }
  }))

/** Holds the engine to holding what the model does. */
export const checkMemory = (model: Model.Model, { before, engine }: Real): Effect.Effect<void> =>
  Effect.map(engine.service.memory, (memory) => {
    const held = Model.memoryOf(model)
    assert.deepStrictEqual(memory, Record.map(before as Counts, (count, what) => count + held[what]))
  })

type Counts = { readonly [K in keyof EngineMemory]: number }

/** Compiles the program of the tests. */
export const compile = (engine: OpenEngine, size: number) => engine.service.compile(Model.runningSum(size))

/** One of those that there are. */
export const pick = (choice: number, from: ReadonlyArray<unknown>): number => choice % from.length

type Perform = (model: Model.Model, real: Real) => Effect.Effect<void, unknown>

/** Something that one can do; what it is done to is chosen by number when its time comes. */
export const command = (
  name: string,
  needs: "scopes" | "programs" | "instances",
  perform: Perform
): fc.AsyncCommand<Model.Model, Real> => ({
  check: (model) => model[needs].length > 0,
  run: (model, real) => Effect.runPromise(Effect.andThen(perform(model, real), checkMemory(model, real))),
  toString: () => name
})

/** Holds an effect to failing with one of these errors, in these words. */
export const fails = <E extends { readonly _tag: string; readonly message: string }>(
  effect: Effect.Effect<unknown, E>,
  tags: ReadonlyArray<E["_tag"]>,
  message: RegExp = /./
): Effect.Effect<void> =>
  Effect.matchEffect(effect, {
    onSuccess: () => Effect.die(new Error("it should have failed")),
    onFailure: (error) =>
      Effect.sync(() => {
        assert.include(tags, error._tag)
        assert.match(error.message, message)
      })
  })

/** Holds the use of what is gone to the error that says so. */
export const failsAsClosed = <A>(effect: Effect.Effect<A, { readonly _tag: string; readonly message: string }>) =>
  fails(effect, ["ExecutionFailed"], /closed|earlier step failed/)

/** Holds the use of what does not fit to the error that says so, unless what it does not fit is gone as well. */
export const failsToFit = <A>(
  effect: Effect.Effect<A, { readonly _tag: string; readonly message: string }>,
  isOpen: boolean
) => isOpen ? fails(effect, ["SignatureMismatch"]) : fails(effect, ["SignatureMismatch", "ExecutionFailed"])
