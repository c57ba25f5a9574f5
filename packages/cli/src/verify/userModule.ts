/**
 * A module of the user's, whose exports are to keep the laws.
 */
import type { Weighting } from "@effusion/core/diffusion"
import { Laws } from "@effusion/core/laws"
import type { DenoiserShape } from "@effusion/core/pipeline"
import type { Sampler } from "@effusion/core/sampling"
import type { Schedule } from "@effusion/core/schedule"
import { Data, Effect, type FileSystem, type Path, Predicate, Result } from "effect"
import { loadModule, type ModuleFault } from "../internal/loadModule.ts"
import { messageOf } from "../report/Reporter.ts"

/** A module cannot be verified. */
export class ModuleProblem extends Data.TaggedError("ModuleProblem")<{
  readonly path: string
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `cannot verify the module "${this.path}": ${this.reason}; ${this.remedy}`
  }
}

/** A suite, or one that waits for an engine. */
export type ModuleSuite = Laws.Suite | Laws.SuiteOnEngine

/**
 * The suites of what a module exports. Exports are known by what they are made of, not by their types, so that the module
 * may use another copy of Effusion: suites themselves, schedules, samplers, losses, weightings and models; `Result`s and
 * arrays of them.
 *
 * Fails with `ModuleProblem` when the module cannot be loaded, when an export is a failure or only half of something, or
 * when there is nothing to verify.
 *
 * @example
 * const suites = yield* suitesOfModule("schedules/mine.ts")
 */
export const suitesOfModule = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<ReadonlyArray<ModuleSuite>, ModuleProblem, FileSystem.FileSystem | Path.Path> {
  const exports = yield* Effect.mapError(loadModule(path), (fault) => new ModuleProblem({ path, ...fault }))
  const suites: Array<ModuleSuite> = []
  for (const [name, value] of Object.entries(exports).sort(([a], [b]) => a < b ? -1 : 1)) {
    const found = suitesOf(name, value)
    if (Result.isFailure(found)) return yield* new ModuleProblem({ path, ...found.failure })
    suites.push(...found.success)
  }
  if (suites.length > 0) return suites
  const names = Object.keys(exports)
  return yield* new ModuleProblem({
    path,
    reason: names.length === 0
      ? "it exports nothing"
      : `nothing of what it exports (${names.join(", ")}) is known to have laws`,
    remedy: `export ${kinds.map(({ name }) => name).join(", ")}, or suites of Laws`
  })
})

/** Something that has laws: how it is known, and its suite. */
interface Kind {
  /** `schedules` */
  readonly name: string
  /** Fields that nothing else has; with these and without the others, something is half of it. */
  readonly signs: ReadonlyArray<string>
  /** What is wrong with a value that has the signs, if anything is. */
  readonly fault: (value: Fields) => string | undefined
  readonly suite: (value: Fields, name: string) => ModuleSuite
}

type Fields = { readonly [field: string]: unknown }

const isNumbers = (value: unknown): boolean =>
  (Array.isArray(value) || ArrayBuffer.isView(value)) &&
  Array.from(value as unknown as ArrayLike<unknown>).every(Predicate.isNumber)

