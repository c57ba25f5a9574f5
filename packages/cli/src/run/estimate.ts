/**
 * What a run will cost, measured on a few of its steps.
 */
import { fromArrays, take } from "@effusion/core/data"
import type { Dataset, TrainAndTest } from "@effusion/core/data"
import { Engine } from "@effusion/core/engine"
import { Denoiser, ownParameters } from "@effusion/core/pipeline"
import type { Pipeline } from "@effusion/core/pipeline"
import { float32, sizeOf } from "@effusion/core/tensor"
import type { Shape } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import { Clock, Deferred, Effect, Stream } from "effect"
import type { RunConfig } from "../configuration/config.ts"
import { averageOf, optimizerOf, parameterCount } from "../configuration/session.ts"
import { releaseGarbage } from "../internal/garbage.ts"
import { draw, type DrawOptions, samplesAtOnce } from "../picture/drawing.ts"
import { showBatch, showDuration } from "../report/progress.ts"
import { Reporter } from "../report/Reporter.ts"
import { arePoints } from "./datasets.ts"
import { evaluationPipelineOf, evaluationSettings, finalSamples, pipelineOf, previewSamples } from "./trainRun.ts"

/** What a run will cost. */
export interface Estimate {
  readonly parameters: number
  /** The batch size that was measured with; smaller than that of the run where the run's would take long. */
  readonly measuredBatchSize: number
  /** Steps that were timed. */
  readonly measuredSteps: number
  /** Seconds of a training step, scaled to the batch size of the run: the fastest of those timed, whatever else the machine did. */
  readonly secondsPerStep: number
  /** The median of those timed: more, where the machine does something else besides. */
  readonly medianSecondsPerStep: number
  /** Seconds of all training steps that are left, without previews and final samples. */
  readonly trainingSeconds: number
  /** The most memory that the process has while it trains, scaled to the batch size of the run. */
  readonly trainingMemoryBytes: number
  /** The most memory that the process has in the whole run, from reading the data to the final samples. */
  readonly memoryBytes: number
}

/** What an estimate may know besides the configuration. */
export interface EstimateOptions {
  /** The data of the run; examples of nothing where it is not at hand. */
  readonly data?: TrainAndTest | undefined
  /** The steps that were done before; 0 unless given. */
  readonly from?: number | undefined
}

/** A first step is slower than the others, so it is not counted. Others are, as many as this, and for so long. */
const timing = { atLeast: 2, atMost: 30, milliseconds: 4_000 }

/**
 * Goes once through what a run does, a few steps of each, and says what that took: training, a preview, an evaluation, the
 * final samples. Large batches are measured in part, and scaled in proportion. Nothing is written.
 *
 * @example
 * const { trainingSeconds } = yield* estimate(config, { data }).pipe(Effect.provide(services))
 */
