/**
 * The configuration of a run: everything that decides what a training run does, as one document. It comes from a preset,
 * which a JSON file and flags override field by field, and it is written into the run folder as it was resolved.
 */
import { pointKinds } from "@effusion/core/data"
import { Sigmas } from "@effusion/core/schedule"
import { MLP, UNet } from "@effusion/models"
import { Data, Effect, Predicate, Result, Schema, SchemaIssue } from "effect"
import { nearest } from "../internal/nearest.ts"
import { Count, Natural, NotNegative, Positive } from "../internal/numbers.ts"
import type { CrossIssue } from "./CrossIssue.ts"
import { chosen, expected, learningFields, learningIssues, namesElsewhere } from "./learning.ts"
import { samplerFields, samplerIssues, samplers } from "./samplers.ts"
import { scheduleFrom, scheduleIssues, ScheduleOptions, terminalIssues } from "./schedules.ts"

const Part = Schema.Finite.check(
  Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true }, { expected: "a number from 0 to below 1" })
)
const Fraction = Schema.Finite.check(
  Schema.isBetween({ minimum: 0, maximum: 1 }, { expected: "a number from 0 to 1" })
)

/** What a `data` field may say. */
const dataForms = `"digits", "images:<folder>", "idx:<folder>" or one of ${
  pointKinds.map((kind) => `"points:${kind}"`).join(", ")
}`

/** Where the examples come from: handwritten digits, a folder of pictures or of IDX files, or points in the plane. */
const DataSource = Schema.String.check(
  Schema.makeFilter<string>(
    (source) =>
      source === "digits" || /^(images|idx):./.test(source) || pointKinds.some((kind) => source === `points:${kind}`) ||
      `expected ${dataForms}, got ${JSON.stringify(source)}`
  )
)

const parseOptions = { errors: "all", onExcessProperty: "error", reportInput: true } as const

const Model = Schema.Union([
  Schema.Struct({ type: Schema.Literal("unet"), ...UNet.Config.fields }),
  Schema.Struct({ type: Schema.Literal("mlp"), ...MLP.Config.fields })
]).annotate({ expected: `an object whose type is "unet" or "mlp"` })

/** How the timesteps of a batch lie to each other; see `Spread` of `@effusion/core/pipeline`. */
const Spread = Schema.Literals(["independent", "stratified", "antithetic"]).pipe(
  Schema.withDecodingDefaultKey(Effect.succeed("independent" as const))
)

const normal = (mean: number, standardDeviation: number) => ({
  mean: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(mean))),
  standardDeviation: Positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(standardDeviation))),
  spread: Spread
})

const unevenTimesteps = ["log-normal", "logit-normal", "loss-second-moment"] as const

const timestepNames = ["uniform", "stratified", "antithetic", ...unevenTimesteps] as const

const timestepForms = expected(timestepNames, unevenTimesteps)

const Timesteps = Schema.Union([
  /** Those that have options, by their names alone, have the defaults. */
  Schema.Literals(timestepNames).annotate({ expected: timestepForms }),
  /** ln sigma is nearly normal (Karras et al. 2022). */
  Schema.Struct({ type: Schema.Literal("log-normal"), ...normal(-1.2, 1.2) }),
  /** The logit of t / T is normal (Esser et al. 2024). */
  Schema.Struct({ type: Schema.Literal("logit-normal"), ...normal(0, 1) }),
  /** In proportion to the root mean square of their losses, which are corrected for it (Nichol & Dhariwal 2021). */
  Schema.Struct({
    type: Schema.Literal("loss-second-moment"),
    /** How many losses of each timestep are remembered. */
    history: Count.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10))),
    /** The part of all draws that is uniform. */
    uniform: Schema.Finite.check(
      Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMinimum: true }, {
        expected: "a number above 0 and at most 1"
      })
    ).pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.001))),
    spread: Spread
  })
]).annotate({ expected: timestepForms })

const Optimizer = Schema.Struct({
  /** Adam (Kingma & Ba 2015) or, with decoupled weight decay, AdamW (Loshchilov & Hutter 2019). */
  algorithm: Schema.Literals(["adam", "adamw"]),
  /** The learning rate after the warm-up. */
  learningRate: Positive,
  /** The part of the run, from 0 to below 1, in which the learning rate rises from 0. */
  warmUp: Part,
  /** What the learning rate does from there to the last step: stay, or fall to 0 along a line or half a cosine. */
  decay: Schema.Literals(["constant", "linear", "cosine"]),
  beta1: Part,
  beta2: Part,
  epsilon: Positive,
  /** The factor of decoupled weight decay; only AdamW has it. */
  weightDecay: NotNegative,
  /** Gradients are scaled down to this global norm; `null` leaves them. */
  clipNorm: Schema.NullOr(Positive)
})