const kinds: ReadonlyArray<Kind> = [
  {
    name: "schedules",
    signs: ["alphaBar"],
    fault: (value) =>
      ["beta", "alphaBar"].map((field) => isNumbers(value[field]) ? undefined : `its "${field}" is no array of numbers`)
        .find(Predicate.isNotUndefined) ??
        (Predicate.isNumber(value["steps"]) ? undefined : `its "steps" is no number`),
    suite: (value, name) => Laws.schedule(scheduleOf(value, name), { subject: `the schedule "${name}"` })
  },
  {
    name: "samplers",
    signs: ["plan"],
    fault: (value) =>
      !Predicate.isFunction(value["plan"])
        ? `its "plan" is no function`
        : unnamed(value),
    suite: (value, name) => Laws.sampler(value as unknown as Sampler, { subject: `the sampler "${name}"` })
  },
  {
    name: "weightings",
    signs: ["weight", "of"],
    fault: (value) => !Predicate.isFunction(value["weight"]) ? `its "weight" is no function` : unnamed(value),
    suite: (value, name) => Laws.weighting(value as unknown as Weighting, { subject: `the weighting "${name}"` })
  },
  {
    name: "losses",
    signs: ["elements"],
    fault: (value) => !Predicate.isFunction(value["elements"]) ? `its "elements" is no function` : unnamed(value),
    // On numbers a loss takes prediction and target; on tensors it takes the schedule first.
    suite: (value, name) =>
      (value["elements"] as (...values: ReadonlyArray<unknown>) => unknown).length > 1
        ? Laws.loss(value as unknown as Laws.LossFunction, { subject: `the loss "${name}"` })
        : Laws.distance(value as unknown as Laws.TensorDistance, { subject: `the loss "${name}"` })
  },
  {
    name: "models",
    signs: ["exampleShape"],
    fault: (value) =>
      isNumbers(value["exampleShape"]) && Predicate.isFunction(value["apply"]) &&
        Predicate.isFunction(value["draws"]) &&
        Predicate.isObject(value["parameters"])
        ? unnamed(value)
        : `it lacks "parameters", "draws" or "apply", or they are not what a denoiser has`,
    suite: (value, name) =>
      Laws.onEngine((engine) =>
        Laws.model(value as unknown as DenoiserShape, { engine, subject: `the model "${name}"` })
      )
  }
]

const unnamed = (value: Fields): string | undefined =>
  Predicate.isString(value["name"]) ? undefined : `it has no "name"`

/** A schedule of one's own may be plain arrays, and without a name. */
const scheduleOf = (value: Fields, name: string): Schedule => ({
  name,
  config: {},
  ...(value as unknown as Partial<Schedule>),
  steps: value["steps"] as number,
  beta: Float64Array.from(value["beta"] as ArrayLike<number>),
  alphaBar: Float64Array.from(value["alphaBar"] as ArrayLike<number>)
})

type Found = Result.Result<ReadonlyArray<ModuleSuite>, ModuleFault>

const suitesOf = (name: string, value: unknown): Found => {
  if (Result.isResult(value)) {
    return Result.isSuccess(value)
      ? suitesOf(name, value.success)
      : Result.fail({
        reason: `its export "${name}" is a failure: ${messageOf(value.failure)}`,
        remedy: "export what was made, not what failed"
      })
  }
  if (Array.isArray(value)) {
    const found = value.map((item, i) => suitesOf(`${name}[${i}]`, item))
    return found.find(Result.isFailure) ?? Result.succeed(found.flatMap((each) => Result.getOrElse(each, () => [])))
  }
  if (!Predicate.isObject(value)) return Result.succeed([])
  const fields = value as Fields
  if (isSuite(fields)) return Result.succeed([fields])
  if (Predicate.isFunction(fields["suiteOn"])) return Result.succeed([fields as unknown as Laws.SuiteOnEngine])
  const kind = kinds.find(({ signs }) => signs.every((sign) => fields[sign] !== undefined))
  if (kind === undefined) return Result.succeed([])
  const fault = kind.fault(fields)
  return fault === undefined
    ? Result.succeed([kind.suite(fields, name)])
    : Result.fail({
      reason: `its export "${name}" has ${
        kind.signs.map((sign) => `"${sign}"`).join(" and ")
      }, as ${kind.name} have, but ${fault}`,
      remedy: "give it all that they have, or do not export it"
    })
}

const isSuite = (value: Fields): value is Fields & Laws.Suite =>
  Predicate.isString(value["subject"]) && Array.isArray(value["laws"]) &&
  value["laws"].every((law) =>
    Predicate.isObject(law) && Predicate.hasProperty(law, "search") && Predicate.isFunction(law.search)
  )
