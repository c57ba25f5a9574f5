/**
 * `effusion sample`: draws with a trained network.
 */
import type { InvalidObjective } from "@effusion/core/diffusion"
import type { EngineUnavailable } from "@effusion/core/engine"
import type { Sampling } from "@effusion/core/sampling"
import type { InvalidSchedule } from "@effusion/core/schedule"
import { InvalidTimesteps, NoiseSchedule } from "@effusion/core/schedule"
import type { Shape } from "@effusion/core/tensor"
import type { CheckpointUnreadable } from "@effusion/core/training"
import { Clock, Data, Effect, Layer, Option, Path } from "effect"
import type { FileSystem, Stdio } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { RunConfig } from "../configuration/config.ts"
import { decodeRunConfig, encodeRunConfig, overlay } from "../configuration/config.ts"
import { engineFlags, engineLayer, threadsFlag } from "../configuration/engine.ts"
import { override } from "../configuration/resolve.ts"
import { scheduleTypes } from "../configuration/schedules.ts"
import { classesOf, denoiserOf, pipelineServices, scheduleOf } from "../configuration/session.ts"
import { type FileProblem, requireWritable, writeBeside, writeWhole } from "../files.ts"
import type { DrawOptions, UnsupportedPicture } from "../picture/drawing.ts"
import { drawFrames, pictureTypes, requirePictureType, writePicture } from "../picture/drawing.ts"
import { readImage, type UnusableImage } from "../picture/readImage.ts"
import { Reporter } from "../report/Reporter.ts"
import { guideOf, latestWeights, type NoCheckpoint, NoGuide, type NoWholeCheckpoint } from "../run/checkpoints.ts"
import { arePoints } from "../run/datasets.ts"
import * as RunFolder from "../run/RunFolder.ts"
import { classesFlag, pairFlag } from "./lists.ts"
import { sampleName } from "./sampleName.ts"
import { givenSampling, samplerFlagNames, samplerFlags } from "./samplerFlags.ts"
import { latentsBetween, MisusedFlag, requirePictures, startsOf } from "./starts.ts"

const input = {
  run: Argument.String("run").pipe(Argument.withDescription("The folder of a run, such as runs/digits-1")),
  count: Flag.Int("count").pipe(Flag.withDescription("How many samples"), Flag.optional),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("What the noise comes from; another seed draws other samples"),
    Flag.optional
  ),
  ...samplerFlags,
  schedule: Flag.Literals("schedule", scheduleTypes).pipe(
    Flag.withDescription("Go down this schedule's noise levels in place of those of the training"),
    Flag.optional
  ),
  image: Flag.String("image").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("Start from this picture with noise on it, a .png file of the size of the samples"),
    Flag.optional
  ),
  strength: Flag.Finite("strength").pipe(
    Flag.withMetavar("part"),
    Flag.withDescription("How much of --image is made anew, from 0 to 1; 0.5 when not given"),
    Flag.optional
  ),
  to: Flag.String("to").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("Go from --image to this picture, through what lies between them"),
    Flag.optional
  ),
  inpaint: Flag.String("inpaint").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("Make a part of this picture anew, and keep the rest"),
    Flag.optional
  ),
  mask: Flag.String("mask").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("A picture that is white where --inpaint is made anew, and black where it is kept"),
    Flag.optional
  ),
  resamplings: Flag.Int("resamplings").pipe(
    Flag.withDescription("How often to go through every stretch of steps with --inpaint, to fit the rest better"),
    Flag.optional
  ),
  guidance: Flag.Finite("guidance").pipe(
    Flag.withMetavar("scale"),
    Flag.withDescription("How far to steer away from the run's early state, where it keeps one; 1 is not at all"),
    Flag.optional
  ),
  labels: classesFlag("labels").pipe(
    Flag.withMetavar("list"),
    Flag.withDescription("The classes to draw in turn, such as 3 or 0,1,2, or none; all of them when not given"),
    Flag.optional
  ),
  classGuidance: Flag.Finite("class-guidance").pipe(
    Flag.withMetavar("scale"),
    Flag.withDescription("How far to go towards the class, beyond samples of none; 1 is as far as trained"),
    Flag.optional
  ),
  guidanceRescale: Flag.Finite("guidance-rescale").pipe(
    Flag.withMetavar("number"),
    Flag.withDescription("How much of --class-guidance's contrast to take back, from 0 to 1"),
    Flag.optional
  ),
  guidanceInterval: pairFlag("guidance-interval").pipe(
    Flag.withMetavar("from,to"),
    Flag.withDescription("The noise, sigma, between which --class-guidance is at work"),
    Flag.optional
  ),
  ...engineFlags,
  threads: threadsFlag,
  trajectory: Flag.Boolean("trajectory").pipe(
    Flag.withDescription("Show how noise becomes a sample: a row for each, from left to right"),
    Flag.withDefault(false)
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription(
      "The picture to write: .png for images; .svg, .json or .csv for points. When not given, a name in the run's folder " +
        "that says how it was drawn, and that nothing else has"
    ),
    Flag.optional
  )
}

