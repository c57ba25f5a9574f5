/**
 * Schedules by what somebody typed: the name of a family, or the path of a module.
 */
import { rescaleZeroTerminalSnr } from "@effusion/core/schedule"
import type { InvalidSchedule, Schedule } from "@effusion/core/schedule"
import { Data, Effect, type FileSystem, type Path, Predicate, Result } from "effect"
import { loadModule } from "../internal/loadModule.ts"
import { nearest } from "../internal/nearest.ts"
import { messageOf } from "../report/Reporter.ts"
import { scheduleFrom, type ScheduleOptions, type ScheduleType, scheduleTypes } from "./schedules.ts"

/** A schedule, and what to call it. */
export interface NamedSchedule {
  readonly label: string
  readonly schedule: Schedule
}

/** There is no schedule of this name. */
export class UnknownSchedule extends Data.TaggedError("UnknownSchedule")<{ readonly name: string }> {
  override get message() {
    const meant = nearest(this.name, scheduleTypes)
    return `there is no noise schedule "${this.name}"${meant === undefined ? "" : ` (did you mean "${meant}"?)`}; ` +
      `choose from ${scheduleTypes.join(", ")}, or give the path of a module whose default export is a schedule`
  }
}

/** A module has no schedule. */
export class ScheduleModuleProblem extends Data.TaggedError("ScheduleModuleProblem")<{
  readonly path: string
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `no schedule in the module "${this.path}": ${this.reason}; ${this.remedy}`
  }
}

/** Why there is no schedule. */
export type NamedScheduleError = UnknownSchedule | ScheduleModuleProblem | InvalidSchedule

/**
 * The schedule of a name, with the family's defaults, or that of a module, its default export or the only one that it has:
 * a `Schedule`, or a `Result` of one. What has a dot or a slash in it is a path.
 *
 * @param options.steps the number of timesteps of a family; a module's schedule has its own
 * @example
 * const { schedule } = yield* namedSchedule("./mine.ts", { steps: 1000, zeroTerminalSnr: false })
 */
export const namedSchedule = Effect.fnUntraced(function*(
  name: string,
  { steps, zeroTerminalSnr }: { readonly steps: number; readonly zeroTerminalSnr: boolean }
): Effect.fn.Return<NamedSchedule, NamedScheduleError, FileSystem.FileSystem | Path.Path> {
  const schedule = /[./\\]/.test(name)
    ? yield* fromModule(name)
    : (scheduleTypes as ReadonlyArray<string>).includes(name)
    ? yield* Effect.fromResult(scheduleFrom(withDefaults(name as ScheduleType, steps)))
    : yield* new UnknownSchedule({ name })
  return {
    label: name,
    schedule: zeroTerminalSnr ? yield* Effect.fromResult(rescaleZeroTerminalSnr(schedule)) : schedule
  }
})

/** Of `linear`, a configuration always has the betas. */
const withDefaults = (type: ScheduleType, steps: number): ScheduleOptions =>
  type === "linear" ? { type, steps, betaStart: 1e-4, betaEnd: 0.02 } : { type, steps }

const fromModule = Effect.fnUntraced(function*(path: string) {
  const fail = (reason: string, remedy: string) => new ScheduleModuleProblem({ path, reason, remedy })
  const module = yield* Effect.mapError(loadModule(path), ({ reason, remedy }) => fail(reason, remedy))
  const given = module["default"]
  if (given === undefined) {
    const schedules = Object.values(module).map(resultOf).flatMap((made) =>
      Result.isSuccess(made) && isSchedule(made.success) ? [made.success] : []
    )
    if (schedules.length === 1) return schedules[0]!
    const found = schedules.length === 0 ? "exports none" : `exports ${schedules.length}, and none of them by default`
    return yield* fail(`it ${found}`, "export default a Schedule")
  }
  const made = resultOf(given)
  if (Result.isFailure(made)) {
    return yield* fail(`its default export is a failure (${messageOf(made.failure)})`, "mend what it is made of")
  }
  const value = made.success
  return isSchedule(value)
    ? value
    : yield* fail("its default export is no schedule", "export what linear, fromBetas or the like return")
})

const resultOf = (given: unknown): Result.Result<unknown, unknown> =>
  Result.isResult(given) ? given : Result.succeed(given)

const isSchedule = (value: unknown): value is Schedule =>
  Predicate.hasProperty(value, "steps") && Predicate.hasProperty(value, "name") &&
  Predicate.hasProperty(value, "config") && Predicate.isObject(value.config) &&
  Predicate.hasProperty(value, "beta") && value.beta instanceof Float64Array && value.beta.length === value.steps &&
  Predicate.hasProperty(value, "alphaBar") && value.alphaBar instanceof Float64Array &&
  value.alphaBar.length === value.steps
