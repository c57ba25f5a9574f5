/**
 * The noise schedules of a configuration.
 */
import { fromConfig, InvalidSchedule, rescaleZeroTerminalSnr } from "@effusion/core/schedule"
import type { Schedule } from "@effusion/core/schedule"
import { Effect, Result, Schema } from "effect"
import { Count, NotNegative, Positive } from "../internal/numbers.ts"
import type { CrossIssue } from "./CrossIssue.ts"
import type { Learning } from "./learning.ts"

/** A beta of a noise schedule. */
const Beta = Schema.Finite.check(
  Schema.isBetween(
    { minimum: 0, maximum: 1, exclusiveMinimum: true, exclusiveMaximum: true },
    { expected: "a number between 0 and 1" }
  )
)

/** What every schedule has. */
const common = {
  /** The number of timesteps, T. */
  steps: Count,
  /**
   * Whether the schedule is rescaled so as to end in noise alone (`rescaleZeroTerminalSnr`); not when absent. A network
   * that predicts noise cannot be trained with one that is.
   */
  zeroTerminalSnr: Schema.optionalKey(Schema.Boolean)
}

const optional = <S extends Schema.Top>(schema: S) => Schema.optionalKey(schema)

/** Options that are absent are as the family has them (see its function in `@effusion/core/schedule`). */
const members = {
  linear: Schema.Struct({
    type: Schema.Literal("linear"),
    ...common,
    /** beta of the first timestep; 1e-4 (Ho et al. 2020) when absent. */
    betaStart: Beta.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-4))),
    /** beta of the last timestep; 0.02 when absent. */
    betaEnd: Beta.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.02))),
    /** The number of timesteps that these are meant for, such as 1000, where they are to be rescaled for another. */
    referenceSteps: optional(Positive)
  }),
  "scaled-linear": Schema.Struct({
    type: Schema.Literal("scaled-linear"),
    ...common,
    betaStart: optional(Beta),
    betaEnd: optional(Beta)
  }),
  cosine: Schema.Struct({
    type: Schema.Literal("cosine"),
    ...common,
    offset: optional(NotNegative),
    maximumBeta: optional(Beta)
  }),
  "sigmoid-beta": Schema.Struct({
    type: Schema.Literal("sigmoid-beta"),
    ...common,
    betaStart: optional(Beta),
    betaEnd: optional(Beta)
  }),
  "sigmoid-alpha-bar": Schema.Struct({
    type: Schema.Literal("sigmoid-alpha-bar"),
    ...common,
    start: optional(Schema.Finite),
    end: optional(Schema.Finite),
    tau: optional(Positive),
    maximumBeta: optional(Beta)
  }),
  exponential: Schema.Struct({
    type: Schema.Literal("exponential"),
    ...common,
    rate: optional(Positive),
    maximumBeta: optional(Beta)
  }),
  laplace: Schema.Struct({
    type: Schema.Literal("laplace"),
    ...common,
    location: optional(Schema.Finite),
    scale: optional(Positive),
    maximumBeta: optional(Beta),
    convention: optional(Schema.Literals(["paper", "diffusers"]))
  }),
  /** Log-SNR along a line (`Continuous.linear`), cut into timesteps. */
  "log-snr-linear": Schema.Struct({
    type: Schema.Literal("log-snr-linear"),
    ...common,
    logSnrMax: optional(Schema.Finite),
    logSnrMin: optional(Schema.Finite)
  }),
  /** The cosine in continuous time, cut off and shifted (`Continuous.cosine`), cut into timesteps. */
  "shifted-cosine": Schema.Struct({
    type: Schema.Literal("shifted-cosine"),
    ...common,
    logSnrMax: optional(Schema.Finite),
    logSnrMin: optional(Schema.Finite),
    shift: optional(Positive)
  })
}

/** The names of the families. */
export const scheduleTypes = Object.keys(members) as ReadonlyArray<keyof typeof members>

/** The name of a family. */
export type ScheduleType = keyof typeof members