/** What the flags of the command say. */
export type Input = Command.Command.Config.Infer<typeof input>

/** A trajectory shows so many of the denoising steps. */
const trajectoryFrames = 12

/** Flags say what classes to draw, and the network of the run is told none. */
export class NoClasses extends Data.TaggedError("NoClasses")<{ readonly path: string; readonly flag: string }> {
  override get message() {
    return `${this.flag} is for networks that are told classes, and that of "${this.path}" is not; ` +
      `leave it out, or train one that is (--preset digits)`
  }
}

/** What drawing can fail with. */
export type SampleError =
  | NoClasses
  | RunFolder.OpenError
  | NoWholeCheckpoint
  | CheckpointUnreadable
  | NoCheckpoint
  | NoGuide
  | EngineUnavailable
  | InvalidSchedule
  | InvalidObjective
  | Sampling.SamplingError
  | UnsupportedPicture
  | UnusableImage
  | MisusedFlag
  | FileProblem

/** The `sample` command. */
export const sample: Command.Command<"sample", Input, {}, SampleError, SampleServices> = Command.make(
  "sample",
  input,
  (input) => Effect.provide(drawRun(input), Reporter.layer({ json: false }))
).pipe(
  Command.withDescription(
    "Draws with the network that a run has trained so far, by its averaged weights. What is not given is as the run's " +
      "configuration says."
  ),
  Command.withShortDescription("Draw with a trained network"),
  Command.withExamples([
    { command: "effusion sample runs/digits-1 --count 100", description: "A grid of 100 pictures" },
    { command: "effusion sample runs/digits-1 --trajectory --count 8", description: "How they come out of noise" },
    { command: "effusion sample runs/digits-1 --labels 3,7", description: "Threes and sevens" },
    { command: "effusion sample runs/digits-1 --sampler unipc --steps 10", description: "Ten steps of a fast solver" },
    { command: "effusion sample runs/digits-1 --image 7.png --strength 0.4", description: "Variations of a picture" },
    { command: "effusion sample runs/digits-1 --inpaint 7.png --mask half.png", description: "A part made anew" },
    { command: "effusion sample runs/points-1 --out points.csv", description: "Points, as numbers" }
  ])
)

type SampleServices = FileSystem.FileSystem | Path.Path | Stdio.Stdio

