/**
 * Checks laws, and says what came of it: the part of `effusion verify` that is about laws.
 */
import { Engine, type EngineUnavailable } from "@effusion/core/engine"
import { Laws } from "@effusion/core/laws"
import { fromConfig, InvalidSchedule, type ScheduleConfigError } from "@effusion/core/schedule"
import { MLP, UNet } from "@effusion/models"
import { Console, Context, Data, Effect, Layer, Option, Predicate, Result } from "effect"
import type { FileSystem, Path, Scope } from "effect"
import { decodeSchedule, type InvalidRunConfig } from "../configuration/config.ts"
import { type EngineFlags, engineOf as chosenEngine, warningsOf } from "../configuration/engine.ts"
import { type NamedSchedule, namedSchedule, type NamedScheduleError } from "../configuration/namedSchedules.ts"
import { scheduleFrom } from "../configuration/schedules.ts"
import { type FileProblem, writeWhole } from "../files.ts"
import { nearest } from "../internal/nearest.ts"
import { invocation, quote } from "../invocation.ts"
import { countOf, jsonReport, junitReport, showFaults, showReport, type VerifyReport } from "./report.ts"
import { type ModuleProblem, type ModuleSuite, suitesOfModule } from "./userModule.ts"

/** What to verify, and how. */
export interface VerifyLawsOptions {
  /** Schedules by name, by the path of a module that exports one by default, or as JSON. */
  readonly schedules: ReadonlyArray<string>
  /** Paths of modules. */
  readonly modules: ReadonlyArray<string>
  /** Only subjects whose name has this in it. */
  readonly subject: string | undefined
  /** Only this law, or those below it. */
  readonly law: string | undefined
  readonly runs: number
  readonly seed: number
  readonly path: string | undefined
  /** Print JSON in place of a table. */
  readonly json: boolean
  /** What computes where laws need an engine. */
  readonly engine: EngineFlags
  /** Where to write JUnit XML. */
  readonly junit: string | undefined
}

/** Laws are broken; what and how is in the report. */
export class BrokenLaws extends Data.TaggedError("BrokenLaws")<{ readonly broken: number; readonly laws: number }> {
  override get message() {
    return `${this.broken} of ${this.laws} laws ${this.broken === 1 ? "is" : "are"} broken`
  }
}

/** A message lists so many names at most. */
const shownNames = 12

/** There is nothing of that name to verify. */
export class UnknownSubject extends Data.TaggedError("UnknownSubject")<{
  /** What was asked for: `law`, `subject`. */
  readonly what: string
  readonly name: string
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    const meant = nearest(this.name, this.known)
    if (meant !== undefined) return `there is no ${this.what} "${this.name}"; did you mean "${meant}"?`
    const [shown, more] = [this.known.slice(0, shownNames), this.known.length - shownNames]
    return `there is no ${this.what} "${this.name}"; choose one of ${shown.map((name) => `"${name}"`).join(", ")}` +
      (more > 0 ? `, or of ${more} more that "effusion verify --json" lists` : "")
  }
}

/** Why laws cannot be checked, or do not hold. */
export type VerifyLawsError =
  | BrokenLaws
  | UnknownSubject
  | NamedScheduleError
  | ScheduleConfigError
  | InvalidRunConfig
  | ModuleProblem
  | FileProblem
  | EngineUnavailable

/**
 * Checks the laws of what is asked for, prints the report, and fails with `BrokenLaws` when one does not hold.
 *
 * @example
 * yield* verifyLaws({ schedules: ["cosine"], modules: [], runs: 100, seed: 1, json: false, ... })
 */
export const verifyLaws = Effect.fnUntraced(
  function*(
    options: VerifyLawsOptions
  ): Effect.fn.Return<void, VerifyLawsError, FileSystem.FileSystem | Path.Path | Scope.Scope> {
    const suites = yield* chosen(yield* suitesOf(options), options)
    const { json, junit, law, path, runs, seed } = options
    const reports = yield* Effect.forEach(suites, (suite) => Laws.check(suite, { law, path, runs, seed }))
    const report: VerifyReport = { runs, seed, suites: reports }
    const command = replayCommand(yield* invocation, options)
    if (junit !== undefined) yield* writeWhole(junit, junitReport(report, command))
    yield* Console.log(json ? jsonReport(report, command) : showReport(report, command))
    const counts = countOf(report)
    if (counts.broken > 0) return yield* new BrokenLaws(counts)
  },
  Effect.scoped
)

/** An engine, until the scope closes. One thread is enough for what laws compute. */
const engineOf = Effect.fnUntraced(
  function*(flags: EngineFlags): Effect.fn.Return<Engine["Service"], EngineUnavailable, Scope.Scope> {
    const context = yield* Layer.buildWithScope(chosenEngine(flags, { threads: 1 }), yield* Effect.scope)
    // Standard output has the report.
    yield* Effect.forEach(warningsOf(context), (warning) => Console.error(`Warning: ${warning}`), { discard: true })
    return Context.get(context, Engine)
  }
)

/** A planted fault was missed. */
export class MissedFaults extends Data.TaggedError("MissedFaults")<{ readonly names: ReadonlyArray<string> }> {
  override get message() {
    return `no law caught ${this.names.join(", ")}`
  }
}

/**
 * Lets the laws loose on the planted faults, or on those that a law or a kind of law is to catch, and prints what catches
 * each. Fails with `MissedFaults` when one is missed.
 *
 * @example
 * yield* verifyFaults({ law: undefined, runs: 100, seed: 1, json: false })
 */
