/**
 * `effusion evaluate bound`: the variational bound of a trained network.
 */
import { take } from "@effusion/core/data"
import { type Decoder, type InvalidObjective, type VarianceType, varianceTypes } from "@effusion/core/diffusion"
import type { EngineUnavailable } from "@effusion/core/engine"
import type { InvalidSchedule } from "@effusion/core/schedule"
import type { CheckpointUnreadable } from "@effusion/core/training"
import { InvalidEvaluation, Training } from "@effusion/core/training"
import { Console, Data, Effect, Layer, Option, Path } from "effect"
import type { FileSystem, Stdio } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { RunConfig } from "../configuration/config.ts"
import { engineFlags, engineLayer, threadsFlag } from "../configuration/engine.ts"
import { denoiserOf, pipelineServices } from "../configuration/session.ts"
import type { FileProblem } from "../files.ts"
import { requireWritable, writeWhole } from "../files.ts"
import type { BoundReport } from "../report/boundReport.ts"
import { describeBound, toCsv, toJson, unitOf } from "../report/boundReport.ts"
import { Reporter } from "../report/Reporter.ts"
import { latestWeights, type NoCheckpoint, type NoWholeCheckpoint } from "../run/checkpoints.ts"
import type { DatasetError } from "../run/datasets.ts"
import { arePoints, loadData } from "../run/datasets.ts"
import * as RunFolder from "../run/RunFolder.ts"

const decoders = { exact: "discretized-gaussian", tanh: "discretized-gaussian-tanh" } as const

