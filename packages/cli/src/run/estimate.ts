/**
 * What a run will cost, measured on a few of its steps.
 */
import { fromArrays } from "@effusion/core/data"
import type { Dataset } from "@effusion/core/data"
import { Engine } from "@effusion/core/engine"
import { sizeOf } from "@effusion/core/tensor"
import type { Shape } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import { Effect, Stream } from "effect"
import type { RunConfig } from "../configuration/config.ts"
import { averageOf, denoiserOf, optimizerOf, parameterCount } from "../configuration/session.ts"
import { showDuration } from "../report/progress.ts"
import { pipelineOf } from "./trainRun.ts"

/** What a run will cost. */
export interface Estimate {
  readonly parameters: number
  /** The batch size that was measured with; smaller than that of the run where the run's would take long. */
  readonly measuredBatchSize: number
  /** Seconds of a training step, scaled to the batch size of the run. */
  readonly secondsPerStep: number
  /** Seconds of all training steps, without previews and final samples. */
  readonly trainingSeconds: number
  /** Memory of the process while it trains, scaled to the batch size of the run. */
  readonly memoryBytes: number
}

/** A first step is slower than the others, so it is not counted. */
const measuredSteps = 3

/**
 * Takes a few real steps of a run, with data of the right shape but no content, and scales what they took: in proportion
 * to the batch size and to the number of steps. Nothing is written.
 *
 * @example
 * const { trainingSeconds } = yield* estimate(config).pipe(Effect.provide(services))
 */
export const estimate = Effect.fnUntraced(function*(config: RunConfig) {
  const denoiser = denoiserOf(config)
  const parameters = parameterCount(denoiser)
  const batchSize = affordableBatch(config, denoiser.exampleShape)
  const memoryBefore = yield* residentBytes
  const { memory, seconds, stateBytes } = yield* Effect.scoped(Effect.gen(function*() {
    const run = yield* Training.start({
      pipeline: pipelineOf(config),
      data: blank(denoiser.exampleShape, batchSize),
      batchSize,
      optimizer: optimizerOf(config),
      average: averageOf(config),
      steps: Math.max(measuredSteps, config.steps),
      seed: config.seed
    })
    const reports = yield* Stream.runCollect(Stream.take(run.reports, measuredSteps))
    return {
      memory: yield* residentBytes,
      stateBytes: (yield* (yield* Engine).memory).bytes,
      seconds: reports.slice(1).map((report) => report.seconds)
    }
  }))
  const scale = config.batchSize / batchSize
  const secondsPerStep = median(seconds) * scale
  const activationBytes = Math.max(0, memory - memoryBefore - stateBytes)
  return {
    parameters,
    measuredBatchSize: batchSize,
    secondsPerStep,
    trainingSeconds: secondsPerStep * config.steps,
    memoryBytes: memory + (scale - 1) * activationBytes
  }
})

/**
 * An estimate in words, with how it was made.
 *
 * @example
 * for (const line of showEstimate(config, yield* estimate(config))) yield* Console.log(line)
 */
export const showEstimate = (config: RunConfig, result: Estimate): ReadonlyArray<string> => [
  `parameters: ${result.parameters.toLocaleString("en-US")}`,
  `memory: about ${showBytes(result.memoryBytes)}`,
  `time: about ${showDuration(result.trainingSeconds)} for ${config.steps.toLocaleString("en-US")} steps of ` +
  `${showDurationFine(result.secondsPerStep)}; previews and final samples come on top`,
  `(Measured just now on ${
    measuredSteps - 1
  } steps of ${result.measuredBatchSize} here, with whatever else this machine ` +
  `was doing${
    result.measuredBatchSize < config.batchSize
      ? `, and scaled to batches of ${config.batchSize} in proportion. Memory is a rough guess then.)`
      : ".)"
  }`
]

/** As many examples as keep the first layer's activations at about a million numbers. */
const affordableBatch = ({ batchSize, model }: RunConfig, exampleShape: Shape): number => {
  if (model.type === "mlp") return batchSize
  const activations = sizeOf(exampleShape.slice(0, -1)) * model.block_out_channels[0]
  return Math.min(batchSize, Math.max(1, Math.floor(2 ** 20 / activations)))
}

const blank = (exampleShape: Shape, size: number): Dataset =>
  fromArrays({ name: "blank", exampleShape, elements: new Float32Array(size * sizeOf(exampleShape)) })

const residentBytes = Effect.sync(() => process.memoryUsage.rss())

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const showBytes = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`

const showDurationFine = (seconds: number): string =>
  seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`