const Sampling = Schema.Struct({
  sampler: Schema.Literals(samplers),
  /** Denoising steps, at most as many as the schedule has. */
  steps: Count,
  /** How much noise a DDIM step adds: 0 is none, 1 as much as DDPM. */
  eta: Fraction,
  ...samplerFields,
  /** How many samples a finished run draws. */
  count: Count
})

const Guidance = Schema.Struct({
  /** The optimiser step whose weights are the guide. A run that is no longer draws without one, and says so. */
  step: Count,
  /** How far to go from the guide's prediction towards the trained one's; 1 is as without a guide. */
  scale: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(1, { expected: "a number of at least 1" }))
})

const Conditioning = Schema.Struct({
  /** The part of the examples that are trained without their class, which guidance towards classes needs. */
  dropout: Fraction
})

const ClassGuidance = Schema.Struct({
  /** How far to go from the prediction without a class towards that of the class; 1 is as without guidance. */
  scale: NotNegative,
  /** How much of a guided prediction is scaled back to the spread of an unguided one. */
  rescale: Fraction.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** The noise, sigma, above the first and up to the second of which steps are guided; all of them when `null`. */
  interval: Schema.NullOr(Schema.Tuple([NotNegative, Positive])).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(null))
  )
})

const Previews = Schema.Struct({
  /** Steps from one preview to the next; 0 makes none. */
  every: Natural,
  count: Count,
  /** Denoising steps. */
  steps: Count
})

const conditioning = Schema.NullOr(Conditioning).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))
const classGuidance = Schema.NullOr(ClassGuidance).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))

/** The schema of {@link RunConfig}. */
export const RunConfig = Schema.Struct({
  /** The preset that the run began with. */
  preset: Schema.String,
  data: DataSource,
  model: Model,
  schedule: ScheduleOptions,
  ...learningFields,
  /**
   * How a batch's timesteps are drawn (see `TimestepSampler` of `@effusion/core/pipeline`): uniform ones each by itself,
   * spread evenly or in pairs; or some likelier than others.
   */
  timesteps: Timesteps.pipe(Schema.withDecodingDefaultKey(Effect.succeed("uniform" as const))),
  optimizer: Optimizer,
  /** The averaging of weights that samples and evaluations are made with. */
  averaging: Schema.Struct({
    /** The part of the average that is kept in a step, once the average has warmed up. */
    decay: Part,
    /** How the average warms up; see `ema` of `@effusion/core/optimizer`. */
    warmUp: Schema.Union([Schema.Literals(["none", "ratio"]), Schema.Struct({ power: Positive })])
      .annotate({ expected: `"none", "ratio" or { "power": number }` })
  }),
  /** Optimiser steps of the whole run. */
  steps: Count,
  /** Examples that are computed at once. */
  batchSize: Count,
  /** Batches whose gradients make one step: the effective batch is so many times `batchSize`, the memory that of one. */
  accumulate: Count.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** What every random number of the run comes from. */
  seed: Natural,
  /** Threads of the engine; as many as it finds good when absent. */
  threads: Schema.optionalKey(Count),
  /** What the engine computes again in place of keeping it: what is cheap to compute (true), or anything; nothing when absent. */
  rematerialize: Schema.optionalKey(
    Schema.Union([Schema.Boolean, Schema.Literal("all")]).annotate({ expected: `true, false or "all"` })
  ),
  checkpoints: Schema.Struct({
    /** Steps from one checkpoint to the next. */
    every: Count,
    /** How many are kept, besides that of the guide. */
    keep: Count
  }),
  /** Pictures on the way; drawn without a guide. */
  previews: Previews,
  sampling: Sampling,
  /** The early state of the run that samples are steered away from (`guide` of `Sampling`); none when `null`. */
  guidance: Schema.NullOr(Guidance).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
  /** Whether the network is told the class of each example: it is one with `num_class_embeds` then; not when `null`. */
  conditioning,
  /** How samples are guided towards their classes (`classifierFree` of `Sampling`); not at all when `null`. */
  classGuidance
}).check(Schema.makeFilter((config) => [
  ...modelIssues(config),
  ...scheduleIssues(config),
  ...terminalIssues(config),
  ...samplingIssues(config),
  ...learningIssues(config),
  ...conditioningIssues(config)
]))

