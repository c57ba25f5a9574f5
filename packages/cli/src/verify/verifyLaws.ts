/**
 * Checks laws, and says what came of it: the part of `effusion verify` that is about laws.
 */
import { Laws } from "@effusion/core/laws"
import { cosine, linear, type Schedule } from "@effusion/core/schedule"
import { Console, Data, Effect, Result } from "effect"
import type { FileSystem, Path } from "effect"
import { type FileProblem, writeWhole } from "../files.ts"
import { nearest } from "../internal/nearest.ts"
import { invocation, quote } from "../invocation.ts"
import { countOf, jsonReport, junitReport, showFaults, showReport, type VerifyReport } from "./report.ts"
import { type ModuleProblem, suitesOfModule } from "./userModule.ts"

/** What to verify, and how. */
export interface VerifyLawsOptions {
  /** Schedules by name. */
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
  /** Where to write JUnit XML. */
  readonly junit: string | undefined
}

/** Laws are broken; what and how is in the report. */
export class BrokenLaws extends Data.TaggedError("BrokenLaws")<{ readonly broken: number; readonly laws: number }> {
  override get message() {
    return `${this.broken} of ${this.laws} laws ${this.broken === 1 ? "is" : "are"} broken`
  }
}

/** There is nothing of that name to verify. */
export class UnknownSubject extends Data.TaggedError("UnknownSubject")<{
  /** What was asked for: `law`, `schedule`, `subject`. */
  readonly what: string
  readonly name: string
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    const meant = nearest(this.name, this.known)
    const hint = meant === undefined ? "" : ` (did you mean "${meant}"?)`
    return `there is no ${this.what} "${this.name}"${hint}; choose one of ${this.known.join(", ")}`
  }
}

/** Why laws cannot be checked, or do not hold. */
export type VerifyLawsError = BrokenLaws | UnknownSubject | ModuleProblem | FileProblem

/**
 * Checks the laws of what is asked for, prints the report, and fails with `BrokenLaws` when one does not hold.
 *
 * @example
 * yield* verifyLaws({ schedules: ["cosine"], modules: [], runs: 100, seed: 1, json: false, ... })
 */
export const verifyLaws = Effect.fnUntraced(function*(
  options: VerifyLawsOptions
): Effect.fn.Return<void, VerifyLawsError, FileSystem.FileSystem | Path.Path> {
  const all = [...yield* suitesOfSchedules(options.schedules), ...yield* suitesOfModules(options.modules)]
  const suites = yield* chosen(all.length === 0 ? Laws.builtIn : all, options)
  const { json, junit, law, path, runs, seed } = options
  const reports = yield* Effect.forEach(suites, (suite) => Laws.check(suite, { law, path, runs, seed }))
  const report: VerifyReport = { runs, seed, suites: reports }
  const command = replayCommand(yield* invocation, options)
  if (junit !== undefined) yield* writeWhole(junit, junitReport(report, command))
  yield* Console.log(json ? jsonReport(report, command) : showReport(report, command))
  const counts = countOf(report)
  if (counts.broken > 0) return yield* new BrokenLaws(counts)
})

/** A planted fault was missed. */
export class MissedFaults extends Data.TaggedError("MissedFaults")<{ readonly names: ReadonlyArray<string> }> {
  override get message() {
    return `no law caught ${this.names.join(", ")}`
  }
}

/**
 * Lets the laws loose on the planted faults, and prints what catches each. Fails with `MissedFaults` when one is missed.
 *
 * @example
 * yield* verifyFaults({ runs: 100, seed: 1, json: false })
 */
export const verifyFaults = Effect.fnUntraced(function*(
  { json, runs, seed }: Pick<VerifyLawsOptions, "runs" | "seed" | "json">
): Effect.fn.Return<void, MissedFaults> {
  const reports = yield* Effect.forEach(Laws.faults, (fault) => Laws.expose(fault, { runs, seed }))
  yield* Console.log(json ? JSON.stringify({ faults: reports }) : showFaults(reports))
  const names = reports.filter(({ caught }) => !caught).map(({ name }) => name)
  if (names.length > 0) return yield* new MissedFaults({ names })
})

const defaultSteps = 1000

const families: { readonly [name: string]: Result.Result<Schedule, unknown> } = {
  linear: linear({ steps: defaultSteps }),
  cosine: cosine({ steps: defaultSteps })
}

const suitesOfSchedules = (
  names: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Laws.Suite>, UnknownSubject> =>
  Effect.map(
    Effect.forEach(names, (name) => {
      const schedule = families[name]
      return schedule === undefined || Result.isFailure(schedule)
        ? Effect.fail(new UnknownSubject({ what: "schedule", name, known: Object.keys(families) }))
        : Effect.succeed([
          Laws.schedule(schedule.success),
          Laws.noising({}, { subject: `noising by "${name}"`, schedule: schedule.success })
        ])
    }),
    (suites) => suites.flat()
  )

const suitesOfModules = (paths: ReadonlyArray<string>) =>
  Effect.map(Effect.forEach(paths, suitesOfModule), (suites) => suites.flat())

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
  const known = [...new Set(ofSubject.flatMap(({ laws }) => laws.map(({ name }) => name)))]
  return ofLaw.length > 0 ? ofLaw : yield* new UnknownSubject({ what: "law", name: law, known })
})

const replayCommand = (invoked: string, { modules, runs, schedules }: VerifyLawsOptions) =>
(subject: string, { law, path, seed }: Laws.Replay): string =>
  [
    `${invoked} verify`,
    ...schedules.map((name) => `--schedule ${quote(name)}`),
    ...modules.map((module) => `--module ${quote(module)}`),
    `--subject ${quote(subject)}`,
    `--law ${law} --runs ${runs} --seed ${seed} --path ${quote(path)}`
  ].join(" ")