/** The schema of a schedule in a configuration. */
export const ScheduleOptions = Schema.Union([
  members.linear,
  members["scaled-linear"],
  members.cosine,
  members["sigmoid-beta"],
  members["sigmoid-alpha-bar"],
  members.exponential,
  members.laplace,
  members["log-snr-linear"],
  members["shifted-cosine"]
]).annotate({ expected: `an object whose type is one of ${scheduleTypes.map((type) => `"${type}"`).join(", ")}` })

/** A schedule in a configuration. */
export type ScheduleOptions = typeof ScheduleOptions.Type

/**
 * The schedule that a configuration asks for.
 *
 * Fails with `InvalidSchedule` when its options do not go together: betas too large for so few steps, for example.
 *
 * @example
 * const schedule = Result.getOrThrow(scheduleFrom({ type: "cosine", steps: 1000, zeroTerminalSnr: true }))
 */
export const scheduleFrom = (options: ScheduleOptions): Result.Result<Schedule, InvalidSchedule> => {
  const { steps, type, zeroTerminalSnr = false, ...fields } = options
  const { betaEnd, betaStart, ...others } = fields as { readonly betaStart?: number; readonly betaEnd?: number }
  const config = {
    ...others,
    ...(betaStart === undefined ? {} : { start: betaStart }),
    ...(betaEnd === undefined ? {} : { end: betaEnd })
  }
  const continuous = continuousNames[type]
  const schedule = fromConfig(
    continuous === undefined
      ? { name: type, steps, ...config }
      : { name: "discretized", steps, of: { name: continuous, ...config } }
  )
  const made = Result.mapError(schedule, (error) =>
    // Only respaced schedules can have wrong timesteps, and a configuration has none.
    error._tag === "InvalidSchedule" ? error : new InvalidSchedule({ schedule: type, reason: error.reason }))
  return zeroTerminalSnr ? Result.flatMap(made, rescaleZeroTerminalSnr) : made
}

/** The part of the data's variance that a last timestep may leave, for samples to start from noise alone. */
const negligibleAlphaBar = 0.02

/**
 * What to say of a schedule that a run can be trained with and drawn badly: `undefined` where there is nothing to say.
 * Samples start from noise alone; a network that has not seen as much noise does not know it (Lin et al. 2024, section 3.1).
 *
 * @example
 * signalWarning({ type: "linear", steps: 200, betaStart: 1e-4, betaEnd: 0.02 }) // => 'the schedule "linear" ...'
 */
export const signalWarning = (options: ScheduleOptions): string | undefined => {
  const last = Result.match(scheduleFrom(options), {
    onSuccess: ({ alphaBar }) => alphaBar.at(-1)!,
    onFailure: () => 0
  })
  if (last <= negligibleAlphaBar) return undefined
  const rescaled = options.type === "linear" ? `schedule.referenceSteps (1000), ` : ""
  return `the schedule "${options.type}" with ${options.steps} timesteps ends at alphaBar ${
    last.toPrecision(2)
  }, but ` +
    `samples start from noise alone, alphaBar 0; give more timesteps, ${rescaled}or another schedule`
}

/** The families of continuous time, by their names here. */
const continuousNames: { readonly [type: string]: string | undefined } = {
  "log-snr-linear": "linear",
  "shifted-cosine": "cosine"
}

/** What no single option of a schedule shows: that there is no such schedule. */
export const scheduleIssues = ({ schedule }: { readonly schedule: ScheduleOptions }): ReadonlyArray<CrossIssue> =>
  Result.match(scheduleFrom(schedule), {
    onSuccess: () => [],
    onFailure: ({ reason }) => [{ path: ["schedule"], issue: reason }]
  })

/** Noise says nothing of the data where there is nothing else. */
export const terminalIssues = (
  { objective, schedule }: { readonly objective: Learning["objective"]; readonly schedule: ScheduleOptions }
): ReadonlyArray<CrossIssue> =>
  schedule.zeroTerminalSnr === true && (objective === "noise" || objective === "score")
    ? [{
      path: ["objective"],
      issue:
        `"${objective}" says nothing of the data at the last timestep, where a schedule with zeroTerminalSnr has ` +
        `noise alone; use "velocity"`
    }]
    : []