export const verifyFaults = Effect.fnUntraced(
  function*(
    { engine, json, law, runs, seed }: Pick<VerifyLawsOptions, "engine" | "law" | "runs" | "seed" | "json">
  ): Effect.fn.Return<void, MissedFaults | UnknownSubject | EngineUnavailable, Scope.Scope> {
    const all = [...Laws.faults, ...Laws.faultsOn(yield* engineOf(engine))]
    const faults = law === undefined ? all : all.filter(({ caughtBy }) => Laws.isNamed(law, { name: caughtBy }))
    if (faults.length === 0) {
      return yield* new UnknownSubject({
        what: "law",
        name: law!,
        known: namesOf(all.map(({ caughtBy }) => caughtBy))
      })
    }
    const reports = yield* Effect.forEach(faults, (fault) => Laws.expose(fault, { runs, seed }))
    yield* Console.log(json ? JSON.stringify({ faults: reports }) : showFaults(reports))
    const names = reports.filter(({ caught }) => !caught).map(({ name }) => name)
    if (names.length > 0) return yield* new MissedFaults({ names })
  },
  Effect.scoped
)

/** The timesteps of a schedule that is given by its name alone. */
const defaultSteps = 1000

/** What is asked for, or else everything that Effusion brings along. */
const suitesOf = Effect.fnUntraced(function*({ engine, modules, schedules }: VerifyLawsOptions) {
  const ofSchedules = yield* Effect.forEach(schedules, suitesOfSchedule)
  const ofModules = yield* Effect.forEach(modules, suitesOfModule)
  const suites: ReadonlyArray<ModuleSuite> = [...ofSchedules.flat(), ...ofModules.flat()]
  if (suites.length === 0) {
    const present = yield* engineOf(engine)
    return [
      ...Laws.builtIn,
      ...Laws.builtInOn(present),
      ...models.map((model) => Laws.model(model, { engine: present }))
    ]
  }
  const isWaiting = (suite: ModuleSuite) => !("laws" in suite)
  if (!suites.some(isWaiting)) return suites as ReadonlyArray<Laws.Suite>
  const present = yield* engineOf(engine)
  return suites.map((suite) => "laws" in suite ? suite : suite.suiteOn(present))
})

/** Small models of every kind. */
const models = [
  MLP.make(MLP.Config.make({ dimensions: 2, width: 16, depth: 1 })),
  UNet.make(UNet.Config.make({
    sample_size: 8,
    in_channels: 1,
    out_channels: 1,
    block_out_channels: [8, 8],
    layers_per_block: 1,
    down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
    up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
    norm_num_groups: 4,
    attention_head_dim: 8
  }))
]

const suitesOfSchedule = Effect.fnUntraced(function*(given: string) {
  const { label, schedule } = yield* scheduleOf(given)
  return [
    Laws.schedule(schedule, { subject: `the schedule "${label}"` }),
    Laws.noising({}, { subject: `noising by "${label}"`, schedule })
  ]
})

/**
 * A schedule as somebody types it: as other commands take it, or as JSON, which a run's config.json has by `type` and a
 * library's `toConfig` by `name`.
 */
const scheduleOf = Effect.fnUntraced(function*(
  given: string
): Effect.fn.Return<
  NamedSchedule,
  NamedScheduleError | ScheduleConfigError | InvalidRunConfig,
  FileSystem.FileSystem | Path.Path
> {
  if (!given.startsWith("{")) return yield* namedSchedule(given, { steps: defaultSteps, zeroTerminalSnr: false })
  const json = yield* Effect.fromResult(Result.mapError(
    Result.try(() => JSON.parse(given) as unknown),
    () => new InvalidSchedule({ schedule: given, reason: "it is not JSON" })
  ))
  if (Predicate.hasProperty(json, "type")) {
    const options = yield* Effect.fromResult(decodeSchedule(json, "--schedule"))
    return { label: options.type, schedule: yield* Effect.fromResult(scheduleFrom(options)) }
  }
  const schedule = yield* Effect.fromResult(fromConfig(json))
  return { label: schedule.name, schedule }
})

/** What is left of suites by the names of subjects and laws; something has to be. */
const chosen = Effect.fnUntraced(function*(
  suites: ReadonlyArray<Laws.Suite>,
  { law, subject }: Pick<VerifyLawsOptions, "law" | "subject">
): Effect.fn.Return<ReadonlyArray<Laws.Suite>, UnknownSubject> {
  const ofSubject = subject === undefined ? suites : suites.filter((suite) => suite.subject.includes(subject))
  if (ofSubject.length === 0) {
    return yield* new UnknownSubject({ what: "subject", name: subject!, known: suites.map(({ subject }) => subject) })
  }
  if (law === undefined) return ofSubject
  const ofLaw = ofSubject.filter(({ laws }) => laws.some((each) => Laws.isNamed(law, each)))
  const known = namesOf(ofSubject.flatMap(({ laws }) => laws.map(({ name }) => name)))
  return ofLaw.length > 0 ? ofLaw : yield* new UnknownSubject({ what: "law", name: law, known })
})

/** Kinds of laws, and then single ones: what `--law` may say. */
const namesOf = (laws: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set([...laws.map((name) => name.split("/")[0]!), ...laws])
]

const replayCommand =
  (invoked: string, { engine, modules, runs, schedules }: VerifyLawsOptions) =>
  (subject: string, { law, path, seed }: Laws.Replay): string =>
    [
      `${invoked} verify`,
      ...schedules.map((name) => `--schedule ${quote(name)}`),
      ...modules.map((module) => `--module ${quote(module)}`),
      `--subject ${quote(subject)}`,
      `--law ${law} --runs ${runs} --seed ${seed} --path ${quote(path)}`,
      ...Option.match(engine.engine, {
        onNone: () => [],
        onSome: (name) => name === "onnx" ? [] : [`--engine ${name}`]
      }),
      ...Option.match(engine.device, { onNone: () => [], onSome: (device) => [`--device ${device}`] })
    ].join(" ")