/** The configuration of a run. */
export type RunConfig = typeof RunConfig.Type

/** A configuration before it is checked: JSON. */
export type Json = { readonly [field: string]: unknown }

/** A configuration is not valid. */
export class InvalidRunConfig extends Data.TaggedError("InvalidRunConfig")<{
  /** Where it came from. */
  readonly source: string
  /** One line for each wrong field. */
  readonly problems: ReadonlyArray<string>
}> {
  override get message() {
    return this.problems.length === 1
      ? `${this.source} is not valid: ${this.problems[0]}`
      : `${this.source} is not valid in ${this.problems.length} places:\n${
        this.problems.map((line) => `  ${line}`).join("\n")
      }`
  }
}

/**
 * Lays one JSON document over another: objects field by field, everything else as a whole. An object whose `type` is
 * another one replaces the one below, because its fields mean something else.
 *
 * @example
 * overlay({ steps: 1000, schedule: { type: "cosine", steps: 1000 } }, { steps: 10 })
 * // => { steps: 10, schedule: { type: "cosine", steps: 1000 } }
 */
export const overlay = (below: Json, above: Json): Json => {
  const result: { [field: string]: unknown } = { ...below }
  for (const [field, value] of Object.entries(above)) {
    const former = Object.hasOwn(below, field) ? below[field] : undefined
    result[field] = isJson(former) && isJson(value) && !changesType(former, value) ? overlay(former, value) : value
  }
  return result
}

const isJson = (value: unknown): value is Json => Predicate.isObject(value) && !Array.isArray(value)

const changesType = (former: Json, value: Json): boolean =>
  value["type"] !== undefined && value["type"] !== former["type"]

/** How somebody gave fields that have a flag: the flag, by the field's dotted path. */
export type FlagNames = { readonly [path: string]: string }

/**
 * Decodes a configuration, or says of every field that is wrong what was expected of it.
 *
 * @param source what to call the document in messages
 * @param flags the fields that flags gave; messages call them by their flags
 * @example
 * const config = yield* decodeRunConfig(overlay(presets.digits, { steps: 500 }), "the configuration")
 */
export const decodeRunConfig = (
  input: unknown,
  source: string,
  flags: FlagNames = {}
): Effect.Effect<RunConfig, InvalidRunConfig> =>
  Effect.suspend(() => {
    const decoded = decode(input)
    return Result.isSuccess(decoded) ? Effect.succeed(decoded.success) : new InvalidRunConfig({
      source,
      // Checks across fields do not run where single fields are wrong, but every wrong field is to be named.
      problems: [
        ...new Set([
          ...issuesOf(decoded.failure),
          ...issuesAcross(Schema.Struct({ model: Model }), input, modelIssues),
          ...issuesAcross(Schema.Struct({ schedule: ScheduleOptions }), input, scheduleIssues),
          ...issuesAcross(
            Schema.Struct({ schedule: ScheduleOptions, objective: learningFields.objective }),
            input,
            terminalIssues
          ),
          ...issuesAcross(
            Schema.Struct({ schedule: ScheduleOptions, sampling: Sampling, previews: Previews }),
            input,
            samplingIssues
          ),
          ...issuesAcross(Schema.Struct({ ...learningFields, model: Model }), input, learningIssues),
          ...issuesAcross(
            Schema.Struct({ model: Model, conditioning, classGuidance }),
            input,
            conditioningIssues
          )
        ].map((issue) => describe(issue, input, flags)))
      ]
    })
  })

const decode = Schema.decodeUnknownResult(RunConfig, parseOptions)

/**
 * Decodes the schedule of a configuration by itself, or says of every field that is wrong what was expected of it.
 *
 * @param source what to call the document in messages
 * @example
 * const options = yield* Effect.fromResult(decodeSchedule({ type: "cosine", steps: 1000 }, "--schedule"))
 */
export const decodeSchedule = (schedule: unknown, source: string): Result.Result<ScheduleOptions, InvalidRunConfig> =>
  Schema.decodeUnknownResult(Schema.Struct({ schedule: ScheduleOptions }), parseOptions)({ schedule }).pipe(
    Result.map((decoded) => decoded.schedule),
    Result.mapError((error) =>
      new InvalidRunConfig({
        source,
        problems: issuesOf(error).map((issue) => describe(issue, { schedule }, {}))
      })
    )
  )

