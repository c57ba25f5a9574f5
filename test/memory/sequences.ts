/**
 * Any sequence of commands does to an engine what it does to the model, and leaves nothing behind.
 */
import { Engine, type EngineUnavailable } from "@effusion/core/engine"
import { Effect, Exit, Scope } from "effect"
import * as fc from "fast-check"
import type { EngineTests } from "../conformance/tests.ts"
import { begin, checkMemory, type OpenEngine } from "./Command.ts"
import { type CommandOptions, commands } from "./commands.ts"
import { close } from "./model.ts"

/** Registers the tests. */
export const sequenceTests = (
  it: EngineTests,
  open: Effect.Effect<OpenEngine, EngineUnavailable>,
  { checksIndices }: Pick<CommandOptions, "checksIndices">
): void => {
  it.effect("is what the scopes hold, after any sequence of commands, and nothing when they are closed", () =>
    Effect.gen(function*() {
      const service = yield* Engine
      const engine = { service, close: Effect.void }
      yield* assertAll(100, commands({ checksIndices }), () => Effect.succeed(engine))
    }))

  it.effect("is nothing when the engine is closed, in the middle of any sequence, and of no use to another engine", () =>
    assertAll(8, commands({ checksIndices, open }), () => open))
}

/** Runs sequences of commands, each on an engine that it closes. */
const assertAll = (
  numRuns: number,
  sequences: ReturnType<typeof commands>,
  open: () => Effect.Effect<OpenEngine, EngineUnavailable>
): Effect.Effect<void> =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(sequences, async (sequence) => {
        const { model, real } = await Effect.runPromise(Effect.flatMap(open(), begin))
        try {
          await fc.asyncModelRun(() => ({ model, real }), sequence)
        } finally {
          close(model, 0)
          await Effect.runPromise(Scope.close(real.scopes[0]!, Exit.void))
        }
        await Effect.runPromise(checkMemory(model, real))
        await Effect.runPromise(real.engine.close)
      }),
      { numRuns }
    )
  )
