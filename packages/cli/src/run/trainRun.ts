/**
 * A training run from its first step, or the one it is resumed at, to its last pictures.
 */
import type { TrainAndTest } from "@effusion/core/data"
import { take } from "@effusion/core/data"
import type { InvalidObjective, UndefinedWeight } from "@effusion/core/diffusion"
import { Engine } from "@effusion/core/engine"
import {
  asNoise,
  boundLoss,
  classConditioning,
  Denoiser,
  forwardNoising,
  forwardNoisingWith,
  hybridLoss,
  learnedUncertainty,
  meanSquaredError,
  noisePrediction,
  ownParameters,
  Pipeline,
  scheduleSampling,
  TimestepSampler,
  weightedLoss
} from "@effusion/core/pipeline"
import type {
  Clean,
  DenoiserShape,
  Distance,
  Labelled,
  Loss,
  LossWeighting,
  Objective,
  Stage
} from "@effusion/core/pipeline"
import type { NoiseSchedule } from "@effusion/core/schedule"
import type { HostTensor, Shape } from "@effusion/core/tensor"
import type { StepReport, TrainingState } from "@effusion/core/training"
import { Checkpoint, Training } from "@effusion/core/training"
import { Clock, Deferred, Effect, Ref, Stream } from "effect"
import { type RunConfig, trainingIdentity } from "../configuration/config.ts"
import { averageOf, classesOf, effectiveBatch, optimizerOf, parameterCount } from "../configuration/session.ts"
import { writeWhole } from "../files.ts"
import { releaseGarbage } from "../internal/garbage.ts"
import { invocation, quote } from "../invocation.ts"
import { draw, type DrawOptions, pictureTypes, writePicture } from "../picture/drawing.ts"
import { engineFields } from "../report/engine.ts"
import * as Progress from "../report/progress.ts"
import { messageOf, Reporter } from "../report/Reporter.ts"
import { guideOf, withoutGuide } from "./checkpoints.ts"
import { arePoints } from "./datasets.ts"
import { appendMetrics, readMetrics } from "./metrics.ts"
import type { MetricsWriter } from "./metrics.ts"
import { noteEngine, type RunFolder } from "./RunFolder.ts"

/** What a run needs besides its services. */
export interface TrainRunOptions {
  readonly config: RunConfig
  readonly data: TrainAndTest
  readonly folder: RunFolder
  /** What to go on from. */
  readonly resumeFrom?: Resumption | undefined
}

/** The state that a run goes on from, as it can be passed on without being held. */
export interface Resumption {
  /** Steps that it has taken. */
  readonly step: number
  /** Hands it over: whoever asks first gets it, and nothing holds it any more. */
  readonly state: Effect.Effect<TrainingState>
}

/**
 * What goes on from a state, which is large: it is gone from the host as soon as it is in the engine.
 *
 * @example
 * yield* trainRun({ config, data, folder, resumeFrom: resumption(checkpoint.state) })
 */
export const resumption = (state: TrainingState): Resumption => {
  let held: TrainingState | undefined = state
  return {
    step: state.step,
    state: Effect.suspend(() => {
      if (held === undefined) return Effect.die(new Error("the state to go on from was handed over before"))
      const handed = held
      held = undefined
      return Effect.succeed(handed)
    })
  }
}

/**
 * The pipeline of a run: the loss of what the objective has predicted (Ho et al. 2020, algorithm 1), or with a learned
 * variance the variational bound beside it or instead. The schedule, the objective, its distance and weights and the
 * network come with the services; a network that is told classes is so here.
 *
 * @example
 * const run = yield* Training.start({ pipeline: pipelineOf(config), data, optimizer, steps: 1000, seed: 7 })
 */
export const pipelineOf = (
  config: RunConfig
): Effect.Effect<
  Pipeline.Pipeline<Labelled, Loss>,
  InvalidObjective | UndefinedWeight,
  Denoiser | Distance | LossWeighting | NoiseSchedule | Objective | TimestepSampler
> => {
  const { data, inputPerturbation: perturbation, learnedUncertainty: uncertain, learnedVariance, offsetNoise } = config
  const told = conditioningOf(config)
  const noising = forwardNoisingWith({ offset: offsetNoise, perturbation })
  // Points are no bytes.
  const decoder = data.startsWith("points:") ? "gaussian" as const : "discretized-gaussian-tanh" as const
  if (uncertain) {
    return Pipeline.make(told, scheduleSampling, noising, noisePrediction, weightedLoss, learnedUncertainty({}))
  }
  if (learnedVariance === "none") return Pipeline.make(told, scheduleSampling, noising, noisePrediction, weightedLoss)
  if (learnedVariance === "bound") {
    return Pipeline.make(told, scheduleSampling, noising, noisePrediction, boundLoss({ decoder }))
  }
  const options = learnedVariance === "hybrid" ? {} : { lambda: learnedVariance.lambda }
  const hybrid = hybridLoss({ ...options, decoder })
  return Pipeline.make(told, scheduleSampling, noising, noisePrediction, weightedLoss, hybrid)
}

