import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { Engine } from "@effusion/core/engine"
import { Checkpoint, Training, type TrainingState } from "@effusion/core/training"
import { Cause, Deferred, Effect, Exit, Fiber, FileSystem, Queue, Ref, Stream } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"
import { adaptivePipeline, bitsOf, dataset, options, pipeline } from "./tiny.ts"

const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }

interface Variant {
  readonly accumulate?: number
  readonly pipeline?: typeof pipeline
}

/** The state of an uninterrupted run after so many steps. */
const stateAfter = Effect.fnUntraced(function*(steps: number, variant: Variant = {}) {
  const run = yield* Training.start({ ...options, ...variant })
  yield* run.reports.pipe(Stream.take(steps), Stream.runDrain)
  return yield* run.snapshot
}, Effect.scoped)

describeEngines("a run that is interrupted", (it) => {
  it.effect("stops after a whole step, saves it, and has let its consumer see the end (stopOnInterrupt)", () =>
    forAll(
      fc.record({
        at: fc.integer({ min: 1, max: 11 }),
        variant: fc.record({
          accumulate: fc.constantFrom(1, 3),
          pipeline: fc.constantFrom(pipeline, adaptivePipeline)
        })
      }),
      Effect.fnUntraced(function*({ at, variant }) {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        const reached = yield* Deferred.make<void>()
        const seen: Array<number> = []
        const ended = yield* Ref.make(false)
        const program = Effect.gen(function*() {
          const checkpoints = Checkpoint.policy({ folder, every: 100 })
          const run = yield* Training.start({ ...options, ...variant, checkpoints })
          yield* run.reports.pipe(
            Stream.runForEach(({ step }) => {
              seen.push(step)
              return step === at ? Deferred.succeed(reached, undefined) : Effect.void
            }),
            Effect.andThen(Ref.set(ended, true)),
            Training.stopOnInterrupt(run)
          )
        }).pipe(Effect.scoped)
        const fiber = yield* Effect.forkChild(program)
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(fiber)

        assert.isTrue(yield* Ref.get(ended))
        const last = seen.at(-1)!
        const { checkpoint, damaged } = yield* Checkpoint.latest(folder)
        assert.deepStrictEqual(damaged, [])
        assert.strictEqual(checkpoint?.state.step, last)
        assert.isAtMost(last, at + 1)
        assert.deepStrictEqual(bitsOf(checkpoint!.state), bitsOf(yield* stateAfter(last, variant)))
        assert.deepStrictEqual(yield* (yield* Engine).memory, nothing)
      }),
      { numRuns: 8 }
    ).pipe(Effect.provide(NodeServices.layer)))

  it.effect("does not hide that the last checkpoint could not be written", () =>
    Effect.gen(function*() {
      const reached = yield* Deferred.make<void>()
      const program = Effect.gen(function*() {
        const save = () => Effect.fail("the disk is full" as const)
        const run = yield* Training.start({ ...options, checkpoints: { every: 100, save } })
        yield* run.reports.pipe(
          Stream.runForEach(() => Effect.andThen(Deferred.succeed(reached, undefined), Effect.yieldNow)),
          Training.stopOnInterrupt(run)
        )
      }).pipe(Effect.scoped)
      const fiber = yield* Effect.forkChild(program)
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert(Exit.isFailure(exit))
      assert.deepStrictEqual(exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error), [
        "the disk is full"
      ])
    }))

  it.effect("does not go on from between two micro-batches: their gradient is not whole", () =>
    Effect.gen(function*() {
      const waiting = yield* Deferred.make<void>()
      const released = yield* Deferred.make<void>()
      const data = (from: number) =>
        Stream.unfold(from, (index) =>
          Effect.gen(function*() {
            if (index === 4) yield* Effect.andThen(Deferred.succeed(waiting, undefined), Deferred.await(released))
            return [dataset.read([index]), index + 1] as const
          }))
      const run = yield* Training.start({ ...options, data, accumulate: 3, prefetch: 1 })
      const fiber = yield* Effect.forkChild(Stream.runDrain(run.reports))
      yield* Deferred.await(waiting)
      // The fourth batch, the first of step 2, is in the queue or in the engine; let it get there.
      while ((yield* run.snapshot).step === 0) yield* Effect.yieldNow
      for (let i = 0; i < 50; i++) yield* Effect.andThen(run.snapshot, Effect.yieldNow)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* run.snapshot).step, 1)
      yield* Deferred.succeed(released, undefined)
      const exit = yield* Effect.exit(Stream.runDrain(run.reports))
      assert(Exit.isFailure(exit))
      assert.include(Cause.pretty(exit.cause), "interrupted between two micro-batches; resume from its last snapshot")
    }).pipe(Effect.scoped))

  it.effect("releases what it holds of the engine, at whatever moment it is interrupted", () =>
    forAll(
      fc.integer({ min: 0, max: 60 }),
      Effect.fnUntraced(function*(yields) {
        const fiber = yield* Training.run({ ...options, accumulate: 2 }).pipe(Stream.runDrain, Effect.forkChild)
        for (let i = 0; i < yields; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* (yield* Engine).memory, nothing)
      }),
      { numRuns: 20 }
    ))

  it.effect("leaves a state of a whole step, to go on from", () =>
    Effect.gen(function*() {
      const whole = yield* stateAfter(12)
      const run = yield* Training.start(options)
      let state: TrainingState | undefined
      for (let round = 0; round < 20; round++) {
        const fiber = yield* Effect.forkChild(Stream.runDrain(run.reports))
        for (let i = 0; i < round; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        state = yield* run.snapshot
        assert.deepStrictEqual(bitsOf(state), bitsOf(yield* stateAfter(state.step)))
      }
      // The same stream goes on, too: K = 1 has no half steps.
      yield* Stream.runDrain(run.reports)
      assert.deepStrictEqual(bitsOf(yield* run.snapshot), bitsOf(whole))
    }).pipe(Effect.scoped))
})

