import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import type { HostOf, Tensors } from "@effusion/core/engine"
import { Checkpoint, Training, type TrainingState } from "@effusion/core/training"
import { Effect, FileSystem, Stream } from "effect"
import * as fc from "fast-check"
import { uncollected } from "../../support/collect.ts"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"
import { adaptivePipeline, bitsOf, dataset, options, pipeline } from "./tiny.ts"

const { steps } = options

interface Variant {
  readonly accumulate?: number
  readonly prefetch?: number
  readonly pipeline?: typeof pipeline
}

/** Trains from a state up to a step: the losses on the way, and the state there. */
const train = Effect.fnUntraced(
  function*(variant: Variant, from: TrainingState | undefined, until: number) {
    const run = yield* Training.start({ ...options, ...variant, ...(from && { resumeFrom: from }) })
    const reports = yield* run.reports.pipe(Stream.take(until - (from?.step ?? 0)), Stream.runCollect)
    return { losses: reports.map(({ loss, perExample }) => [loss, ...perExample]), state: yield* run.snapshot }
  },
  Effect.scoped
)

const variant = fc.record({
  accumulate: fc.constantFrom(1, 3),
  prefetch: fc.constantFrom(1, 2, 7),
  pipeline: fc.constantFrom(pipeline, adaptivePipeline)
})
const cuts = fc.uniqueArray(fc.integer({ min: 0, max: steps }), { maxLength: 3 }).map((cuts) =>
  cuts.sort((a, b) => a - b)
)

const adaptive: Variant = { pipeline: adaptivePipeline, accumulate: 2 }

describeEngines("a run that was cut and resumed", (it) => {
  it.effect("is the uninterrupted one, bit for bit, wherever it was cut", () =>
    forAll(
      fc.record({ variant, cuts }),
      Effect.fnUntraced(function*({ cuts, variant }) {
        const whole = yield* train(variant, undefined, steps)
        assert.strictEqual(whole.losses.length, steps)
        let state: TrainingState | undefined
        const losses: Array<ReadonlyArray<number>> = []
        for (const until of [...cuts, steps]) {
          const part = yield* train(variant, state, until)
          losses.push(...part.losses)
          state = part.state
        }
        assert.deepStrictEqual(losses, whole.losses)
        assert.deepStrictEqual(bitsOf(state!), bitsOf(whole.state))
      }),
      { numRuns: 12 }
    ))

  for (const [name, variant] of [["uniform timesteps", {}], ["an adaptive sampler", adaptive]] as const) {
    it.effect(`is the uninterrupted one, bit for bit, when it goes on from a checkpoint on disk: ${name}`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const whole = yield* train(variant, undefined, steps)
        const folder = yield* fs.makeTempDirectoryScoped()
        const checkpoints = Checkpoint.policy({ folder, every: 5 })
        yield* Training.run({ ...options, ...variant, checkpoints }).pipe(Stream.take(8), Stream.runDrain)
        const { checkpoint } = yield* Checkpoint.latest(folder)
        assert.strictEqual(checkpoint?.state.step, 5)
        const resumed = yield* train(variant, checkpoint!.state, steps)
        assert.deepStrictEqual(resumed.losses, whole.losses.slice(5))
        assert.deepStrictEqual(bitsOf(resumed.state), bitsOf(whole.state))
      }).pipe(Effect.provide(NodeServices.layer)))
  }

  it.effect("does not depend on how many batches are made ahead", () =>
    Effect.gen(function*() {
      for (const variant of [{}, adaptive]) {
        const [first, ...others] = yield* Effect.forEach([1, 2, 20], (prefetch) =>
          train({ ...variant, prefetch }, undefined, steps))
        for (const other of others) {
          assert.deepStrictEqual(other.losses, first!.losses)
          assert.deepStrictEqual(bitsOf(other.state), bitsOf(first!.state))
        }
      }
    }))

  it.effect("depends on the seed", () =>
    Effect.gen(function*() {
      const losses = yield* Effect.forEach([3, 4], (seed) =>
        Training.run({ ...options, seed, steps: 2 }).pipe(Stream.map(({ loss }) => loss), Stream.runCollect))
      assert.notDeepEqual(losses[0], losses[1])
    }))

  it.effect("goes on in the same stream where the last consumer stopped", () =>
    Effect.gen(function*() {
      const whole = yield* train({}, undefined, steps)
      const run = yield* Training.start(options)
      const first = yield* run.reports.pipe(Stream.take(5), Stream.runCollect)
      const rest = yield* Stream.runCollect(run.reports)
      assert.deepStrictEqual(
        [...first, ...rest].map(({ step }) => step),
        Array.from({ length: steps }, (_, i) => i + 1)
      )
      assert.deepStrictEqual(bitsOf(yield* run.snapshot), bitsOf(whole.state))
      assert.deepStrictEqual(yield* Stream.runCollect(run.reports), [])
    }).pipe(Effect.scoped))

  it.effect("has nothing left to do when all of its steps were taken", () =>
    Effect.gen(function*() {
      const { state } = yield* train({}, undefined, steps)
      const resumed = yield* train({}, state, steps)
      assert.deepStrictEqual(resumed.losses, [])
      assert.deepStrictEqual(bitsOf(resumed.state), bitsOf(state))
    }))
})

