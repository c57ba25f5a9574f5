/**
 * Reading a part of a case, with messages that name the option at fault.
 */
import { Result, Schema, SchemaIssue } from "effect"
import { nearest } from "../../internal/nearest.ts"
import { GoldenProblem } from "./GoldenProblem.ts"

/**
 * Decodes by a schema that knows all fields.
 *
 * @param what what to call the part: `config`
 * @param known the fields that there are
 * @example
 * decode(Config, { solver_ordr: 2 }, "config", ["solver_order"])
 * // fails: config.solver_ordr: there is no such option; did you mean "solver_order"?
 */
export const decode = <A>(
  schema: Schema.Codec<A, unknown>,
  input: unknown,
  what: string,
  known: ReadonlyArray<string>
): Result.Result<A, GoldenProblem> =>
  Result.mapError(
    Schema.decodeUnknownResult(schema)(input, { errors: "first", onExcessProperty: "error", reportInput: true }),
    ({ issue }) => {
      const { message, path = [] } = format(issue).issues[0]!
      const names = path.map((key) => String(typeof key === "object" ? key.key : key))
      const option = [what, ...names].filter((part) => part !== "").join(".")
      if (message !== unknownOption) return new GoldenProblem({ option, reason: message })
      const meant = nearest(names.at(-1)!, known)
      const hint = meant === undefined ? `; known are ${known.join(", ")}` : `; did you mean "${meant}"?`
      return new GoldenProblem({ option, reason: `${unknownOption}${hint}` })
    }
  )

const unknownOption = "there is no such option"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "UnexpectedKey"
      ? unknownOption
      : issue._tag === "MissingKey"
      ? "it is missing"
      : SchemaIssue.defaultLeafHook(issue)
})