const drawRun = Effect.fnUntraced(function*(
  input: Input
): Effect.fn.Return<void, SampleError, Reporter | FileSystem.FileSystem | Path.Path> {
  const { report } = yield* Reporter
  const startedAt = yield* Clock.currentTimeMillis
  const { config, folder } = yield* RunFolder.open(input.run)
  const { parameters, step } = yield* latestWeights(folder, input.run)

  const { classes, exampleShape } = denoiserOf(config)
  const flag = classFlags.find(([name]) => Option.isSome<unknown>(input[name]))?.[1]
  if (classes === undefined && flag !== undefined) return yield* new NoClasses({ path: input.run, flag })
  yield* requireEffect(input, config)
  const settings = yield* settingsOf(config, input, exampleShape)
  const guide = yield* guideOf(folder, settings.guidance, step)
  if (guide === undefined && Option.exists(input.guidance, (scale) => scale !== 1)) {
    return yield* new NoGuide({ reason: "the run keeps none (its configuration has no guidance, or it is too short)" })
  }
  yield* requirePictures(input, guide !== undefined)
  const starts = yield* startsOf(input, exampleShape)
  const schedule = yield* otherSchedule(config, input, settings.sigmaMax)
  const type = pictureTypes(exampleShape)[0]!
  const paths = yield* Path.Path
  const sampler = Option.isSome(input.to) ? samplerOfTo : settings.sampler
  const path = Option.getOrElse(
    input.out,
    () => paths.join(folder.path, sampleName({ ...settings, sampler, step, type }, input))
  )
  yield* requirePictureType(path, exampleShape)
  yield* requireWritable(path)
  const labels = Option.getOrElse(input.labels, () => classesOf(config))
  const drawing = { ...settings, ...starts, labels, schedule, parameters, guide, exampleShape }
  const frames = yield* Effect.gen(function*() {
    const way = Option.isSome(input.image) && Option.isSome(input.to)
      ? yield* between([input.image.value, input.to.value], drawing)
      : drawing
    return yield* drawFrames({ ...way, frames: input.trajectory ? trajectoryFrames : 1 })
  }).pipe(
    Effect.catchTag("InvalidTimesteps", (error) =>
      Effect.fail(
        settings.sigmaMax === undefined
          ? error
          : new InvalidTimesteps({ reason: `below sigma ${settings.sigmaMax} (--sigma-max), ${error.reason}` })
      )),
    Effect.provide(servicesOf(config, input))
  )
  const title = `${settings.count} samples after ${step} steps${input.trajectory ? " of training" : ""}`
  const isWay = Option.isSome(input.to)
  const picture = { title, frames, isWay, labels: isWay ? undefined : labels }
  // What the user has not named replaces nothing: a later run may have drawn other samples in the same way.
  const written = yield* writePicture(path, picture, Option.isSome(input.out) ? writeWhole : writeBeside)
  const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  yield* report({ event: "drawn", count: settings.count, seconds, path: written })
})

/** Flags for networks that are told classes. */
const classFlags = [
  ["labels", "--labels"],
  ["classGuidance", "--class-guidance"],
  ["guidanceRescale", "--guidance-rescale"],
  ["guidanceInterval", "--guidance-interval"]
] as const

/** What would not change anything between two pictures: these are encoded as DDIM undoes it, and are of no class. */
const settledByTo = [
  ["sampler", "--sampler"],
  ["eta", "--eta"],
  ["spacing", "--spacing"],
  ["sigmaMax", "--sigma-max"],
  ["variance", "--variance"],
  ["order", "--order"],
  ["solverType", "--solver-type"],
  ["churn", "--churn"],
  ["noise", "--noise-scale"],
  ["schedule", "--schedule"],
  ...classFlags
] as const

/** Fails with `MisusedFlag` where a flag would be without effect beside another. */
const requireEffect = Effect.fnUntraced(function*(input: Input, { sampling }: RunConfig) {
  if (Option.isSome(input.to)) {
    const settled = settledByTo.find(([name]) =>
      Option.exists<unknown>(input[name], (value) => name !== "sampler" || value !== "ddim")
    )
    if (settled !== undefined) {
      return yield* new MisusedFlag({
        flag: settled[1],
        reason: "with --to, pictures are encoded and drawn by ddim, in its own spacing and of no class; leave it out"
      })
    }
  }
  const sampler = Option.getOrElse(input.sampler, () => sampling.sampler)
  if (Option.isNone(input.to) && Option.isSome(input.eta) && sampler !== "ddim") {
    return yield* new MisusedFlag({ flag: "--eta", reason: `${sampler} has none; it is for ddim` })
  }
  if (!Option.exists(input.labels, (labels) => labels === undefined)) return
  const guiding = classFlags.find(([name]) => name !== "labels" && Option.isSome<unknown>(input[name]))
  if (guiding !== undefined) {
    return yield* new MisusedFlag({ flag: guiding[1], reason: "samples of --labels none are guided to no class" })
  }
})

