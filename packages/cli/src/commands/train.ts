/**
 * `effusion train`: trains a network, from a preset to a run folder.
 */
import type { TrainAndTest } from "@effusion/core/data"
import { BatchTooLarge } from "@effusion/core/data"
import { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import type { TrainingState } from "@effusion/core/training"
import { Checkpoint } from "@effusion/core/training"
import { Console, Data, Effect, Layer, Option, Result } from "effect"
import type { FileSystem, Path, Scope } from "effect"
import { Command, Flag } from "effect/cli"
import type { RunConfig } from "../configuration/config.ts"
import { decodeRunConfig, encodeRunConfig, trainingIdentity } from "../configuration/config.ts"
import { engineFlags, engineLayer, threadsFlag } from "../configuration/engine.ts"
import { presets } from "../configuration/presets.ts"
import type { Overrides } from "../configuration/resolve.ts"
import { flagNames, override, resolve } from "../configuration/resolve.ts"
import { scheduleTypes, signalWarning } from "../configuration/schedules.ts"
import { denoiserOf, pipelineServices, sideMultiple, stretchedRate } from "../configuration/session.ts"
import { type FileProblem, requireWritable } from "../files.ts"
import { profileRun } from "../profile/profileRun.ts"
import { describeEngine, engineFields } from "../report/engine.ts"
import { messageOf, Reporter } from "../report/Reporter.ts"
import { latestCheckpoint } from "../run/checkpoints.ts"
import { loadData, WrongExampleShape } from "../run/datasets.ts"
import { estimate, showEstimate } from "../run/estimate.ts"
import * as RunFolder from "../run/RunFolder.ts"
import { type Resumption, resumption, trainRun } from "../run/trainRun.ts"

/** Flags that do not go together. */
export class FlagConflict extends Data.TaggedError("FlagConflict")<{
  readonly flags: readonly [string, string]
  readonly remedy: string
}> {
  override get message() {
    return `${this.flags.join(" and ")} do not go together; ${this.remedy}`
  }
}

/** A run was to go on to a step that it is beyond. */
export class TooFewSteps extends Data.TaggedError("TooFewSteps")<{
  readonly path: string
  readonly steps: number
  readonly done: number
}> {
  override get message() {
    return `"${this.path}" has done ${this.done} steps, so it cannot go on to step ${this.steps}; ` +
      `give --steps ${this.done} or more`
  }
}

/** A run that was only to be looked at would not start. */
export class CannotStart extends Data.TaggedError("CannotStart")<{
  /** What the run would fail with. */
  readonly problems: ReadonlyArray<string>
}> {
  override get message() {
    return this.problems.length === 1
      ? `this run cannot start: ${this.problems[0]}`
      : `this run cannot start, for ${this.problems.length} reasons:\n${
        this.problems.map((problem) => `  ${problem}`).join("\n")
      }`
  }
}

const flags = {
  preset: Flag.String("preset").pipe(
    Flag.withDescription(
      `What to train: ${
        Object.keys(presets).join(", ")
      }. Default: digits. (fashion takes the files of Debian's package ` +
        "dataset-fashion-mnist, or --data idx:<folder with Fashion-MNIST's IDX files>)"
    ),
    Flag.optional
  ),
  config: Flag.String("config").pipe(
    Flag.withMetavar("file.json"),
    Flag.withDescription("Settings that override those of the preset"),
    Flag.optional
  ),
  data: Flag.String("data").pipe(
    Flag.withDescription("Examples to train on: digits, images:<folder>, idx:<folder> or points:<kind>"),
    Flag.optional
  ),
  steps: Flag.Int("steps").pipe(Flag.withDescription("Training steps of the whole run"), Flag.optional),
  batchSize: Flag.Int("batch-size").pipe(Flag.withDescription("Examples that are computed at once"), Flag.optional),
  accumulate: Flag.Int("accumulate").pipe(
    Flag.withDescription("Batches in a step: the effective batch is so many times --batch-size, in the memory of one"),
    Flag.optional
  ),
  learningRate: Flag.Finite("learning-rate").pipe(
    Flag.withMetavar("number"),
    Flag.withDescription("The highest learning rate"),
    Flag.optional
  ),
  schedule: Flag.Literals("schedule", scheduleTypes).pipe(
    Flag.withDescription("The noise schedule"),
    Flag.optional
  ),
  seed: Flag.Int("seed").pipe(Flag.withDescription("What all random numbers come from"), Flag.optional),
  ...engineFlags,
  threads: threadsFlag,
  rematerialize: Flag.Boolean("rematerialize").pipe(
    Flag.withDescription("Compute again what is cheap, in place of keeping it: less memory, somewhat more time"),
    Flag.optional
  ),
  rematerializeAll: Flag.Boolean("rematerialize-all").pipe(
    Flag.withDescription(
      "Compute convolutions and products again as well, besides what --rematerialize does: the least memory, and more time"
    ),
    Flag.optional
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("folder"),
    Flag.withDescription("The run's folder; runs/<preset>-<n> when not given"),
    Flag.optional
  ),
  resume: Flag.String("resume").pipe(
    Flag.withMetavar("folder"),
    Flag.withDescription("Go on with the run in this folder"),
    Flag.optional
  ),
  overwrite: Flag.Boolean("overwrite").pipe(
    Flag.withDescription("Replace the run that is in the folder of --out"),
    Flag.withDefault(false)
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription(
      "Print the settings, what the run will cost, and what keeps it from starting, such as data that is not there, and stop"
    ),
    Flag.withDefault(false)
  ),
  profile: Flag.Boolean("profile").pipe(
    Flag.withDescription(
      "Take a few steps with the onnx engine, tell what each operation and each line of the model takes, and stop: nothing " +
        "is trained. Tables and a flame graph go to the folder of --out, or to profiles/<preset>-<n>"
    ),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object a line, for machines"),
    Flag.withDefault(false)
  )
}

type Flags = Command.Command.Config.Infer<typeof flags>

type FolderCheck = Effect.Effect<
  void,
  RunFolder.FolderInUse | RunFolder.RunInTraining | FileProblem,
  FileSystem.FileSystem | Path.Path
>

/** A run that is about to begin, or to go on. */
interface Prepared {
  readonly config: RunConfig
  readonly data: TrainAndTest
  /** Fails where `folder` would, and makes nothing. */
  readonly requireFolder: FolderCheck
  /** Makes the folder of the run, or writes what has changed to it: the last thing that can fail, and the first that stays. */
  readonly folder: Effect.Effect<
    RunFolder.RunFolder,
    RunFolder.FolderInUse | RunFolder.RunInTraining | FileProblem,
    FileSystem.FileSystem | Path.Path | Scope.Scope
  >
  readonly resumeFrom?: Resumption | undefined
}

/** The `train` command. */
export const train = Command.make("train", flags, (flags) =>
  Effect.gen(function*() {
    if (flags.profile) return yield* profile(flags)
    if (flags.dryRun) return yield* dryRun(flags)
    const prepared = yield* prepare(flags, yield* settle(flags))
    // A run that goes on is not warned again.
    if (Option.isNone(flags.resume)) yield* warnOf(prepared.config)
    yield* Effect.flatMap(prepared.folder, (folder) => trainRun({ ...prepared, folder })).pipe(
      Effect.scoped,
      Effect.provide(servicesOf(prepared.config, flags))
    )
  }).pipe(
    // A run that goes on is held from before it is read.
    Effect.scoped,
    Effect.tapError((error) => Reporter.use(({ report }) => report({ event: "error", message: messageOf(error) }))),
    Effect.provide(Reporter.layer({ json: flags.json }))
  )).pipe(
    Command.withDescription(
      "Trains a network to draw. Settings come from a preset; a file overrides it, and flags override both."
    ),
    Command.withShortDescription("Train a network to draw"),
    Command.withExamples([
      { command: "effusion train", description: "Handwritten digits, in about three minutes" },
      {
        command: "effusion train --preset points --data points:two-moons",
        description: "Points in the plane, in seconds"
      },
      {
        command: "effusion train --config mine.json --data images:photos/",
        description: "Pictures of your own, with a network for them"
      },
      { command: "effusion train --preset fashion --data idx:fashion-mnist/", description: "Images in IDX files" },
      { command: "effusion train --resume runs/digits-1 --steps 4000", description: "Go on with a run, for longer" },
      { command: "effusion train --preset ddpm-cifar10 --dry-run", description: "See what a run would cost" },
      { command: "effusion train --profile", description: "See where the time of a step goes" }
    ])
  )

const servicesOf = (config: RunConfig, flags: Flags) =>
  Layer.mergeAll(pipelineServices(config), engineLayer(flags, engineSettings(config)))

const engineSettings = ({ rematerialize, threads }: RunConfig) => ({ threads, rematerialize })

const resolveFlags = (flags: Flags) =>
  resolve({
    preset: Option.getOrUndefined(flags.preset),
    configFile: Option.getOrUndefined(flags.config),
    overrides: overridesOf(flags)
  })

/** What both flags say together: the further one, where it is set; else, where either is, whether anything is computed again. */
const degreeOf = (cheap: Option.Option<boolean>, all: Option.Option<boolean>): Option.Option<boolean | "all"> =>
  Option.contains(all, true) ? Option.some("all") : Option.orElse(cheap, () => all)

const overridesOf = (flags: Flags): Overrides => {
  const { accumulate, batchSize, data, learningRate, rematerialize, rematerializeAll, schedule, seed, steps, threads } =
    flags
  return {
    ...Option.match(data, { onNone: () => ({}), onSome: (data) => ({ data }) }),
    ...Option.match(steps, { onNone: () => ({}), onSome: (steps) => ({ steps }) }),
    ...Option.match(batchSize, { onNone: () => ({}), onSome: (batchSize) => ({ batchSize }) }),
    ...Option.match(accumulate, { onNone: () => ({}), onSome: (accumulate) => ({ accumulate }) }),
    ...Option.match(learningRate, { onNone: () => ({}), onSome: (learningRate) => ({ learningRate }) }),
    ...Option.match(schedule, { onNone: () => ({}), onSome: (schedule) => ({ schedule }) }),
    ...Option.match(seed, { onNone: () => ({}), onSome: (seed) => ({ seed }) }),
    ...Option.match(threads, { onNone: () => ({}), onSome: (threads) => ({ threads }) }),
    ...Option.match(degreeOf(rematerialize, rematerializeAll), {
      onNone: () => ({}),
      onSome: (rematerialize) => ({ rematerialize })
    })
  }
}

/** What flags ask for, before anything is looked at besides configurations. */
interface Settled {
  readonly config: RunConfig
  /** The run that is to go on. */
  readonly resumed?: undefined | { readonly former: RunConfig; readonly folder: RunFolder.RunFolder }
}

const settle = (flags: Flags) =>
  Option.match(flags.resume, {
    onNone: () => Effect.map(resolveFlags(flags), (config): Settled => ({ config })),
    onSome: (path) => settleResumed(flags, path)
  })

/** Checks everything that can be checked without an engine. */
const prepare = (flags: Flags, { config, resumed }: Settled) =>
  Effect.gen(function*() {
    const state = resumed === undefined ? undefined : yield* stateToResume(config, resumed)
    const data = yield* loadFitting(config)
    return { config, data, ...placeOf(flags, { config, resumed }), resumeFrom: state } satisfies Prepared
  })

/** Where a run is to go. */
const placeOf = (flags: Flags, { config, resumed }: Settled): Pick<Prepared, "folder" | "requireFolder"> => {
  if (resumed !== undefined) {
    const { folder } = resumed
    return {
      folder: Effect.as(RunFolder.writeConfig(folder, config), folder),
      requireFolder: requireWritable(folder.config)
    }
  }
  const options = { out: Option.getOrUndefined(flags.out), overwrite: flags.overwrite, config }
  return { folder: RunFolder.create(options), requireFolder: RunFolder.requireCreatable(options) }
}

/** Says what is allowed, and yet not likely to be meant. */
const warnOf = ({ schedule }: RunConfig) => {
  const message = signalWarning(schedule)
  return message === undefined ? Effect.void : Reporter.use(({ report }) => report({ event: "warning", message }))
}

const settleResumed = Effect.fnUntraced(function*(flags: Flags, path: string) {
  if (Option.isSome(flags.out)) return yield* conflict(["--resume", "--out"], "a run goes on in its own folder")
  if (flags.overwrite) {
    return yield* conflict(["--resume", "--overwrite"], "to begin anew, give the folder with --out instead")
  }
  const { config: former, folder } = yield* RunFolder.openToTrain(path)
  const config = yield* Option.isSome(flags.preset) || Option.isSome(flags.config)
    ? resolveFlags(flags)
    : changed(former, overridesOf(flags))
  return { config, resumed: { former, folder } } satisfies Settled
})

/** The state that a run goes on from, if the configuration is still that of the run; none where it has no checkpoint. */
const stateToResume = Effect.fnUntraced(function*(
  config: RunConfig,
  { folder, former }: NonNullable<Settled["resumed"]>
) {
  const { report } = yield* Reporter
  const { path } = folder
  const { checkpoint, damaged } = yield* latestCheckpoint(folder)
  yield* Effect.forEach(damaged, ({ message }) => report({ event: "warning", message }), { discard: true })
  yield* Checkpoint.requireConfig(
    checkpoint ?? { path, config: trainingIdentity(former), state: nothing },
    trainingIdentity(config)
  )
  const done = checkpoint?.state.step ?? 0
  if (config.steps < done) return yield* new TooFewSteps({ path, steps: config.steps, done })
  const stretched = stretchedRate(former, config, done)
  if (stretched !== undefined) yield* report({ event: "warning", message: stretched })
  return checkpoint && resumption(checkpoint.state)
})

/** The state of a run that has no checkpoint yet. */
const nothing: TrainingState = { step: 0, parameters: {}, optimizer: {} }

const changed = (former: RunConfig, overrides: Overrides) =>
  decodeRunConfig(override(encodeRunConfig(former), overrides), "the configuration", flagNames(overrides))

const conflict = (flags: FlagConflict["flags"], remedy: string) => new FlagConflict({ flags, remedy })

/** The data of a configuration, if the network and the batches fit it. */
const loadFitting = Effect.fnUntraced(function*(config: RunConfig) {
  const { batchSize } = config
  return yield* loadData(
    config.data,
    denoiserOf(config),
    ({ name, size }) => batchSize > size ? new BatchTooLarge({ dataset: name, size, batchSize }) : Effect.void
  ).pipe(
    Effect.catchTag(
      "WrongExampleShape",
      ({ actual, data, expected }) => new WrongExampleShape({ data, actual, expected, multiple: sideMultiple(config) })
    )
  )
})

const dryRun = Effect.fnUntraced(function*(flags: Flags) {
  const settled = yield* settle(flags)
  const { config } = settled
  // What a run would fail with is no reason to say less of what it would cost.
  const prepared = yield* Effect.result(prepare(flags, settled))
  const place = yield* Effect.result(placeOf(flags, settled).requireFolder)
  const problems = [
    ...Result.isFailure(prepared) ? [messageOf(prepared.failure)] : [],
    ...Result.isFailure(place) ? [messageOf(place.failure)] : []
  ]
  const known = Result.isFailure(prepared)
    ? {}
    : { data: prepared.success.data, from: prepared.success.resumeFrom?.step }
  const [engine, result] = yield* Effect.provide(
    Effect.all([Effect.map(Engine, engineFields), estimate(config, known)]),
    servicesOf(config, flags)
  )
  const lines = flags.json
    ? [JSON.stringify({ event: "dry-run", config: encodeRunConfig(config), ...engine, ...result, problems })]
    : [
      JSON.stringify(encodeRunConfig(config), undefined, 2),
      `engine: ${describeEngine(engine)}`,
      ...showEstimate(config, result, known)
    ]
  yield* Effect.forEach(lines, (line) => Console.log(line), { discard: true })
  if (Option.isNone(flags.resume)) yield* warnOf(config)
  if (problems.length > 0) return yield* new CannotStart({ problems })
})

const profile = Effect.fnUntraced(function*(flags: Flags) {
  if (Option.isSome(flags.resume)) {
    return yield* conflict(
      ["--profile", "--resume"],
      `a profile is of a run's first steps; give its configuration: --config ${flags.resume.value}/config.json`
    )
  }
  if (Option.contains(flags.engine, "tensorflow")) {
    return yield* conflict(["--profile", "--engine tensorflow"], "it is the onnx engine that is profiled")
  }
  if (Option.contains(flags.device, "gpu")) {
    return yield* conflict(
      ["--profile", "--device gpu"],
      "the engine that is profiled, onnx, computes on the processor"
    )
  }
  if (flags.dryRun) return yield* conflict(["--profile", "--dry-run"], "give one of them at a time")
  if (flags.overwrite) return yield* conflict(["--profile", "--overwrite"], "a profile replaces no run")
  const config = yield* resolveFlags(flags)
  const data = yield* loadFitting(config)
  const out = Option.getOrUndefined(flags.out)
  yield* profileRun({ config, data, out, json: flags.json }).pipe(
    Effect.provide(Layer.merge(pipelineServices(config), OnnxEngine.profilingLayer(engineSettings(config))))
  )
})
