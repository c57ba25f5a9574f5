/**
 * Schedules from JSON: the name of a family beside the options that it was given.
 */
import { Result, Schema } from "effect"
import type { ContinuousSchedule } from "./continuous/ContinuousSchedule.ts"
import { discretize, interpolate } from "./continuous/discretize.ts"
import * as continuousFamilies from "./continuous/families.ts"
import { cosine } from "./family/cosine.ts"
import { exponential } from "./family/exponential.ts"
import { laplace } from "./family/laplace.ts"
import { linear } from "./family/linear.ts"
import { scaledLinear } from "./family/scaledLinear.ts"
import { sigmoidAlphaBar } from "./family/sigmoidAlphaBar.ts"
import { sigmoidBeta } from "./family/sigmoidBeta.ts"
import { nameOf, type OptionsDecoder, optionsOf } from "./internal/decode.ts"
import type { InvalidSchedule, InvalidTimesteps } from "./InvalidSchedule.ts"
import { rescaleZeroTerminalSnr } from "./rescaleZeroTerminalSnr.ts"
import { respace } from "./respace.ts"
import { fromAlphaBars, fromBetas, type Schedule, type ScheduleConfig } from "./Schedule.ts"

/** Why JSON is no schedule. */
export type ScheduleConfigError = InvalidSchedule | InvalidTimesteps

/**
 * What a schedule is known by, as JSON: its name and its options in one object. {@link fromConfig} makes the same schedule
 * of it, bit by bit.
 *
 * @example
 * JSON.stringify(toConfig(schedule)) // => {"name":"cosine","steps":1000,"offset":0.008,"maximumBeta":0.999}
 */
export const toConfig = ({ config, name }: Schedule): ScheduleConfig => ({ name, ...config })

/**
 * The schedule that JSON stands for. Every schedule of this folder can be made of its {@link toConfig}, with the same
 * tables bit by bit on the same version of Node: respaced and rescaled ones too.
 *
 * Fails with `InvalidSchedule` when the name is not known, an option is missing, not known or of the wrong type, or the
 * family does not take it; with `InvalidTimesteps` when a respaced schedule's timesteps are wrong.
 *
 * @param json unknown input, usually parsed JSON
 * @example
 * const schedule = Result.getOrThrow(fromConfig({ name: "linear", steps: 1000 }))
 */
export const fromConfig = (json: unknown): Result.Result<Schedule, ScheduleConfigError> =>
  Result.gen(function*() {
    const name = yield* nameOf("schedule", json, Object.keys(families))
    return yield* families[name]!(json)
  })

/**
 * The continuous schedule that JSON stands for: `{ name, ...config }` of any that has a config.
 *
 * Fails as {@link fromConfig} does.
 *
 * @example
 * const schedule = Result.getOrThrow(continuousFromConfig({ name: "cosine", shift: 0.5 }))
 */
export const continuousFromConfig = (json: unknown): Result.Result<ContinuousSchedule, ScheduleConfigError> =>
  Result.gen(function*() {
    const name = yield* nameOf("continuous schedule", json, Object.keys(continuous))
    return yield* continuous[name]!(json)
  })

const number = Schema.Finite
const optional = Schema.optionalKey(number)
const numbers = Schema.Array(number)

const family = <Options, A>(
  name: string,
  fields: OptionsDecoder<Options>,
  make: (options: Options) => Result.Result<A, ScheduleConfigError>
) =>
(json: unknown): Result.Result<A, ScheduleConfigError> => Result.flatMap(optionsOf(name, fields, json), make)

const families: { readonly [name: string]: (json: unknown) => Result.Result<Schedule, ScheduleConfigError> } = {
  linear: family(
    "linear",
    Schema.Struct({ steps: number, start: optional, end: optional, referenceSteps: optional }),
    linear
  ),
  "scaled-linear": family(
    "scaled-linear",
    Schema.Struct({ steps: number, start: optional, end: optional }),
    scaledLinear
  ),
  cosine: family("cosine", Schema.Struct({ steps: number, offset: optional, maximumBeta: optional }), cosine),
  "sigmoid-beta": family("sigmoid-beta", Schema.Struct({ steps: number, start: optional, end: optional }), sigmoidBeta),
  "sigmoid-alpha-bar": family(
    "sigmoid-alpha-bar",
    Schema.Struct({ steps: number, start: optional, end: optional, tau: optional, maximumBeta: optional }),
    sigmoidAlphaBar
  ),
  exponential: family(
    "exponential",
    Schema.Struct({ steps: number, rate: optional, maximumBeta: optional }),
    exponential
  ),
  laplace: family(
    "laplace",
    Schema.Struct({
      steps: number,
      location: optional,
      scale: optional,
      maximumBeta: optional,
      convention: Schema.optionalKey(Schema.Literals(["paper", "diffusers"]))
    }),
    laplace
  ),
  betas: family("betas", Schema.Struct({ betas: numbers }), ({ betas }) => fromBetas(betas)),
  "alpha-bar": family("alpha-bar", Schema.Struct({ alphaBar: numbers }), ({ alphaBar }) => fromAlphaBars(alphaBar)),
  respaced: family(
    "respaced",
    Schema.Struct({ of: Schema.Unknown, timesteps: numbers }),
    ({ of, timesteps }) => Result.flatMap(fromConfig(of), (schedule) => respace(schedule, timesteps))
  ),
  "zero-terminal-snr": family(
    "zero-terminal-snr",
    Schema.Struct({ of: Schema.Unknown }),
    ({ of }) => Result.flatMap(fromConfig(of), rescaleZeroTerminalSnr)
  ),
  discretized: family(
    "discretized",
    Schema.Struct({ of: Schema.Unknown, steps: number }),
    ({ of, steps }) => Result.flatMap(continuousFromConfig(of), (schedule) => discretize(schedule, { steps }))
  )
}

const continuous: {
  readonly [name: string]: (json: unknown) => Result.Result<ContinuousSchedule, ScheduleConfigError>
} = {
  linear: family("linear", Schema.Struct({ logSnrMax: optional, logSnrMin: optional }), continuousFamilies.linear),
  cosine: family(
    "cosine",
    Schema.Struct({ logSnrMax: optional, logSnrMin: optional, shift: optional }),
    continuousFamilies.cosine
  ),
  interpolated: family(
    "interpolated",
    Schema.Struct({ of: Schema.Unknown }),
    ({ of }) => Result.flatMap(fromConfig(of), interpolate)
  )
}