export const estimate = Effect.fnUntraced(function*(config: RunConfig, { data, from = 0 }: EstimateOptions = {}) {
  const denoiser = yield* Denoiser
  const { exampleShape } = denoiser
  const batchSize = Math.min(config.batchSize, affordable(config, exampleShape, trainingActivations))
  const before = yield* residentBytes
  const { parameters, seconds, training, withPreview } = yield* Effect.scoped(Effect.gen(function*() {
    const run = yield* Training.start({
      pipeline: pipelineOf(config),
      data: data?.train ?? blank(exampleShape, batchSize),
      batchSize,
      accumulate: config.accumulate,
      optimizer: optimizerOf(config),
      average: averageOf(config),
      steps: Math.max(timing.atMost + 1, config.steps),
      seed: config.seed
    })
    yield* releaseGarbage
    const seconds = yield* timeSteps(run)
    const stepped = yield* residentBytes
    // As a checkpoint of the run would, with all of its state; which larger batches do not make larger.
    const { average, parameters: trained } = yield* run.snapshot
    const parameters = ownParameters(denoiser, average ?? trained)
    const state = (yield* (yield* Engine).memory).bytes
    const withSnapshot = Math.max(0, (yield* residentBytes) - stepped)
    const steps = scaled({ before: before + state, after: stepped, by: config.batchSize / batchSize })
    const training = { bytes: steps.bytes + withSnapshot, beyond: steps.beyond }
    const previews = config.previews.every > 0 && config.previews.every < config.steps
    const withPreview = previews ? yield* memoryOfDrawing(config, previewSamples(config, parameters, exampleShape)) : 0
    return { seconds, parameters, training, withPreview: training.beyond + withPreview }
  }))
  yield* releaseGarbage
  const evaluating = yield* memoryOfEvaluation(config, parameters, data?.test)
  yield* releaseGarbage
  const guide = config.guidance === null ? undefined : { parameters, scale: config.guidance.scale }
  const drawing = yield* memoryOfDrawing(config, { ...finalSamples(config, parameters, exampleShape), guide })
  const peak = yield* peakBytes
  const scale = config.batchSize / batchSize
  const secondsPerStep = Math.min(...seconds) * scale
  return {
    parameters: parameterCount(denoiser),
    measuredBatchSize: batchSize,
    measuredSteps: seconds.length,
    secondsPerStep,
    medianSecondsPerStep: median(seconds) * scale,
    trainingSeconds: secondsPerStep * Math.max(0, config.steps - from),
    trainingMemoryBytes: training.bytes,
    memoryBytes: Math.max(peak, training.bytes, withPreview, evaluating, drawing)
  } satisfies Estimate
})

/** Takes steps for some seconds, and returns what each but the first took. */
const timeSteps = Effect.fnUntraced(function*<E>({ reports }: Training.Run<E>) {
  const until = (yield* Clock.currentTimeMillis) + timing.milliseconds
  const timed: Array<number> = []
  yield* reports.pipe(
    Stream.takeUntilEffect(({ seconds }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        timed.push(seconds)
        const count = timed.length - 1
        return count >= timing.atMost || (count >= timing.atLeast && now >= until)
      })
    ),
    Stream.runDrain
  )
  return timed.slice(1)
})

/** What a process has after the first batch of an evaluation as at the end of a run. */
const memoryOfEvaluation = Effect.fnUntraced(function*(
  config: RunConfig,
  parameters: Pipeline.HostTensors,
  test: Dataset | undefined
) {
  const { exampleShape } = yield* Denoiser
  const { batchSize, ...settings } = evaluationSettings(test?.size ?? Infinity)
  const measured = Math.min(batchSize, affordable(config, exampleShape, evaluatingActivations))
  const before = yield* residentBytes
  yield* Training.evaluate({
    ...settings,
    pipeline: evaluationPipelineOf(config),
    data: test === undefined ? blank(exampleShape, measured) : take(test, measured),
    batchSize: measured,
    parameters
  })
  return scaled({ before, after: yield* residentBytes, by: batchSize / measured }).bytes
})

/** What a process has after the first steps of a sampler, and the plots that go with its samples. */
const memoryOfDrawing = Effect.fnUntraced(function*(config: RunConfig, options: DrawOptions) {
  const atOnce = samplesAtOnce(options)
  const measured = Math.min(atOnce, affordable(config, options.exampleShape, evaluatingActivations))
  const before = yield* residentBytes
  const enough = yield* Deferred.make<void>()
  let steps = 0
  const countSteps = Effect.suspend(() =>
    ++steps < 2 ? Effect.void : Effect.asVoid(Deferred.succeed(enough, undefined))
  )
  yield* Effect.raceFirst(
    Effect.asVoid(draw({ ...options, count: measured })),
    Deferred.await(enough)
  ).pipe(Effect.provideService(Reporter, { report: () => countSteps }))
  yield* drawPlots(config, options)
  return scaled({ before, after: yield* residentBytes, by: atOnce / measured }).bytes
})