/** What of a configuration decides what a denoiser is told. */
type ConditioningConfig = Pick<RunConfig, "conditioning" | "model">

/** Tells the denoiser the classes, or, where the network knows none, leaves everything as it is. */
const conditioningOf = ({ conditioning, model }: ConditioningConfig): Effect.Effect<Stage<Labelled, Clean>> =>
  conditioning === null || model.num_class_embeds === null
    ? Effect.succeed({
      name: "unconditioned",
      parameters: {},
      draws: () => ({}),
      specs: (input) => input,
      apply: (input) => input
    })
    : classConditioning({ classes: model.num_class_embeds - 1, dropout: conditioning.dropout })

/**
 * The pipeline of every evaluation. Held-out losses are errors of the noise at uniform timesteps, whatever is predicted
 * and however a run's own timesteps are drawn, so that runs can be compared. (A network that is told classes is told all
 * of them, and one that is shown its own estimate has always got one.)
 *
 * @example
 * const pipeline = evaluationPipelineOf(config)
 * const { loss } = yield* Training.evaluate({ pipeline, data: test, parameters, seed: 0 })
 */
export const evaluationPipelineOf = (
  config: ConditioningConfig
): Effect.Effect<Pipeline.Pipeline<Labelled, Loss>, never, NoiseSchedule | Denoiser | Objective> =>
  Pipeline.make(conditioningOf(config), scheduleSampling, forwardNoising, noisePrediction, asNoise, meanSquaredError)
    .pipe(Effect.provide(TimestepSampler.uniform))

/** Evaluations of all runs use the same draws, so that their losses can be compared. */
const evaluationSeed = 0

/**
 * How held-out examples are evaluated at the end of a run.
 *
 * @param size how many there are
 * @example
 * evaluationSettings(2000).batchSize // => 100
 */
export const evaluationSettings = (size: number): { readonly batchSize: number; readonly seed: number } => ({
  batchSize: Math.min(size, 100),
  seed: evaluationSeed
})

/** More held-out examples than these would not make the loss much more certain. */
const evaluationExamples = 2000

/**
 * Trains to the last step, evaluates on held-out data and draws samples, both with averaged weights. Everything that it
 * makes goes to the run's folder. Interrupted, it finishes the present step, saves a checkpoint and says how to go on.
 *
 * @example
 * yield* trainRun({ config, data, folder }).pipe(Effect.provide(services), Effect.scoped)
 */
export const trainRun = Effect.fnUntraced(function*({ config, data, folder, resumeFrom }: TrainRunOptions) {
  const { report } = yield* Reporter
  const engine = yield* Engine
  const denoiser = yield* Denoiser
  const from = resumeFrom?.step ?? 0
  const startedAt = yield* Clock.currentTimeMillis
  const metrics = yield* appendMetrics(folder.metrics, { after: from })
  const step = yield* Ref.make(from)
  const problem = yield* Ref.make<string | undefined>(undefined)

  yield* report({
    event: "start",
    run: folder.path,
    preset: config.preset,
    data: config.data,
    examples: data.train.size,
    unit: arePoints(data.train.exampleShape) ? "points" : "images",
    parameters: parameterCount(denoiser),
    ...engineFields(engine),
    batchSize: config.batchSize,
    accumulate: config.accumulate,
    steps: config.steps,
    from
  })

  yield* noteEngine(folder, { step: from, ...engineFields(engine) })

  const end = Effect.fnUntraced(function*(reason: "finished" | "interrupted", samples?: string) {
    const command = yield* invocation
    const unsaved = yield* Ref.get(problem)
    yield* report({
      event: "end",
      reason,
      step: yield* Ref.get(step),
      seconds: ((yield* Clock.currentTimeMillis) - startedAt) / 1000,
      run: folder.path,
      ...(samples === undefined ? {} : { samples }),
      ...(unsaved === undefined ? {} : { problem: unsaved }),
      next: `${command} ${reason === "finished" ? "sample" : "train --resume"} ${quote(folder.path)}`
    })
  })

  const interrupted = Effect.gen(function*() {
    yield* Effect.ignore(Effect.andThen(metrics.flush, writeLossPlot(folder, config)))
    yield* end("interrupted")
  })

  yield* Effect.gen(function*() {
    const weights = yield* Effect.scoped(train({ config, data, folder, resumeFrom, metrics, step, problem }))
    // The step's program and its state are gone from the engine, and nothing else refers to what they left on the host.
    yield* releaseGarbage
    yield* finish({ config, data, folder, ...weights, metrics }).pipe(
      Effect.flatMap((samples) => end("finished", samples))
    )
  }).pipe(Effect.onInterrupt(() => interrupted))
})