describeEngines("a run that is told to stop", (it) => {
  it.effect("ends its stream at the next pull, and saves", () =>
    Effect.gen(function*() {
      const saved: Array<TrainingState> = []
      const save = (state: TrainingState) => Effect.sync(() => `step ${saved.push(state)}`)
      const run = yield* Training.start({ ...options, checkpoints: { every: 4, save } })
      const steps: Array<number> = []
      yield* run.reports.pipe(
        Stream.runForEach(({ step }) => {
          steps.push(step)
          return step === 6 ? run.stop : Effect.void
        })
      )
      assert.deepStrictEqual(steps, [1, 2, 3, 4, 5, 6])
      assert.deepStrictEqual(saved.map(({ step }) => step), [4, 6])
      assert.strictEqual(yield* run.lastCheckpoint, "step 2")
    }).pipe(Effect.scoped))

  it.effect("saves each step once: not the last again, and none that was there before", () =>
    Effect.gen(function*() {
      const saved: Array<number> = []
      const save = ({ step }: TrainingState) => Effect.sync(() => String(saved.push(step)))
      const checkpoints = { every: 4, save }
      yield* Stream.runDrain(Training.run({ ...options, checkpoints }))
      assert.deepStrictEqual(saved, [4, 8, 12])
      const resumeFrom = yield* stateAfter(4)
      const run = yield* Training.start({ ...options, checkpoints, resumeFrom })
      yield* run.stop
      yield* Stream.runDrain(run.reports)
      assert.deepStrictEqual(saved, [4, 8, 12])
    }).pipe(Effect.scoped))

  it.effect("does not wait for data that does not come", () =>
    Effect.gen(function*() {
      const saved: Array<number> = []
      const waiting = yield* Queue.unbounded<void>()
      const data = (from: number) =>
        Stream.unfold(from, (index) =>
          index < 3
            ? Effect.succeed([dataset.read([index]), index + 1] as const)
            : Effect.andThen(Queue.offer(waiting, undefined), Effect.never))
      const run = yield* Training.start({
        ...options,
        data,
        checkpoints: { every: 100, save: ({ step }) => Effect.sync(() => String(saved.push(step))) }
      })
      const fiber = yield* Effect.forkChild(Stream.runDrain(run.reports))
      yield* Queue.take(waiting)
      yield* run.stop
      yield* Fiber.join(fiber)
      assert.strictEqual(saved.length <= 1, true)
      assert.strictEqual((yield* run.snapshot).step, saved[0] ?? 0)
    }).pipe(Effect.scoped))
})
