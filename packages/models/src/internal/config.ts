/** What the models' configuration schemas share. */
import { Effect, Schema, SchemaIssue } from "effect"
import { InvalidConfig } from "../InvalidConfig.ts"

/** An integer above 0. */
export const Count = Schema.Int.check(Schema.isGreaterThan(0))

/** Rows of a table of classes: one for each class, and one for none of them. */
export const ClassEmbeddings = Schema.Int.check(Schema.isGreaterThanOrEqualTo(2))

/** A field with a default, which may be left out in a file and in code alike. */
export const withDefault = <S extends Schema.Constraint & Schema.WithoutConstructorDefault>(
  schema: S,
  value: S["Type"] & S["~type.make.in"]
) =>
  Schema.withConstructorDefault<Schema.withDecodingDefaultTypeKey<S>>(Effect.succeed(value))(
    Schema.withDecodingDefaultTypeKey<S>(Effect.succeed(value))(schema)
  )

/**
 * Decodes unknown input by a configuration's schema. A field that the schema does not know is an error too, because it
 * is usually a misspelt one.
 */
export const decodeConfig = <A, I>(model: string, schema: Schema.Codec<A, I>) => {
  const decode = Schema.decodeUnknownEffect(schema, { errors: "all", onExcessProperty: "error", reportInput: true })
  return (input: unknown): Effect.Effect<A, InvalidConfig> =>
    Effect.mapError(decode(input), ({ issue }) => new InvalidConfig({ model, reasons: describe(issue) }))
}

/**
 * Makes a configuration in code, as `Config.make` does, and throws `InvalidConfig`, which names every wrong field, where
 * Effect's own error names none.
 *
 * @param make the schema's own way
 */
export const makeConfig = <A>(model: string, make: (options: Schema.MakeOptions) => A): A => {
  try {
    return make({ parseOptions: { errors: "all", onExcessProperty: "error", reportInput: true } })
  } catch (error) {
    if (!(error instanceof Error && SchemaIssue.isIssue(error.cause))) throw error
    throw new InvalidConfig({ model, reasons: describe(error.cause) })
  }
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const describe = (issue: SchemaIssue.Issue): ReadonlyArray<string> =>
  format(issue).issues.map(({ message, path }) => {
    const field = (path ?? []).map((key) => String(typeof key === "object" ? key.key : key)).join(".")
    return field === "" ? message : `${field}: ${message}`
  })