/** Starts a run from a state that nobody else holds, and gives weak references to everything large in it. */
const startFrom = Effect.fnUntraced(function*(variant: Variant, step: number) {
  const { state } = yield* train(variant, undefined, step)
  const references = Object.fromEntries(
    Object.entries({ parameters: state.parameters, average: state.average!, ...state.optimizer }).flatMap(
      ([group, tensors]) =>
        Object.entries(tensors).map(([name, { data }]) =>
          [`${group} ${name}`, new WeakRef<object>(data.buffer)] as const
        )
    )
  )
  const run = yield* Training.start({ ...options, ...variant, resumeFrom: state })
  return { references: { state: new WeakRef<object>(state), ...references }, run }
})

describeEngines("the state that a run goes on from", (it) => {
  for (const [name, variant] of [["uniform timesteps", {}], ["an adaptive sampler", adaptive]] as const) {
    it.effect(`is not held for longer than it takes to place it: ${name}`, () =>
      Effect.gen(function*() {
        const { references, run } = yield* startFrom(variant, 4)
        yield* run.reports.pipe(Stream.take(2), Stream.runDrain)
        assert.deepStrictEqual(yield* uncollected(references), [])
        yield* Stream.runDrain(run.reports)
        assert.strictEqual((yield* run.snapshot).step, steps)
      }).pipe(Effect.scoped))
  }

  it.effect("stays the caller's: another run from it is the same, bit for bit", () =>
    Effect.gen(function*() {
      for (const variant of [{}, adaptive]) {
        const { state } = yield* train(variant, undefined, 5)
        const before = bitsOf(state)
        const [first, second] = [yield* train(variant, state, steps), yield* train(variant, state, steps)]
        assert.deepStrictEqual(bitsOf(state), before)
        assert.deepStrictEqual(second.losses, first.losses)
        assert.deepStrictEqual(bitsOf(second.state), bitsOf(first.state))
      }
    }))
})

describeEngines("a run", (it) => {
  it.effect("asks its data for nothing but what is trained on or made ahead", () =>
    Effect.gen(function*() {
      let made = 0
      const data = (from: number): Stream.Stream<HostOf<{ readonly x0: Tensors[string] }>> =>
        Stream.unfold(from, (index) =>
          Effect.sync(() => {
            made++
            return [dataset.read([index % 40, (index + 1) % 40]), index + 1] as const
          }))
      const run = yield* Training.start({ ...options, data, prefetch: 3 })
      yield* run.reports.pipe(
        Stream.take(4),
        Stream.runForEach(({ step }) =>
          Effect.sync(() => {
            // Three in the queue, one that waits for a place in it, and one that was pulled before that.
            assert.isAtMost(made, step + 3 + 1)
          })
        )
      )
    }).pipe(Effect.scoped))

  it.effect("gives snapshots of whole steps while it steps", () =>
    Effect.gen(function*() {
      const expected = yield* train({}, undefined, steps)
      const states = new Map<number, unknown>()
      yield* Training.run(options).pipe(Stream.runForEach(({ snapshot }) =>
        Effect.gen(function*() {
          const state = yield* snapshot
          states.set(state.step, bitsOf(state))
        })
      ))
      assert.deepStrictEqual(states.get(steps), bitsOf(expected.state))

      const run = yield* Training.start(options)
      const seen: Array<TrainingState> = []
      yield* Effect.raceFirst(
        Stream.runDrain(run.reports),
        Effect.forever(Effect.andThen(Effect.map(run.snapshot, (state) => seen.push(state)), Effect.yieldNow))
      )
      assert.isAbove(seen.length, 0)
      for (const state of seen) {
        if (state.step > 0) assert.deepStrictEqual(bitsOf(state), states.get(state.step), `step ${state.step}`)
      }
    }).pipe(Effect.scoped))

  it.effect("takes the reported learning rates, and reports what the engine computed", () =>
    Effect.gen(function*() {
      const reports = yield* Stream.runCollect(Training.run(options))
      for (const [i, report] of reports.entries()) {
        assert.strictEqual(report.learningRate, options.optimizer.learningRate!(i))
        assert.strictEqual(report.examples, 7)
        assert.strictEqual(report.perExample.length, 7)
        assert.strictEqual(report.timesteps!.length, 7)
        const mean = report.perExample.reduce((sum, loss) => sum + loss, 0) / 7
        assert.closeTo(report.loss, mean, 1e-6 * mean)
        assert.isAbove(report.gradientNorm, 0)
        assert.isAtLeast(report.seconds, 0)
      }
      // The learning rate of the first step of a warm-up is 0: it moves nothing.
      const run = yield* Training.start(options)
      const before = yield* run.snapshot
      yield* run.reports.pipe(Stream.take(1), Stream.runDrain)
      const after = yield* run.snapshot
      assert.deepStrictEqual(bitsOf(after).groups["parameters"], bitsOf(before).groups["parameters"])
    }).pipe(Effect.scoped))
})
