/**
 * Laws of training runs: that a run is a function of its options, wherever it was cut and however its batches are made.
 */
import { Effect, Stream } from "effect"
import * as fc from "fast-check"
import type { Tensors } from "../engine/index.ts"
import { type Trainable, Training, type TrainingState } from "../training/index.ts"
import { first, same } from "./internal/compare.ts"
import { type EngineService, type HostTensors, onEngine, sameTensors } from "./internal/onEngine.ts"
import { law, type Suite, suite, type Violation } from "./Law.ts"

/** How the laws of a training run are stated. */
export interface TrainingLawOptions {
  /** What the suite is called: `the training run` unless given. */
  readonly subject?: string | undefined
  /** What it runs on. */
  readonly engine: EngineService
}

/**
 * The laws of a training run: of a pipeline with its data and optimiser. The run is trained several times, so give it few
 * steps, about ten.
 *
 * @example
 * Laws.training({ pipeline, data, batchSize: 4, optimizer, steps: 10, seed: 7 }, { engine })
 */
export const training = <In extends Tensors, Out extends Tensors & Trainable, PE, DE>(
  options: Training.TrainingOptions<In, Out, PE, never, DE, never>,
  { engine, subject = "the training run" }: TrainingLawOptions
): Suite => {
  const { steps } = options
  const train = (variant: Variant) => onEngine(engine)(trainPart(options, variant))
  const whole = train({ until: steps })
  return suite(subject, [
    law({
      name: "training/repeatable",
      sentence:
        "the same options give the same losses and the same state, bit for bit, also while another run is under way",
      source: "determinism: every random number is a function of seed, step and name",
      atMost: 1,
      inputs: fc.constant(undefined),
      show: () => "",
      violation: () =>
        Effect.gen(function*() {
          const once = yield* whole
          const [again] = yield* Effect.all([whole, train({ until: steps })], { concurrency: "unbounded" })
          return sameRuns("beside another run", again, "alone it has", once)
        })
    }),
    law({
      name: "training/resumed",
      sentence:
        "a run that is cut and resumed is the uninterrupted run: the same losses and the same state, bit for bit",
      source: "a state holds all that a run needs to go on; draws and data are functions of the step",
      atMost: 4,
      inputs: fc.uniqueArray(fc.integer({ min: 1, max: Math.max(1, steps - 1) }), { minLength: 1, maxLength: 3 })
        .map((cuts) => cuts.toSorted((a, b) => a - b)),
      show: (cuts) => `cut after ${cuts.join(", ")} of ${steps} steps`,
      violation: (cuts) =>
        Effect.gen(function*() {
          const uninterrupted = yield* whole
          let resumed: Trained = { losses: [], state: undefined }
          for (const until of [...cuts, steps]) {
            const part: Trained = yield* train({ until, from: resumed.state })
            resumed = { losses: [...resumed.losses, ...part.losses], state: part.state }
          }
          return sameRuns("of the resumed run", resumed, "uninterrupted it has", uninterrupted)
        })
    }),
    law({
      name: "training/prefetch",
      sentence: "how many batches are made ahead changes nothing, bit for bit",
      source: "batches are made ahead on the host, and are functions of the step",
      atMost: 3,
      inputs: fc.integer({ min: 1, max: 2 * steps }),
      show: (prefetch) => `${prefetch} batches ahead`,
      violation: (prefetch) =>
        Effect.gen(function*() {
          const one = yield* train({ until: steps, prefetch: 1 })
          return sameRuns(
            `with ${prefetch} batches ahead`,
            yield* train({ until: steps, prefetch }),
            "with one it has",
            one
          )
        })
    })
  ])
}

/** A part of a run. */
interface Variant {
  readonly until: number
  readonly from?: TrainingState | undefined
  readonly prefetch?: number | undefined
}

/** What a part of a run came to. */
interface Trained {
  readonly losses: ReadonlyArray<number>
  readonly state: TrainingState | undefined
}

const trainPart = <In extends Tensors, Out extends Tensors & Trainable, PE, DE>(
  options: Training.TrainingOptions<In, Out, PE, never, DE, never>,
  { from, prefetch, until }: Variant
) =>
  Effect.scoped(Effect.gen(function*() {
    const run = yield* Training.start({
      ...options,
      ...(from === undefined ? {} : { resumeFrom: from }),
      ...(prefetch === undefined ? {} : { prefetch })
    })
    const reports = yield* run.reports.pipe(Stream.take(until - (from?.step ?? 0)), Stream.runCollect)
    const trained: Trained = {
      losses: reports.flatMap(({ loss, perExample }) => [loss, ...perExample]),
      state: yield* run.snapshot
    }
    return trained
  }))

const sameRuns = (what: string, actual: Trained, reference: string, expected: Trained): Violation =>
  first(
    same(`the list of losses ${what}`, actual.losses, reference, expected.losses),
    same(`the list of steps ${what}`, [actual.state?.step ?? -1], reference, [expected.state?.step ?? -1]),
    sameTensors(`the state ${what}`, tensorsOf(actual.state), reference, tensorsOf(expected.state))
  )

/** All tensors of a state in one record. */
const tensorsOf = (state: TrainingState | undefined): HostTensors => {
  if (state === undefined) return {}
  const groups = { parameters: state.parameters, average: state.average ?? {}, ...state.optimizer }
  return Object.fromEntries(
    Object.entries(groups).flatMap(([group, tensors]) =>
      Object.entries(tensors).map(([name, tensor]) => [`${group}: ${name}`, tensor])
    )
  )
}