/**
 * The JSON of a configuration, which {@link decodeRunConfig} reads back.
 *
 * @example
 * JSON.stringify(encodeRunConfig(config), undefined, 2)
 */
export const encodeRunConfig: (config: RunConfig) => Json = Schema.encodeSync(RunConfig)

/**
 * What of a configuration decides the weights that training arrives at. It goes with every checkpoint, and a run can
 * only go on with the same.
 *
 * The number of steps is not part of it: a run can be made longer. (A learning rate that decays then does so over the
 * new number of steps.)
 *
 * @example
 * yield* Checkpoint.requireConfig(checkpoint, trainingIdentity(config))
 */
export const trainingIdentity = (config: RunConfig): Json => {
  const {
    accumulate,
    averaging,
    batchSize,
    conditioning,
    data,
    model,
    objective,
    optimizer,
    schedule,
    seed,
    timesteps,
    ...more
  } = encodeRunConfig(config)
  // Runs from before there was a choice have no such field: they took a batch a step, drew uniform timesteps and knew no classes.
  const choice = {
    ...(accumulate === 1 ? {} : { accumulate }),
    ...(timesteps === "uniform" ? {} : { timesteps }),
    ...(conditioning === null ? {} : { conditioning }),
    ...chosen(more)
  }
  return {
    data,
    model: withoutLaterFields(model as Json),
    schedule,
    objective,
    ...choice,
    optimizer,
    averaging,
    batchSize,
    seed
  }
}

/** A network without the fields that runs from before there was a choice do not have, where they say what those did. */
const withoutLaterFields = (model: Json): Json => {
  const later: Json = model["type"] === "mlp"
    ? { self_condition: false, num_class_embeds: null }
    : { self_condition: false }
  return Object.fromEntries(
    Object.entries(model).filter(([field, value]) => !(Object.hasOwn(later, field) && later[field] === value))
  )
}

interface FieldIssue {
  readonly path: ReadonlyArray<string>
  readonly message: string
}

/** What no single field of a model shows: whatever the model's own schema has to say. */
const modelIssues = ({ model: { type, ...fields } }: Pick<RunConfig, "model">): ReadonlyArray<CrossIssue> => {
  const decoded: Result.Result<unknown, Schema.SchemaError> = type === "unet" ? decodeUNet(fields) : decodeMLP(fields)
  return Result.isSuccess(decoded)
    ? []
    : issuesOf(decoded.failure).map(({ message, path }) => ({ path: ["model", ...path], issue: message }))
}

const decodeUNet = Schema.decodeUnknownResult(UNet.Config, parseOptions)
const decodeMLP = Schema.decodeUnknownResult(MLP.Config, parseOptions)

const samplingIssues = (
  config: Pick<RunConfig, "previews" | "sampling" | "schedule">
): ReadonlyArray<CrossIssue> => [
  ...(["sampling", "previews"] as const)
    .filter((field) => config[field].steps > config.schedule.steps)
    .map((field) => ({
      path: [field, "steps"],
      issue: `expected at most schedule.steps (${config.schedule.steps}), got ${config[field].steps}`
    })),
  ...sigmaIssues(config),
  ...samplerIssues(config.sampling).map(({ field, issue }) => ({ path: ["sampling", field], issue }))
]

/** Where less noise is left out than there is, no step is left. */
const sigmaIssues = (
  { sampling: { sigmaMax }, schedule }: Pick<RunConfig, "sampling" | "schedule">
): ReadonlyArray<CrossIssue> => {
  const made = scheduleFrom(schedule)
  if (sigmaMax === undefined || Result.isFailure(made)) return []
  const { sigmaMin } = Sigmas.rangeOf(made.success)
  // What is told is allowed: it is rounded up.
  const scale = 10 ** (Math.floor(Math.log10(sigmaMin)) - 2)
  const least = Number((Math.ceil(sigmaMin / scale) * scale).toPrecision(3))
  return sigmaMax >= sigmaMin ? [] : [{
    path: ["sampling", "sigmaMax"],
    issue: `expected at least the least noise of the schedule, ${least}, got ${sigmaMax}`
  }]
}

