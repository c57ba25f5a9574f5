/**
 * Training, its checkpoints, and previews that are drawn meanwhile, interleaved in whatever order a scheduler makes: what
 * is saved and what is shown is always the state of a whole step, and the numbers of the run do not depend on the order.
 */
import { assert } from "@effect/vitest"
import { Engine } from "@effusion/core/engine"
import { ddim, Sampling } from "@effusion/core/sampling"
import { Training, type TrainingState } from "@effusion/core/training"
import { Cause, Deferred, Effect, Exit, Fiber, Stream } from "effect"
import * as fc from "fast-check"
import type { EngineTests } from "../conformance/tests.ts"
import { bits } from "../conformance/tests.ts"
import { forAll } from "../support/properties.ts"
import { type Gates, gatesOf, scheduledEngine } from "./scheduled.ts"
import { bitsOf, optionsOf, servicesOf } from "./wide.ts"

const [hidden, steps, every] = [8, 5, 2]

const options = { ...optionsOf({ hidden, steps }), batchSize: 4 }

/** Samples of the network of a state. */
const preview = ({ average, parameters }: TrainingState) =>
  Sampling.images({ sampler: ddim(), steps: 2, count: 2, seed: 1, clip: "none", parameters: average ?? parameters })
    .pipe(Effect.map((samples) => bits({ samples })), Effect.provide(servicesOf(hidden)))

/** What is so after a step, when nothing happens at the same time. */
interface Moment {
  readonly loss: number
  readonly state: ReturnType<typeof bitsOf>
  readonly samples: ReturnType<typeof bits>
}

/** The moments of a run that nobody disturbs, by step; before the first there is no loss. */
const undisturbed = Effect.fnUntraced(function*(accumulate: number) {
  const run = yield* Training.start({ ...options, accumulate })
  const moment = Effect.fnUntraced(function*(loss: number) {
    const state = yield* run.snapshot
    return { loss, state: bitsOf(state), samples: yield* preview(state) }
  })
  const first: Moment = yield* moment(Number.NaN)
  return [first, ...yield* Stream.runCollect(Stream.mapEffect(run.reports, ({ loss }) => moment(loss)))]
}, Effect.scoped)

/** Who does something while a run goes on. */
interface Scenario {
  readonly accumulate: 1 | 2
  /** How many previews others draw, of the state as they find it. */
  readonly watchers: number
  /** Whether the consumer of the reports draws previews too, and so holds training up. */
  readonly previews: boolean
  /** What else happens, at any moment. */
  readonly event: "none" | "stop" | "interrupt the run" | "interrupt the watchers"
}

const scenario: fc.Arbitrary<Scenario> = fc.record({
  accumulate: fc.constantFrom(1, 2),
  watchers: fc.integer({ min: 0, max: 3 }),
  previews: fc.boolean(),
  event: fc.constantFrom("none", "stop", "interrupt the run", "interrupt the watchers")
})

/** Waits for a fiber, which must end well unless it may have been interrupted, and in no other way. */
const ends = Effect.fnUntraced(function*<A, E>(fiber: Fiber.Fiber<A, E>, mayBeInterrupted: boolean) {
  const exit = yield* Fiber.await(fiber)
  if (mayBeInterrupted && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return
  yield* exit
})

/** Runs a scenario, and checks what everybody sees. */
const play = Effect.fnUntraced(
  function*({ accumulate, event, previews, watchers }: Scenario, gates: Gates, moments: ReadonlyArray<Moment>) {
    const saved: Array<number> = []
    /** Writes for as long as the scheduler likes, and sees that what it writes stays as it is. */
    const save = Effect.fnUntraced(function*(state: TrainingState) {
      yield* gates.pass(`write step ${state.step}`)
      assert.deepStrictEqual(bitsOf(state), moments[state.step]!.state)
      yield* gates.pass(`rename step ${state.step}`)
      assert.deepStrictEqual(bitsOf(state), moments[state.step]!.state)
      saved.push(state.step)
      return `step ${state.step}`
    })
    const run = yield* Training.start({ ...options, accumulate, checkpoints: { every, save } })

    const look = Effect.fnUntraced(function*(snapshot: Training.Run["snapshot"]) {
      const state = yield* snapshot
      assert.deepStrictEqual(bitsOf(state), moments[state.step]!.state)
      assert.deepStrictEqual(yield* preview(state), moments[state.step]!.samples)
      return state.step
    })

    const seen: Array<number> = []
    const stopping = yield* Deferred.make<void>()
    const stop = Effect.andThen(Deferred.succeed(stopping, undefined), run.stop)
    const trainer = yield* run.reports.pipe(
      Stream.runForEach(Effect.fnUntraced(function*(report) {
        seen.push(report.step)
        assert.strictEqual(report.loss, moments[report.step]!.loss)
        yield* gates.pass(`report step ${report.step}`)
        // As in the command line: a preview is not waited for when the run is to stop.
        if (previews && report.step % every === 1) {
          yield* Effect.raceFirst(Effect.asVoid(look(report.snapshot)), Deferred.await(stopping))
        }
      })),
      Training.stopOnInterrupt({ ...run, stop }),
      Effect.forkChild
    )
    const watching = yield* Effect.forEach(
      Array.from({ length: watchers }, (_, i) => i),
      (i) => Effect.forkChild(Effect.andThen(gates.pass(`watcher ${i}`), look(run.snapshot)))
    )
    yield* gates.pass(event)
    if (event === "stop") yield* stop
    if (event === "interrupt the run") yield* Fiber.interrupt(trainer)
    if (event === "interrupt the watchers") yield* Fiber.interruptAll(watching)
    yield* ends(trainer, event === "interrupt the run")
    yield* Effect.forEach(watching, (watcher) => ends(watcher, event === "interrupt the watchers"))

    const last = seen.at(-1) ?? 0
    assert.deepStrictEqual(seen, Array.from({ length: last }, (_, i) => i + 1))
    assert.deepStrictEqual(saved, seen.filter((step) => step % every === 0 || step === last))
    if (event === "none" || event === "interrupt the watchers") assert.strictEqual(last, steps)
    assert.deepStrictEqual(bitsOf(yield* run.snapshot), moments[last]!.state)
  },
  Effect.scoped
)

/** Registers the tests. */
export const raceTests = (it: EngineTests, { runs }: { readonly runs: number }): void => {
  it.effect(
    "holds states that are given out whole and disturb nobody, however training, checkpoints and previews interleave",
    () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const moments = { 1: yield* undisturbed(1), 2: yield* undisturbed(2) }
        yield* forAll(
          fc.tuple(scenario, fc.scheduler()),
          Effect.fnUntraced(function*([scenario, scheduler]) {
            const before = yield* engine.memory
            const gates = gatesOf(scheduler)
            yield* play(scenario, gates, moments[scenario.accumulate]).pipe(
              Effect.provideService(Engine, scheduledEngine(engine, gates)),
              gates.drive
            )
            assert.deepStrictEqual(yield* engine.memory, before)
          }),
          { numRuns: runs }
        )
      }),
    120_000
  )
}
