/**
 * What a training run costs besides its session: draws, batches, transfer, reports and Effect as a share of the step, and
 * what the first step of a cold process is made of.
 */
import { type Dataset, fromArrays } from "@effusion/core/data"
import { Engine } from "@effusion/core/engine"
import { Pipeline } from "@effusion/core/pipeline"
import { Training } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import { Console, Data, Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { measureCases } from "./shared/cases.ts"
import { type ClockedEngine, makeClockedEngine, type Stepping } from "./shared/clockedEngine.ts"
import { configurations } from "./shared/configurations.ts"
import { type EngineChoice, engineFlags } from "./shared/engines.ts"
import { common, configurationsOf, engineOf } from "./shared/flags.ts"
import { median, now, round, timed } from "./shared/measure.ts"
import { type Row, table } from "./shared/report.ts"
import { average, cleanImages, optimizer, services, stages, type Subject } from "./shared/subject.ts"

const stepColumns = [
  "config",
  "step_ms",
  "session_ms",
  "transfer_ms",
  "loop_ms",
  "outside_percent",
  "batch_ms",
  "draws_ms"
] as const

const startColumns = [
  "config",
  "engine_ms",
  "trace_ms",
  "passes_ms",
  "lowering_ms",
  "encoding_ms",
  "session_ms",
  "first_run_ms",
  "rest_ms",
  "first_step_ms"
] as const

export const pipeline = Command.make("pipeline", {
  ...common,
  steps: Flag.Int("steps").pipe(Flag.withDefault(30), Flag.withDescription("Timed steps, after two that are not"))
}, ({ config, json, steps, ...flags }) =>
  Effect.gen(function*() {
    const choice = engineOf(flags)
    const rows: Array<Row> = []
    const cases = configurationsOf(config).map((name) => ({
      flags: ["--config", name, "--steps", String(steps), ...engineFlags(choice)],
      measure: Effect.map(
        timePipeline(configurations[name], { steps, choice }),
        (timing) => ({ config: name, ...timing })
      )
    }))
    yield* measureCases("pipeline", cases, (row) =>
      json ? Console.log(JSON.stringify(row)) : Effect.sync(() =>
        void rows.push(row)
      ))
    if (json) return
    yield* Console.log("a step of a training run: what is outside the session, and what the session hides")
    yield* Console.log(table(stepColumns, rows))
    yield* Console.log("the first step of a cold process")
    // The one is of a step, the other of the start.
    yield* Console.log(table(startColumns, rows.map((row) => ({ ...row, session_ms: row["create_session_ms"] }))))
  })).pipe(
    Command.withDescription("What a training run costs besides its session, and its first step from a cold start")
  )

/**
 * Trains as a user would, with `Training.run` on a dataset, and a clock on the native session.
 *
 * `step_ms` is from one report to the next. Of it, `session_ms` is in the session, `transfer_ms` in the rest of
 * `Instance.step`, and `loop_ms` in everything else; the latter two are outside. Batches and draws are made ahead while the
 * session computes: what they take, measured by itself, shows only where it is longer than the session.
 */
const timePipeline = (subject: Subject, { choice, steps }: PipelineOptions) =>
  Effect.gen(function*() {
    yield* requireClock(choice)
    const clocked = yield* makeClockedEngine(choice)
    const data = datasetFor(subject)
    const batchSize = subject.batch
    const begin = yield* now
    const marks: Array<Mark> = []
    yield* Training.run({ pipeline: stages, data, batchSize, optimizer, average, steps: steps + warmUp, seed: 0 }).pipe(
      Stream.runForEach(() =>
        Effect.map(now, (time) => void marks.push({ time: time - begin, ...clocked.stepping() }))
      ),
      Effect.provideService(Engine, clocked.engine)
    )
    return { ...sharesOf(marks), ...(yield* hostWork(subject, data)), ...coldStart(marks[0]!, clocked) }
  }).pipe(Effect.scoped, Effect.provide(services(subject.config)))

interface PipelineOptions {
  readonly steps: number
  readonly choice: EngineChoice
}

/** Steps that are not timed. */
const warmUp = 2

/** What the clocks show when a step is reported: milliseconds since the run began. */
interface Mark extends Stepping {
  readonly time: number
}

/** The pipeline was to be timed on an engine without a clock on its session. */
class NoSessionClock extends Data.TaggedError("NoSessionClock")<{ readonly asked: string }> {
  override get message() {
    return `the pipeline is timed with a clock on the session of onnx, and ${this.asked} has none: ` +
      "omit --engine and --mode, for what is outside the session is the same code on every engine"
  }
}

const requireClock = ({ engine, mode }: EngineChoice): Effect.Effect<void, NoSessionClock> =>
  engine === "onnx" && mode === undefined
    ? Effect.void
    : new NoSessionClock({ asked: [engine, ...(mode === undefined ? [] : [`in mode ${mode}`])].join(" ") })

/** A few batches of labelled images. */
const datasetFor = (subject: Subject): Dataset =>
  fromArrays({
    name: "noise",
    exampleShape: UNet.make(subject.config).exampleShape,
    elements: cleanImages({ ...subject, batch: 8 * subject.batch }).data
  })

/** The parts of the steps after the first ones, each as its mean. */
const sharesOf = (marks: ReadonlyArray<Mark>) => {
  const begin = marks[warmUp - 1]!
  const end = marks.at(-1)!
  const mean = (part: (mark: Mark) => number) => (part(end) - part(begin)) / (marks.length - warmUp)
  const step = mean(({ time }) => time)
  const session = mean(({ session }) => session)
  const inStep = mean(({ steps }) => steps)
  return {
    step_ms: round(step),
    session_ms: round(session),
    transfer_ms: round(inStep - session, 2),
    loop_ms: round(step - inStep, 2),
    outside_percent: round(100 * (step - session) / step, 2)
  }
}

/** What the host makes for a step, measured by itself: reading a batch, and drawing. */
const hostWork = Effect.fnUntraced(function*({ batch: batchSize }: Subject, data: Dataset) {
  const stage = Pipeline.fuse(yield* stages)
  const { x0 } = data.read(Array.from({ length: batchSize }, (_, i) => i))
  const times = (work: (step: number) => unknown) =>
    Effect.forEach(
      Array.from({ length: 9 }, (_, step) => step),
      (step) => Effect.map(timed(Effect.sync(() => work(step))), ({ milliseconds }) => milliseconds)
    )
  const indices = (step: number) => Array.from({ length: batchSize }, (_, i) => (i * 7 + step) % data.size)
  return {
    batch_ms: round(median(yield* times((step) => data.read(indices(step)))), 2),
    draws_ms: round(median(yield* times((step) => Pipeline.draws(stage, { x0 }, { seed: 0, step }))), 2)
  }
})

/** The parts of the first step, from the start of the run to its first report; the engine was there before. */
const coldStart = ({ session, time }: Mark, { compiling, starting }: ClockedEngine) => {
  const { encoding, lowering, passes, session: creating, trace } = compiling()
  return {
    engine_ms: round(starting),
    trace_ms: round(trace),
    passes_ms: round(passes),
    lowering_ms: round(lowering),
    encoding_ms: round(encoding),
    create_session_ms: round(creating),
    first_run_ms: round(session),
    // Initial weights, the first batch, their way to the worker.
    rest_ms: round(time - trace - passes - lowering - encoding - creating - session),
    first_step_ms: round(time)
  }
}