interface TrainOptions extends TrainRunOptions {
  readonly metrics: MetricsWriter
  /** The last step that was done. */
  readonly step: Ref.Ref<number>
  /** What went wrong while the run was stopping, when nobody waits for its failure any more. */
  readonly problem: Ref.Ref<string | undefined>
}

/** Takes the steps of a run, and returns the averaged weights after the last one. */
const train = Effect.fnUntraced(function*({ config, data, folder, metrics, problem, resumeFrom, step }: TrainOptions) {
  const { report } = yield* Reporter
  const checkpoints = Checkpoint.policy({
    folder: folder.checkpoints,
    config: trainingIdentity(config),
    ...config.checkpoints,
    pinned: config.guidance === null ? [] : [config.guidance.step]
  })
  const options = {
    pipeline: pipelineOf(config),
    data: data.train,
    batchSize: config.batchSize,
    accumulate: config.accumulate,
    optimizer: optimizerOf(config),
    average: averageOf(config),
    steps: config.steps,
    seed: config.seed,
    // Metrics are never behind a checkpoint: a run that is killed and resumed has a line for every step.
    checkpoints: {
      ...checkpoints,
      save: (state: TrainingState) => Effect.andThen(metrics.flush, checkpoints.save(state))
    }
  }
  const run = yield* resumeFrom === undefined
    ? Training.start(options)
    : Effect.flatMap(resumeFrom.state, (state) => Training.start({ ...options, resumeFrom: state }))
  yield* releaseGarbage

  let progress = yield* progressSoFar(folder, config, resumeFrom?.step ?? 0)
  const startedAt = yield* Clock.currentTimeMillis
  let flushedAt = startedAt
  const stopping = yield* Deferred.make<void>()
  const onReport = Effect.fnUntraced(function*(done: StepReport) {
    const milliseconds = yield* Clock.currentTimeMillis
    progress = Progress.advance(progress, { step: done.step, loss: done.loss, milliseconds })
    yield* Ref.set(step, done.step)
    yield* metrics.add({
      step: done.step,
      loss: done.loss,
      ...(done.learningRate === undefined ? {} : { learningRate: done.learningRate }),
      gradientNorm: done.gradientNorm,
      seconds: (milliseconds - startedAt) / 1000
    })
    yield* report({ event: "step", progress, learningRate: done.learningRate, gradientNorm: done.gradientNorm })
    // Whoever watches the file sees it grow.
    if (done.checkpoint !== undefined || milliseconds - flushedAt >= 1000) {
      yield* metrics.flush
      flushedAt = milliseconds
    }
    if (done.checkpoint !== undefined) {
      yield* report({ event: "checkpoint", step: done.step, path: done.checkpoint })
    }
    if (config.previews.every > 0 && done.step % config.previews.every === 0 && done.step < config.steps) {
      yield* metrics.flush
      // A preview is not worth waiting for when the run is to stop.
      yield* Effect.raceFirst(preview({ config, data, folder, done }), Deferred.await(stopping))
    }
  })

  const stop = Effect.gen(function*() {
    yield* Deferred.succeed(stopping, undefined)
    yield* report({ event: "stopping" })
    yield* run.stop
  })
  yield* run.reports.pipe(
    Stream.runForEach(onReport),
    Effect.tapError((error) => Ref.set(problem, messageOf(error))),
    Training.stopOnInterrupt({ ...run, stop })
  )
  yield* metrics.flush
  return trainedWeights(yield* Denoiser, yield* run.snapshot)
})

/** What is left of a run when its steps are taken. */
interface TrainedWeights {
  /** Steps that were taken. */
  readonly step: number
  /** The denoiser's averaged weights. */
  readonly parameters: Pipeline.HostTensors
}

const trainedWeights = (denoiser: DenoiserShape, { average, parameters, step }: TrainingState): TrainedWeights => ({
  step,
  parameters: ownParameters(denoiser, average ?? parameters)
})

/** The progress of the steps that were done before, by the metrics that they left. */
const progressSoFar = Effect.fnUntraced(function*(folder: RunFolder, config: RunConfig, from: number) {
  const losses = (yield* readMetrics(folder.metrics)).flatMap((metric) =>
    "loss" in metric && metric.loss !== null ? [{ step: metric.step, loss: metric.loss }] : []
  )
  return Progress.resume(losses, { from, steps: config.steps, batchSize: effectiveBatch(config) })
})

/**
 * What a preview draws.
 *
 * @param parameters the averaged weights
 * @example
 * const samples = yield* draw(previewSamples(config, parameters, [28, 28, 1]))
 */