const input = {
  run: Argument.String("run").pipe(Argument.withDescription("The folder of a run, such as runs/digits-1")),
  examples: Flag.Int("examples").pipe(
    Flag.withDescription("Held-out examples to look at; 100 images or 1000 points when not given"),
    Flag.optional
  ),
  timesteps: Flag.Int("timesteps").pipe(
    Flag.withDescription("Timesteps to look at for each example, drawn anew for each; at most 100 when not given"),
    Flag.optional
  ),
  variance: Flag.Literals("variance", varianceTypes).pipe(
    Flag.withDescription("The variance of a step back; as learned, or else fixed-small, when not given"),
    Flag.optional
  ),
  decoder: Flag.Literals("decoder", Object.keys(decoders) as ReadonlyArray<keyof typeof decoders>).pipe(
    Flag.withDescription("The likelihood of pixels: exact, or tanh, with which published numbers were computed"),
    Flag.optional
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("What timesteps and noise come from; 0 when not given"),
    Flag.withDefault(0)
  ),
  ...engineFlags,
  threads: threadsFlag,
  out: Flag.String("out").pipe(
    Flag.withMetavar("file.svg"),
    Flag.withDescription("Where the plot goes; bound.svg in the run's folder when not given"),
    Flag.optional
  ),
  csv: Flag.String("csv").pipe(
    Flag.withMetavar("file.csv"),
    Flag.withDescription("Write the numbers of every timestep as well"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object with all numbers, in place of the table"),
    Flag.withDefault(false)
  )
}

type Input = Command.Command.Config.Infer<typeof input>

/** A plot can be written as SVG only. */
export class UnsupportedPlot extends Data.TaggedError("UnsupportedPlot")<{ readonly path: string }> {
  override get message() {
    return `cannot write "${this.path}": a plot is written as .svg; give a file name that ends so (--csv writes numbers)`
  }
}

/** What evaluating the bound can fail with. */
export type EvaluateError =
  | RunFolder.OpenError
  | NoWholeCheckpoint
  | CheckpointUnreadable
  | NoCheckpoint
  | DatasetError
  | EngineUnavailable
  | InvalidSchedule
  | InvalidObjective
  | Training.BoundError
  | UnsupportedPlot

type EvaluateServices = FileSystem.FileSystem | Path.Path | Stdio.Stdio

/** The `evaluate bound` command. */
export const bound: Command.Command<"bound", Input, {}, EvaluateError, EvaluateServices> = Command.make(
  "bound",
  input,
  (input) => evaluateRun(input)
).pipe(
  Command.withDescription(
    "Evaluates the variational bound of the network that a run has trained so far, by its averaged weights, on held-out " +
      "examples: how many bits a dimension they cost at most (nats, for points, which are continuous), timestep by " +
      "timestep, beside the error of the noise. docs/objective.md says how the two belong together."
  ),
  Command.withShortDescription("The variational bound, in bits per dimension"),
  Command.withExamples([
    { command: "effusion evaluate bound runs/digits-1", description: "A table, and a plot in the run's folder" },
    {
      command: "effusion evaluate bound runs/digits-1 --examples 1000 --timesteps 1000 --csv bound.csv",
      description: "The bound without sampling of timesteps, and its numbers"
    }
  ])
)

/** The `evaluate` command. */
export const evaluate = Command.make("evaluate").pipe(
  Command.withDescription("Says in numbers how good a trained network is."),
  Command.withShortDescription("Say in numbers how good a network is"),
  Command.withSubcommands([bound])
)

const evaluateRun = Effect.fnUntraced(function*(
  input: Input
): Effect.fn.Return<void, EvaluateError, EvaluateServices> {
  const paths = yield* Path.Path
  const { boundPlot } = yield* RunFolder.layout(input.run)
  const plot = Option.getOrElse(input.out, () => boundPlot)
  if (paths.extname(plot).toLowerCase() !== ".svg") return yield* new UnsupportedPlot({ path: plot })
  // The progress bar is gone before the table is printed.
  const report = yield* Effect.provide(
    measure(input, [plot, ...Option.toArray(input.csv)]),
    Reporter.layer({ json: input.json })
  )
  yield* writePlot(plot, input.run, report)
  if (Option.isSome(input.csv)) yield* writeWhole(input.csv.value, toCsv(report))
  yield* Console.log(
    input.json
      ? JSON.stringify({ ...toJson(report), plot })
      : [...describeBound(report), `What each timestep adds to it: open ${plot}`].join("\n")
  )
})

const measure = Effect.fnUntraced(function*(
  input: Input,
  outputs: ReadonlyArray<string>
): Effect.fn.Return<BoundReport, EvaluateError, Reporter | FileSystem.FileSystem | Path.Path> {
  const { report } = yield* Reporter
  const { config, folder } = yield* RunFolder.open(input.run)
  const { parameters, step } = yield* latestWeights(folder, input.run)
  const settings = yield* settingsOf(config, input)
  yield* Effect.forEach(outputs, requireWritable, { discard: true })
  const { test } = yield* loadData(config.data, denoiserOf(config))
  if (settings.examples > test.size) {
    return yield* new InvalidEvaluation({
      option: "--examples",
      value: settings.examples,
      expected: `at most ${test.size}, which is how many held-out examples "${config.data}" has`
    })
  }
  const evaluation = yield* Training.evaluateBound({
    ...settings,
    data: take(test, settings.examples),
    parameters,
    seed: input.seed,
    onProgress: (done, count) => report({ event: "evaluatingBound", done, count })
  }).pipe(
    Effect.mapError((error) =>
      error._tag === "InvalidEvaluation" ? new InvalidEvaluation({ ...error, option: `--${error.option}` }) : error
    ),
    Effect.provide(servicesOf(config, input))
  )
  return { run: input.run, step, seed: input.seed, decoder: settings.decoder, evaluation }
})

/** More timesteps than these, drawn anew for each example, make the bound hardly more certain. */
const enoughTimesteps = 100

interface Settings {
  readonly examples: number
  readonly timesteps: number
  readonly variance: VarianceType | undefined
  readonly decoder: Decoder
  readonly batchSize: number
}

const settingsOf = Effect.fnUntraced(function*(
  config: RunConfig,
  input: Input
): Effect.fn.Return<Settings, InvalidEvaluation> {
  const points = arePoints(denoiserOf(config).exampleShape)
  const examples = Option.getOrElse(input.examples, () => points ? 1000 : 100)
  if (examples < 1) {
    return yield* new InvalidEvaluation({ option: "--examples", value: examples, expected: "a number of at least 1" })
  }
  if (points && Option.isSome(input.decoder)) {
    return yield* new InvalidEvaluation({
      option: "--decoder",
      value: input.decoder.value,
      expected: "none: points are continuous, and have a density"
    })
  }
  const kind = Option.getOrElse(input.decoder, () => "exact" as const)
  return {
    examples,
    timesteps: Option.getOrElse(input.timesteps, () => Math.min(enoughTimesteps, config.schedule.steps)),
    variance: Option.getOrUndefined(input.variance),
    decoder: points ? "gaussian" : decoders[kind],
    batchSize: points ? 1000 : 64
  }
})

const servicesOf = (config: RunConfig, input: Input) => {
  const threads = Option.getOrElse(input.threads, () => config.threads)
  return Layer.mergeAll(pipelineServices(config), engineLayer(input, { threads }))
}

const writePlot = Effect.fnUntraced(function*(
  path: string,
  run: string,
  report: BoundReport
): Effect.fn.Return<void, FileProblem, FileSystem.FileSystem | Path.Path> {
  // The plotting library takes half a second to load.
  const { boundPlot } = yield* Effect.promise(() => import("../picture/boundPlot.ts"))
  const { total } = toJson(report)
  const title = `${(yield* Path.Path).basename(run)}: at most ${total.mean.toFixed(3)} ${unitOf(report)}`
  yield* writeWhole(path, boundPlot(title, report))
})