/** Classes are told to a network that has a table of them, and only then can samples be guided towards them. */
const conditioningIssues = (
  { classGuidance, conditioning, model }: Pick<RunConfig, "classGuidance" | "conditioning" | "model">
): ReadonlyArray<CrossIssue> => [
  ...(conditioning !== null && model.num_class_embeds === null
    ? [{
      path: ["model", "num_class_embeds"],
      issue: "expected one more than there are classes, because of conditioning, got null"
    }]
    : []),
  ...(conditioning === null && model.num_class_embeds !== null
    ? [{
      path: ["conditioning"],
      issue: `expected an object such as { "dropout": 0.1 }, because of model.num_class_embeds, got null`
    }]
    : []),
  ...(classGuidance !== null && (conditioning === null || conditioning.dropout === 0)
    ? [{
      path: ["classGuidance", "scale"],
      issue: conditioning === null
        ? "expected null, because the network is told no classes (conditioning)"
        : "expected null, because the network is never trained without a class (conditioning.dropout is 0)"
    }]
    : []),
  ...(classGuidance !== null && classGuidance.interval !== null &&
      classGuidance.interval[0] >= classGuidance.interval[1]
    ? [{
      path: ["classGuidance", "interval"],
      issue: `expected the smaller of the two first, got ${classGuidance.interval.join(", ")}`
    }]
    : [])
]

/** What a check across fields has to say of a document that may be wrong elsewhere. */
const issuesAcross = <Fields>(
  schema: Schema.Codec<Fields, unknown>,
  input: unknown,
  check: (fields: Fields) => ReadonlyArray<CrossIssue>
): ReadonlyArray<FieldIssue> =>
  Result.match(Schema.decodeUnknownResult(schema)(input), {
    onSuccess: (fields) => check(fields).map(({ issue, path }) => ({ path, message: issue })),
    onFailure: () => []
  })

const unknownField = "unknown field"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "UnexpectedKey"
      ? unknownField
      : issue._tag === "MissingKey"
      ? "missing"
      : SchemaIssue.defaultLeafHook(issue)
})

const issuesOf = ({ issue }: Schema.SchemaError): ReadonlyArray<FieldIssue> =>
  format(issue).issues.map(({ message, path }) => ({
    message,
    path: (path ?? []).map((key) => String(Predicate.isObject(key) ? (key as { readonly key: PropertyKey }).key : key))
  }))

const describe = (issue: FieldIssue, input: unknown, flags: FlagNames): string => {
  const path = issue.path.join(".")
  if (path === "") return issue.message
  const label = flags[path] ?? path
  const name = issue.path.at(-1)!
  const meant = issue.message === unknownField
    ? nearest(name, fieldsAt(RunConfig, input, issue.path.slice(0, -1)))
    : nameHere(path, isJson(input) ? input[path] : undefined)
  return `${label}: ${lowerFirst(issue.message)}${meant === undefined ? "" : `; did you mean "${meant}"?`}`
}

/** What the value of a field is called here, where it has another name elsewhere. */
const nameHere = (field: string, value: unknown): string | undefined => {
  const names = Object.hasOwn(namesElsewhere, field) ? namesElsewhere[field]! : {}
  return Predicate.isString(value) && Object.hasOwn(names, value.toLowerCase()) ? names[value.toLowerCase()] : undefined
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)

/** The fields that an object at a path of the configuration may have. */
const fieldsAt = (schema: unknown, input: unknown, path: ReadonlyArray<string>): ReadonlyArray<string> => {
  const member = memberFor(schema, input)
  if (!Predicate.hasProperty(member, "fields") || !isJson(member.fields)) return []
  const [first, ...rest] = path
  if (first === undefined) return Object.keys(member.fields)
  return fieldsAt(member.fields[first], isJson(input) ? input[first] : undefined, rest)
}

/** Of a union of objects, the one that the input says it is, where they have a `type`, and else the first. */
const memberFor = (schema: unknown, input: unknown): unknown => {
  // A field with a default is a way from what may be absent to what is not.
  const inner = Predicate.hasProperty(schema, "to") ? schema.to : schema
  if (!Predicate.hasProperty(inner, "members") || !Array.isArray(inner.members)) return inner
  return inner.members.find(({ fields }) =>
    isJson(input) && isJson(fields) &&
    (fields["type"] === undefined || Schema.is(fields["type"] as Schema.Schema<unknown>)(input["type"]))
  )
}
