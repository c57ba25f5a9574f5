/**
 * Thousands of training steps, interrupted at random and resumed from their checkpoints: nothing is left behind, and
 * nothing is lost.
 */
import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { Engine } from "@effusion/core/engine"
import { Checkpoint, type StepReport, Training, type TrainingState } from "@effusion/core/training"
import { Deferred, Effect, Exit, Fiber, FileSystem, Stream } from "effect"
import * as fc from "fast-check"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { EngineTests } from "../conformance/tests.ts"
import { turns } from "./turns.ts"
import { bitsOf, optionsOf } from "./wide.ts"

/** What the interrupted training is, and what it may leave. */
export interface InterruptionOptions {
  /** Optimiser steps of the run; those that are taken again after an interruption come on top. */
  readonly steps: number
  /** The width of the network: a state is 96 bytes times this. */
  readonly hidden: number
  /** By how much the resident memory may grow in the second half of the run: the first fills caches and pools. */
  readonly megabytes: number
  /** Further counts that must be as they were at the end, such as of what a binding holds. */
  readonly counts?: Effect.Effect<{ readonly [what: string]: number }, never, Engine>
}

/** How one part of the run ends. */
interface Interruption {
  /** After how many steps of this part; 0 is while it is being set up. */
  readonly steps: number
  /** How many turns of the event loop after that. */
  readonly turns: number
  /** Whether the run is asked to stop, and saves; otherwise it goes on from its last checkpoint. */
  readonly orderly: boolean
}

const interruptions: fc.Arbitrary<Interruption> = fc.record({
  steps: fc.nat(100),
  turns: fc.nat(8),
  orderly: fc.boolean()
})

/** Registers the test. */
export const interruptionTests = (
  it: EngineTests,
  { counts, hidden, megabytes, steps }: InterruptionOptions
): void => {
  const options = optionsOf({ hidden, steps })

  it.effect(
    `${steps} training steps with interruptions at random leave nothing, and come to the same bits as without`,
    () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const held = Effect.gen(function*() {
          return { memory: yield* engine.memory, ...(yield* counts ?? Effect.succeed({})) }
        })
        const before = yield* held
        const whole = yield* trainWhole(options)

        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        const losses = new Map<number, number>()
        let halfway: number | undefined
        let state: TrainingState | undefined
        let parts = 0
        for (const interruption of fc.sample(interruptions, 10_000)) {
          const exit = yield* trainPart(options, folder, interruption, ({ loss, step }) => {
            const known = losses.get(step) ?? loss
            assert.strictEqual(loss, known, `step ${step} is not what it was before`)
            losses.set(step, loss)
          })
          assert.deepStrictEqual(yield* held, before)
          parts++
          // What is collected only now and then leaves pages behind that hide growth.
          const resident = parts % 4 === 1 ? residentMegabytes() : halfway
          if (losses.size <= steps / 2) halfway = resident
          if (Exit.isSuccess(exit) && exit.value.step === steps) {
            state = exit.value
            break
          }
        }
        assert.deepStrictEqual(Array.from(losses.values()), whole.losses)
        assert.deepStrictEqual(bitsOf(state!), bitsOf(whole.state))
        assert.isAtLeast(parts, steps / 100)
        const growth = residentMegabytes() - halfway!
        assert.isBelow(growth, megabytes)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    300_000
  )
}

type Options = ReturnType<typeof optionsOf>

/** The losses and the last state of the run that nobody interrupts. */
const trainWhole = Effect.fnUntraced(function*(options: Options) {
  const run = yield* Training.start(options)
  const losses = yield* Stream.runCollect(Stream.map(run.reports, ({ loss }) => loss))
  return { losses, state: yield* run.snapshot }
}, Effect.scoped)

/** Goes on from the newest checkpoint until it is interrupted, or to the end: the state there. */
const trainPart = Effect.fnUntraced(function*(
  options: Options,
  folder: string,
  interruption: Interruption,
  onReport: (report: StepReport) => void
) {
  const { checkpoint, damaged } = yield* Checkpoint.latest(folder)
  assert.deepStrictEqual(damaged, [])
  const from = checkpoint?.state.step ?? 0
  const reached = yield* Deferred.make<void>()
  const part = Effect.gen(function*() {
    if (interruption.steps === 0) yield* Deferred.succeed(reached, undefined)
    const run = yield* Training.start({
      ...options,
      checkpoints: Checkpoint.policy({ folder, every: 40, keep: 2 }),
      ...(checkpoint === undefined ? {} : { resumeFrom: checkpoint.state })
    })
    yield* run.reports.pipe(
      Stream.runForEach((report) => {
        onReport(report)
        return report.step < from + interruption.steps ? Effect.void : Deferred.succeed(reached, undefined)
      }),
      interruption.orderly ? Training.stopOnInterrupt(run) : (consume) => consume
    )
    return yield* run.snapshot
  }).pipe(Effect.scoped)
  const fiber = yield* Effect.forkChild(part)
  yield* Effect.raceFirst(Deferred.await(reached), Fiber.await(fiber))
  yield* turns(interruption.turns)
  yield* Fiber.interrupt(fiber)
  return yield* Fiber.await(fiber)
})

/** The resident memory without what could be collected. */
const residentMegabytes = (): number => {
  setFlagsFromString("--expose-gc")
  const collect: () => void = runInNewContext("gc")
  collect()
  return process.memoryUsage.rss() / 2 ** 20
}