/** What goes from one picture to another. */
const samplerOfTo = "ddim" as const

/** From one picture to another: by DDIM, which undoes the encoding; both are of no class. */
const between = Effect.fnUntraced(function*(paths: readonly [string, string], drawing: DrawOptions) {
  const [from, to] = paths
  const ends = [
    yield* readImage(from, drawing.exampleShape),
    yield* readImage(to, drawing.exampleShape)
  ] as const
  const latents = yield* latentsBetween(ends, { sampling: drawing, parameters: drawing.parameters })
  const { count, steps } = drawing
  const classless = { labels: undefined, classGuidance: null }
  // Whatever else the run's configuration says of the way would not be that of the encoding.
  const { final: _, sigmaMax: __, spacing: ___, ...others } = drawing
  return { ...others, ...classless, sampler: samplerOfTo, eta: 0, count, steps, from: { latents } }
})

/** The schedule that `--schedule` names, with as many timesteps as the run's. */
const otherSchedule = Effect.fnUntraced(
  function*(config: RunConfig, { schedule }: Input, sigmaMax: number | undefined) {
    if (Option.isNone(schedule)) return undefined
    const sampling = sigmaMax === undefined ? {} : { sampling: { sigmaMax } }
    const json = overlay(override(encodeRunConfig(config), { schedule: schedule.value }), sampling)
    const other = yield* decodeRunConfig(json, `the schedule "${schedule.value}"`, flagNames)
    return yield* Effect.provide(NoiseSchedule, scheduleOf(other))
  }
)

/** So many rows make a trajectory of images that can be looked at; points are all in one plot. */
const trajectoryRows = 8

/** What the flags say, or else the run's configuration. The run's own samples are those of its seed; these are others. */
const settingsOf = Effect.fnUntraced(function*(config: RunConfig, input: Input, exampleShape: Shape) {
  const count = Option.getOrElse(
    input.count,
    () =>
      input.trajectory && !arePoints(exampleShape)
        ? Math.min(trajectoryRows, config.sampling.count)
        : config.sampling.count
  )
  const seed = Option.getOrElse(input.seed, () => config.seed + 1)
  const guidance = config.guidance === null
    ? {}
    : Option.match(input.guidance, { onNone: () => ({}), onSome: (scale) => ({ guidance: { scale } }) })
  const classGuidance = {
    ...Option.match(input.classGuidance, { onNone: () => ({}), onSome: (scale) => ({ scale }) }),
    ...Option.match(input.guidanceRescale, { onNone: () => ({}), onSome: (rescale) => ({ rescale }) }),
    ...Option.match(input.guidanceInterval, { onNone: () => ({}), onSome: (interval) => ({ interval }) })
  }
  // Samples of no class cannot be guided towards one.
  const guidedTo = Option.exists(input.labels, (labels) => labels === undefined)
    ? { classGuidance: null }
    : Object.keys(classGuidance).length === 0
    ? {}
    : { classGuidance }
  // The sampling is not laid over the run's: a sampler forgets what another one was told.
  const json = overlay({ ...encodeRunConfig(config), sampling: {} }, {
    seed,
    sampling: { ...givenSampling(config.sampling, input), count },
    ...guidance,
    ...guidedTo
  })
  const settings = yield* decodeRunConfig(json, "what to draw", flagNames)
  return { ...settings.sampling, guidance: settings.guidance, classGuidance: settings.classGuidance, seed }
})

const flagNames = {
  "seed": "--seed",
  "sampling.count": "--count",
  ...samplerFlagNames,
  "guidance.scale": "--guidance",
  "classGuidance.scale": "--class-guidance",
  "classGuidance.rescale": "--guidance-rescale",
  "classGuidance.interval": "--guidance-interval"
}

const servicesOf = (config: RunConfig, input: Input) => {
  const threads = Option.getOrElse(input.threads, () => config.threads)
  return Layer.mergeAll(pipelineServices(config), engineLayer(input, { threads }))
}
