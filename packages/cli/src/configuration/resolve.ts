/**
 * From what somebody typed to the configuration of a run: a preset, overridden by a file, overridden by flags.
 */
import type { Rematerialize } from "@effusion/core/engine"
import { Data, Effect, FileSystem, Path, Predicate } from "effect"
import { isDeepStrictEqual } from "node:util"
import type { FileProblem } from "../files.ts"
import { fileProblem } from "../files.ts"
import { nearest } from "../internal/nearest.ts"
import { parseJson } from "../run/RunFolder.ts"
import type { FlagNames, Json, RunConfig } from "./config.ts"
import { decodeRunConfig, InvalidRunConfig, overlay } from "./config.ts"
import { presets } from "./presets.ts"
import type { ScheduleType } from "./schedules.ts"

/** The settings that have a flag of their own; those that were not given are absent. */
export interface Overrides {
  readonly data?: string
  readonly steps?: number
  readonly batchSize?: number
  readonly accumulate?: number
  readonly learningRate?: number
  readonly seed?: number
  readonly schedule?: ScheduleType
  readonly threads?: number
  readonly rematerialize?: Rematerialize
}

/** There is no preset of this name. */
export class UnknownPreset extends Data.TaggedError("UnknownPreset")<{
  readonly name: string
  readonly names: ReadonlyArray<string>
}> {
  override get message() {
    const meant = nearest(this.name, this.names)
    return `there is no preset "${this.name}"${meant === undefined ? "" : ` (did you mean "${meant}"?)`}; ` +
      `choose one of ${this.names.join(", ")}`
  }
}

/** A preset is asked for by name, and nothing of it would be left. */
export class UselessPreset extends Data.TaggedError("UselessPreset")<{
  readonly name: string
  /** The file that overrides all of it. */
  readonly file: string
  /** The preset that the file names. */
  readonly named: string
}> {
  override get message() {
    return `--preset ${this.name} would change nothing but the name: "${this.file}" has every field, and those of ` +
      `"${this.named}"; leave --preset out`
  }
}

/** What a configuration is resolved from. */
export interface Sources {
  /** The name of a preset; that of the file, or else `digits`, when not given. */
  readonly preset?: string | undefined
  /** The path of a JSON file with any of the fields of a configuration. */
  readonly configFile?: string | undefined
  readonly overrides: Overrides
}

/**
 * Resolves a configuration. Relative folders in `data` become absolute, so that the run can go on from anywhere.
 *
 * @example
 * const config = yield* resolve({ preset: "points", overrides: { steps: 500 } })
 */
export const resolve = Effect.fnUntraced(
  function*(
    { configFile, overrides, preset }: Sources
  ): Effect.fn.Return<
    RunConfig,
    UnknownPreset | UselessPreset | InvalidRunConfig | FileProblem,
    FileSystem.FileSystem | Path.Path
  > {
    const file = configFile === undefined ? {} : yield* readConfigFile(configFile)
    const name = preset ?? (Predicate.isString(file["preset"]) ? file["preset"] : defaultPreset)
    const base = Object.hasOwn(presets, name) ? presets[name] : undefined
    if (base === undefined) return yield* new UnknownPreset({ name, names: Object.keys(presets) })
    const named = file["preset"]
    if (
      configFile !== undefined && Predicate.isString(named) && named !== name &&
      isDeepStrictEqual(overlay(base, file), file)
    ) {
      return yield* new UselessPreset({ name, file: configFile, named })
    }
    const withFile = overlay(base, preset === undefined ? file : { ...file, preset })
    const config = yield* decodeRunConfig(
      override(withFile, overrides),
      configFile ?? "the configuration",
      flagNames(overrides)
    )
    return yield* withAbsoluteFolder(config)
  }
)

/**
 * Lays flags over a configuration.
 *
 * @example
 * override(config, { steps: 500 })
 */
export const override = (config: Json, overrides: Overrides): Json => {
  const { learningRate, schedule, ...fields } = overrides
  const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const withFields = overlay(config, present)
  const withRate = learningRate === undefined ? withFields : overlay(withFields, { optimizer: { learningRate } })
  if (schedule === undefined) return withRate
  // Another family of schedules keeps the number of timesteps.
  const former = withRate["schedule"]
  const steps = Predicate.hasProperty(former, "steps") ? { steps: former.steps } : {}
  return overlay(withRate, { schedule: { type: schedule, ...steps } })
}

const defaultPreset = "digits"

/**
 * The flags that were given, by the fields that they set.
 *
 * @example
 * flagNames({ batchSize: 0 }) // => { batchSize: "--batch-size" }
 */
export const flagNames = (overrides: Overrides): FlagNames =>
  Object.fromEntries(
    Object.entries(overrides).flatMap(([name, value]) => value === undefined ? [] : [flags[name as keyof Overrides]])
  )

const flags: { readonly [Name in keyof Overrides]-?: readonly [path: string, flag: string] } = {
  data: ["data", "--data"],
  steps: ["steps", "--steps"],
  batchSize: ["batchSize", "--batch-size"],
  accumulate: ["accumulate", "--accumulate"],
  learningRate: ["optimizer.learningRate", "--learning-rate"],
  seed: ["seed", "--seed"],
  schedule: ["schedule.type", "--schedule"],
  threads: ["threads", "--threads"],
  rematerialize: ["rematerialize", "--rematerialize"]
}

const readConfigFile = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(path).pipe(Effect.mapError(fileProblem("read the configuration", path)))
  const json = yield* parseJson(path, text)
  return Predicate.isObject(json) && !Array.isArray(json)
    ? json as Json
    : yield* new InvalidRunConfig({ source: path, problems: ["expected a JSON object with fields of a configuration"] })
})

const withAbsoluteFolder = (config: RunConfig): Effect.Effect<RunConfig, never, Path.Path> =>
  Effect.map(Path.Path, (paths) => {
    const [, kind, folder] = /^(images|idx):(.*)$/s.exec(config.data) ?? []
    return folder === undefined ? config : { ...config, data: `${kind}:${paths.resolve(folder)}` }
  })
