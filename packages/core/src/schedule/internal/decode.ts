/**
 * Names and options out of unknown JSON.
 */
import { Predicate, Result, Schema, SchemaIssue } from "effect"
import { InvalidSchedule } from "../InvalidSchedule.ts"

/** The schema of a family's options. */
export type OptionsDecoder<Options> = Schema.Codec<Options, unknown>

/** The name of a family, if it is one of those given. */
export const nameOf = (
  kind: string,
  json: unknown,
  names: ReadonlyArray<string>
): Result.Result<string, InvalidSchedule> => {
  const fail = (name: string, reason: string) => Result.fail(new InvalidSchedule({ schedule: name, reason }))
  if (!Predicate.hasProperty(json, "name") || !Predicate.isString(json.name)) {
    return fail("", `a ${kind} as JSON is an object with a "name", such as { "name": "cosine", "steps": 1000 }`)
  }
  return names.includes(json.name)
    ? Result.succeed(json.name)
    : fail(json.name, `there is no such family; choose one of ${names.join(", ")}`)
}

/** The options of a family: everything but the name. */
export const optionsOf = <Options>(
  name: string,
  schema: OptionsDecoder<Options>,
  json: unknown
): Result.Result<Options, InvalidSchedule> => {
  const { name: _, ...options } = json as { readonly name: string }
  return Schema.decodeResult(schema, { onExcessProperty: "error", errors: "all" })(options).pipe(
    Result.mapError(({ issue }) => new InvalidSchedule({ schedule: name, reason: describe(issue) }))
  )
}

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "UnexpectedKey"
      ? "is not an option of it"
      : issue._tag === "MissingKey"
      ? "is missing"
      : SchemaIssue.defaultLeafHook(issue)
})

const describe = (issue: SchemaIssue.Issue): string =>
  format(issue).issues.map(({ message, path }) =>
    `"${(path ?? []).map((key) => String(Predicate.isObject(key) ? key.key : key)).join(".")}": ${message}`
  ).join("; ")