/** Draws the plots of a run, of made-up numbers. */
const drawPlots = Effect.fnUntraced(function*({ steps }: RunConfig, { count, exampleShape }: DrawOptions) {
  const { lossPlot, scatterPlot } = yield* Effect.promise(() => import("../picture/plots.ts"))
  const losses = Array.from({ length: Math.min(steps, plottedSteps) }, (_, i) => ({ step: i + 1, loss: 1 / (i + 1) }))
  lossPlot({ title: "", training: losses, smoothed: losses, heldOut: [] })
  if (!arePoints(exampleShape)) return
  const numbers = Float32Array.from({ length: count * sizeOf(exampleShape) }, (_, i) => i)
  scatterPlot({ title: "", samples: float32([count, ...exampleShape], numbers) })
})

/** More than these make a plot no larger. */
const plottedSteps = 2000

/** Memory that grew, had it been for so many times as many examples; and what of it is `beyond` that which was measured. */
const scaled = ({ after, before, by }: { readonly before: number; readonly after: number; readonly by: number }) => {
  const beyond = (by - 1) * Math.max(0, after - before)
  return { bytes: after + beyond, beyond }
}

/**
 * An estimate in words, with how it was made.
 *
 * @example
 * for (const line of showEstimate(config, yield* estimate(config))) yield* Console.log(line)
 */
export const showEstimate = (
  config: RunConfig,
  result: Estimate,
  { from = 0 }: Pick<EstimateOptions, "from"> = {}
): ReadonlyArray<string> => {
  const busy = result.medianSecondsPerStep / result.secondsPerStep
  const left = config.steps - from
  return [
    `parameters: ${result.parameters.toLocaleString("en-US")}`,
    `memory: about ${
      showBytes(result.memoryBytes)
    } at most in the whole run, with data, previews, evaluation and samples; ` +
    `${showBytes(result.trainingMemoryBytes)} while it trains`,
    `time: about ${showDuration(result.trainingSeconds)} for ${left.toLocaleString("en-US")} steps of ` +
    `${showDurationFine(result.secondsPerStep)}; previews, evaluation and final samples come on top`,
    ...(busy < noticeable ? [] : [
      `This machine is busy: as long as it is, a step takes ${
        showDurationFine(result.medianSecondsPerStep)
      }, and all of them ` +
      `about ${showDuration(result.trainingSeconds * busy)}`
    ]),
    `(Measured just now on ${result.measuredSteps} steps of ${
      showBatch({
        accumulate: config.accumulate,
        batchSize: result.measuredBatchSize
      })
    } here, of which the fastest counts${
      result.measuredBatchSize < config.batchSize
        ? `, and scaled to batches of ${config.batchSize} in proportion. Memory is a rough guess then.)`
        : ".)"
    }`
  ]
}

/** So many times as long as the fastest take the median of steps on a machine that does something else. */
const noticeable = 1.25

/** As many numbers as the first layer's activations may be, so that an estimate takes seconds. */
const trainingActivations = 2 ** 20
const evaluatingActivations = 2 ** 22

/** As many examples as keep the first layer's activations at about so many numbers. */
const affordable = ({ model }: RunConfig, exampleShape: Shape, activations: number): number =>
  model.type === "mlp"
    ? Infinity
    : Math.max(1, Math.floor(activations / (sizeOf(exampleShape.slice(0, -1)) * model.block_out_channels[0])))

const blank = (exampleShape: Shape, size: number): Dataset =>
  fromArrays({ name: "blank", exampleShape, elements: new Float32Array(size * sizeOf(exampleShape)) })

const residentBytes = Effect.sync(() => process.memoryUsage.rss())

/** The most that the process ever had. */
const peakBytes = Effect.sync(() => process.resourceUsage().maxRSS * 1024)

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const showBytes = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`

const showDurationFine = (seconds: number): string =>
  seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`