export const previewSamples = (
  config: RunConfig,
  parameters: Pipeline.HostTensors,
  exampleShape: Shape
): DrawOptions => ({
  ...config.sampling,
  ...config.previews,
  seed: config.seed,
  labels: classesOf(config),
  parameters,
  exampleShape
})

/**
 * What a finished run draws, but for its guide.
 *
 * @param parameters the averaged weights
 * @example
 * const samples = yield* draw({ ...finalSamples(config, parameters, [28, 28, 1]), guide })
 */
export const finalSamples = (
  config: RunConfig,
  parameters: Pipeline.HostTensors,
  exampleShape: Shape
): DrawOptions => ({
  ...config.sampling,
  seed: config.seed,
  labels: classesOf(config),
  classGuidance: config.classGuidance,
  parameters,
  exampleShape
})

const preview = Effect.fnUntraced(function*(
  { config, data, done, folder }: TrainRunOptions & { readonly done: StepReport }
) {
  const { report } = yield* Reporter
  const { parameters } = trainedWeights(yield* Denoiser, yield* done.snapshot)
  yield* releaseGarbage
  const path = folder.preview(done.step, config.steps, pictureTypes(data.train.exampleShape)[0]!)
  const samples = yield* draw(previewSamples(config, parameters, data.train.exampleShape))
  yield* writePicture(path, {
    title: `step ${done.step}: ${config.previews.count} samples`,
    labels: classesOf(config),
    frames: [{ samples }],
    ...pointsToCompareWith(data)
  })
  yield* writeLossPlot(folder, config)
  yield* report({ event: "preview", step: done.step, path })
})

interface FinishOptions extends Omit<TrainRunOptions, "resumeFrom">, TrainedWeights {
  readonly metrics: MetricsWriter
}

/** Evaluates, draws the final samples, and returns the path of their picture. */
const finish = Effect.fnUntraced(function*({ config, data, folder, metrics, parameters, step }: FinishOptions) {
  const { report } = yield* Reporter
  const exampleShape = data.train.exampleShape
  const heldOut = take(data.test, evaluationExamples)
  yield* report({ event: "evaluating", examples: heldOut.size })
  const { loss, standardError } = yield* Training.evaluate({
    ...evaluationSettings(heldOut.size),
    pipeline: evaluationPipelineOf(config),
    data: heldOut,
    parameters
  })
  // A finished run that is resumed comes to the same evaluation again.
  const known = (yield* readMetrics(folder.metrics)).some((metric) => "heldOutLoss" in metric && metric.step === step)
  if (!known) yield* metrics.add({ step, heldOutLoss: loss, standardError })
  yield* metrics.flush
  yield* report({ event: "evaluation", step, loss, standardError })
  yield* writeLossPlot(folder, config)

  // A run of hours does not end without its samples because an early checkpoint cannot be read.
  const guide = yield* guideOf(folder, config.guidance, step).pipe(
    Effect.catchTags({
      NoGuide: ({ reason }) => withoutGuide(reason),
      CheckpointUnreadable: ({ message }) => withoutGuide(message)
    })
  )
  yield* releaseGarbage
  const samples = yield* draw({ ...finalSamples(config, parameters, exampleShape), guide })
  const types = pictureTypes(exampleShape).filter((type) => type !== ".csv")
  yield* Effect.forEach(types, (type) =>
    writePicture(folder.samples(type), {
      title: `${config.sampling.count} samples after ${step} steps`,
      labels: classesOf(config),
      frames: [{ samples }],
      ...pointsToCompareWith(data)
    }), { discard: true })
  return folder.samples(types[0]!)
})

/** Points of the data, to draw under samples; none where examples are images. */
const pointsToCompareWith = ({ test }: TrainAndTest): { readonly data?: HostTensor<"float32"> } => {
  if (!arePoints(test.exampleShape)) return {}
  const some = take(test, 1000)
  return { data: some.read(Int32Array.from({ length: some.size }, (_, i) => i)).x0 }
}

const writeLossPlot = Effect.fnUntraced(function*(folder: RunFolder, config: RunConfig) {
  const metrics = yield* readMetrics(folder.metrics)
  const training = metrics.flatMap((metric) =>
    "loss" in metric && metric.loss !== null ? [{ step: metric.step, loss: metric.loss }] : []
  )
  // The plotting library takes half a second to load, which nobody should wait for who asks for help only.
  const { lossPlot } = yield* Effect.promise(() => import("../picture/plots.ts"))
  yield* writeWhole(
    folder.lossPlot,
    lossPlot({
      title: `${config.preset}: loss`,
      training,
      smoothed: Progress.smooth(training),
      heldOut: metrics.flatMap((metric) =>
        "heldOutLoss" in metric ? [{ step: metric.step, loss: metric.heldOutLoss }] : []
      )
    })
  )
})
