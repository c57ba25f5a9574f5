/**
 * Files of reference numbers: `{ "source": ..., "cases": [...] }`, of samplers (each case with a name, a `config` and a
 * `loop`) or of the variational bound (each with a `schedule`, `T` and a `variance`; and `bpd_loops`,
 * `discretized_gaussian_log_likelihood` and `space_timesteps` besides).
 */
import { Predicate, Result } from "effect"
import { boundChecksOf, boundName } from "./BoundCase.ts"
import type { Check } from "./Check.ts"
import { GoldenProblem, InvalidGoldens } from "./GoldenProblem.ts"
import { decodeSchedulerCase } from "./SchedulerCase.ts"
import { kindOf } from "./schedulers.ts"
import { likelihoodChecksOf, likelihoodName, sectionsChecksOf, sectionsName } from "./TableCase.ts"
import { checksOf } from "./verdict.ts"

/** A case that can be run. */
export interface Golden {
  readonly name: string
  /** Runs the case: a pure computation of milliseconds. */
  readonly checks: () => Result.Result<ReadonlyArray<Check>, GoldenProblem>
}

/**
 * The cases of a file, in its order. A case that cannot be understood is one that fails when it is run.
 *
 * Fails with `InvalidGoldens` where the text is no file of reference numbers.
 *
 * @param path what to call the file
 * @example
 * const goldens = Result.getOrThrow(goldensOf("goldens.json", text))
 */
export const goldensOf = (path: string, text: string): Result.Result<ReadonlyArray<Golden>, InvalidGoldens> =>
  Result.gen(function*() {
    const fail = (reason: string) => Result.fail(new InvalidGoldens({ path, reason }))
    const json = yield* Result.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) => new InvalidGoldens({ path, reason: `it is not JSON (${String((error as Error).message)})` })
    })
    if (!isRecord(json)) return yield* fail(`it is no object with a list of "cases"`)
    const { bpd_loops: loops = [], cases = [], inputs } = json
    if (!Array.isArray(cases) || !Array.isArray(loops)) return yield* fail(`"cases" and "bpd_loops" are no lists`)
    const said = typeof inputs === "string" ? inputs : ""
    const goldens = [
      ...cases.map((golden: unknown, i) => goldenOf(golden, "term", said, `case ${i}`)),
      ...loops.map((golden: unknown, i) => goldenOf(golden, "loop", said, `loop ${i}`)),
      ...tablesOf(json)
    ]
    return goldens.length === 0 ? yield* fail(`it has no "cases"`) : goldens
  })

/** The tables of a file, each a case; of timesteps, one for each request. */
const tablesOf = (json: { readonly [field: string]: unknown }): ReadonlyArray<Golden> => {
  const { [likelihoodName]: likelihoods, [sectionsName]: sections } = json
  return [
    ...(likelihoods === undefined
      ? []
      : [{ name: likelihoodName, checks: () => Result.flatMap(likelihoodChecksOf(likelihoods), requireChecks) }]),
    ...(isRecord(sections)
      ? Object.entries(sections).map(([key, expected]) => ({
        name: `${sectionsName}.${key}`,
        checks: () => Result.flatMap(sectionsChecksOf(key, expected), requireChecks)
      }))
      : [])
  ]
}

const isRecord = (value: unknown): value is { readonly [field: string]: unknown } =>
  Predicate.isObject(value) && !Array.isArray(value)

const goldenOf = (input: unknown, kind: "term" | "loop", inputs: string, fallback: string): Golden => {
  const failing = (name: string, option: string, reason: string): Golden => ({
    name,
    checks: () => Result.fail(new GoldenProblem({ option, reason }))
  })
  if (!isRecord(input)) return failing(fallback, fallback, "it is no object")
  const { name, ...fields } = input
  if (kind === "loop" || Object.hasOwn(input, "variance")) {
    return {
      name: typeof name === "string" ? name : boundName(input, kind),
      checks: () => Result.flatMap(boundChecksOf(fields, kind, inputs), requireChecks)
    }
  }
  if (typeof name !== "string") {
    return failing(fallback, "name", "a case of a sampler has a name, which says the sampler")
  }
  return {
    name,
    checks: () =>
      Result.gen(function*() {
        // The sampler first: of one that is not known, nor are its options.
        yield* kindOf({ name, className: classNameOf(input["config"]) })
        return yield* requireChecks(yield* checksOf(yield* decodeSchedulerCase(name, input)))
      })
  }
}

const classNameOf = (config: unknown): string | undefined => {
  const name = isRecord(config) ? config["_class_name"] : undefined
  return typeof name === "string" ? name : undefined
}

/** A case that holds nothing against anything must not pass. */
const requireChecks = (checks: ReadonlyArray<Check>): Result.Result<ReadonlyArray<Check>, GoldenProblem> =>
  checks.length > 0
    ? Result.succeed(checks)
    : Result.fail(new GoldenProblem({ option: "case", reason: "it has no numbers that are known here" }))
