/**
 * The same numbers go in, the same bits come out: whatever ran before, whichever instance, however often compiled.
 */
import { expect } from "@effect/vitest"
import { Engine } from "@effusion/core/engine"
import { Effect } from "effect"
import { bits, type EngineTests, type NamedHost } from "./tests.ts"
import { allToFloat32, batchOf, initialState, type Size, trainingStep } from "./training.ts"

/** Large enough that an engine spreads its sums over threads. */
const size: Size = { batch: 16, side: 24, channels: 16 }
const steps = 4

type Compiled = Effect.Success<ReturnType<typeof compile>>

const compile = () => Effect.flatMap(Engine, (engine) => engine.compile(trainingStep(size)))

/** The bits of every loss and of the last state. */
const train = Effect.fnUntraced(function*(executable: Compiled) {
  const instance = yield* executable.start(allToFloat32(initialState(size)))
  const losses: Array<NamedHost> = []
  for (let step = 0; step < steps; step++) losses.push(yield* instance.step(allToFloat32(batchOf(size, step))))
  return { losses: losses.map(bits), state: bits(yield* instance.read) }
}, Effect.scoped)

/** Registers the tests. */
export const repeatabilityTests = (it: EngineTests): void => {
  it.effect("two runs of one instance from the same state give the same bits", () =>
    Effect.gen(function*() {
      const executable = yield* compile()
      const start = allToFloat32(initialState(size))
      const instance = yield* executable.start(start)
      const batch = allToFloat32(batchOf(size, 0))
      const first = yield* instance.step(batch)
      const after = yield* instance.read
      for (let run = 0; run < 5; run++) {
        yield* instance.write(start)
        expect(bits(yield* instance.step(batch))).toEqual(bits(first))
        expect(bits(yield* instance.read)).toEqual(bits(after))
      }
    }))

  it.effect("two instances from the same state give the same bits, alone and side by side", () =>
    Effect.gen(function*() {
      const executable = yield* compile()
      const alone = yield* train(executable)
      const together = yield* Effect.all([train(executable), train(executable)], { concurrency: "unbounded" })
      expect(together).toEqual([alone, alone])
    }))

  it.effect("compiled twice, a program gives the same bits", () =>
    Effect.gen(function*() {
      expect(yield* train(yield* compile())).toEqual(yield* train(yield* compile()))
    }))
}
