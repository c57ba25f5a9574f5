/**
 * The training loop, as a stream of step reports that is driven by whoever pulls it.
 */
import { Deferred, Effect, Fiber, Pull, Queue, Stream } from "effect"
import type { Context, Scope } from "effect"
import type { BatchError, Dataset } from "../data/index.ts"
import { Engine } from "../engine/index.ts"
import type { CompileError, HostOf, RunError, Tensors } from "../engine/index.ts"
import type { GradientTransformation, WeightAverage } from "../optimizer/index.ts"
import { Pipeline, requireFit } from "../pipeline/index.ts"
import type { DataMismatch, Stage } from "../pipeline/index.ts"
import type { HostTensors } from "../pipeline/Pipeline.ts"
import { makeLoop } from "./internal/loop.ts"
import { prefetch } from "./internal/prefetch.ts"
import { anySeed, isSeed } from "./internal/seed.ts"
import { specsOf } from "./internal/specs.ts"
import type { StepReport } from "./StepReport.ts"
import { batchSource, fieldsOf } from "./TrainingData.ts"
import type { TrainingData } from "./TrainingData.ts"
import { DataEnded, InvalidTrainingOption, NothingToTrain } from "./TrainingError.ts"
import type { NonFiniteData, NonFiniteLoss, StateMismatch } from "./TrainingError.ts"
import { trainingProgram } from "./trainingProgram.ts"
import type { Trainable } from "./trainingProgram.ts"
import { stateMismatch } from "./TrainingState.ts"
import type { CheckpointPolicy, TrainingState } from "./TrainingState.ts"

/** What a run is made of. */
export interface TrainingOptions<
  In extends Tensors,
  Out extends Tensors & Trainable,
  PipelineError = never,
  PipelineServices = never,
  DataError = never,
  DataServices = never,
  SaveError = never,
  SaveServices = never
> {
  /** The pipeline, or an Effect that still asks for what it depends on. */
  readonly pipeline:
    | Pipeline.Pipeline<In, Out>
    | Effect.Effect<Pipeline.Pipeline<In, Out>, PipelineError, PipelineServices>
  /** A dataset, or a function from the number of a batch to the batches from there on. */
  readonly data: TrainingData<In, DataError, DataServices>
  /** Examples a batch, where `data` is a dataset; the batches of a function have the size that it gives them. */
  readonly batchSize?: number
  readonly optimizer: GradientTransformation
  /** The average of the weights to keep. Default: none. */
  readonly average?: WeightAverage
  /** Optimiser steps of the whole run, those before a resumption included. */
  readonly steps: number
  /** The run's one seed: initial parameters, order of the data and draws are functions of it. */
  readonly seed: number
  /** Micro-batches an optimiser step: the effective batch is so many times as large. Default 1. */
  readonly accumulate?: number
  /**
   * The state to go on from, of a checkpoint or a snapshot. It is copied: it stays whole, and another run can go on from
   * it. A run that was started does not hold it, so it is gone from the host where nobody else does; the stream of
   * {@link run}, which can be run again, does. Default: begin.
   */
  readonly resumeFrom?: TrainingState
  /** Default: none. */
  readonly checkpoints?: CheckpointPolicy<SaveError, SaveServices>
  /** Batches and draws made ahead on the host while the engine computes; changes no result. At least 1, default 2. */
  readonly prefetch?: number
}

/** A run that has been set up. */
export interface Run<E = never> {
  /**
   * The steps, one for each pull. Whoever stops pulling may go on later: the stream continues after the last report.
   * It ends after the last step, or after {@link stop}.
   */
  readonly reports: Stream.Stream<StepReport, E | RunError | NonFiniteLoss | NonFiniteData | DataEnded>
  /** Copies the state after the latest whole step to the host; waits for a step that is running. */
  readonly snapshot: Effect.Effect<TrainingState, RunError | NonFiniteLoss | NonFiniteData>
  /**
   * Asks the run to end before its next micro-batch: the pull after that writes a checkpoint of the last step, where
   * there is a policy, and ends `reports`. Returns at once.
   */
  readonly stop: Effect.Effect<void>
  /** The last checkpoint: written by this run, or the one that it resumed from. */
  readonly lastCheckpoint: Effect.Effect<string | undefined>
}

/** Everything that setting up a run can fail with, besides the errors of what it is made of. */
export type StartError =
  | InvalidTrainingOption
  | NothingToTrain
  | StateMismatch
  | DataEnded
  | DataMismatch
  | CompileError
  | RunError

/**
 * Sets a run up: compiles the training step, places the state in the engine, and begins to make batches ahead. Nothing is
 * trained until `reports` is pulled. The engine's share is released when the scope closes.
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const run = yield* Training.start({ data: train, batchSize: 32, pipeline, optimizer, steps: 2_000, seed: 7 })
 *   yield* run.reports.pipe(Stream.runForEach(show), Training.stopOnInterrupt(run))
 *   return (yield* run.snapshot).parameters
 * })
 */
export const start = Effect.fnUntraced(function*<
  In extends Tensors,
  Out extends Tensors & Trainable,
  PE = never,
  PR = never,
  DE = never,
  DR = never,
  SE = never,
  SR = never
>(
  options: TrainingOptions<In, Out, PE, PR, DE, DR, SE, SR>
): Effect.fn.Return<
  Run<DE | BatchError | SE>,
  StartError | PE | DE | BatchError,
  Engine | Scope.Scope | PR | DR | SR
> {
  // The state to go on from is large, and not needed once it is placed: no closure below may refer to `options` or `resumed`,
  // for all closures of a function keep alive what any of them refers to.
  const { accumulate = 1, average, optimizer, prefetch: capacity = 2, seed, steps } = options
  yield* requireOptions(options)
  const engine = yield* Engine
  const pipeline = Effect.isEffect(options.pipeline) ? yield* options.pipeline : options.pipeline
  const stage = Pipeline.fuse(pipeline)
  const { adaptation } = stage
  const rule = {
    parameters: stage.parameters,
    optimizer,
    ...(average === undefined ? {} : { average }),
    ...(adaptation === undefined ? {} : { adaptation })
  }
  if (Object.keys(rule.parameters).length === 0) return yield* new NothingToTrain({ pipeline: stage.name })
  const resumed = options.resumeFrom
  if (resumed !== undefined) {
    const mismatch = stateMismatch(rule, resumed)
    if (mismatch !== undefined) return yield* mismatch
    if (resumed.step === steps) return complete(resumed)
  }
  const from = {
    step: resumed?.step ?? 0,
    adaptation: resumed?.adaptation ?? adaptation?.initial,
    checkpoint: resumed?.checkpoint
  }

  const dataset = typeof options.data === "function" ? undefined : options.data as Dataset
  const needed = steps * accumulate
  const firstIndex = from.step * accumulate
  const stopped = yield* Deferred.make<void>()
  const source = batchSource(options.data, { seed, batchSize: options.batchSize ?? 0 })
  const batches = yield* source(firstIndex).pipe(
    Stream.take(needed - firstIndex),
    Stream.zipWithIndex,
    // One by one: `map` would make the draws of a whole chunk of batches at once.
    Stream.mapEffect(([batch, i]) =>
      Effect.sync(() => withDraws(stage, batch, { seed, accumulate, index: firstIndex + i }))
    ),
    (stream) => prefetch(stream, { capacity, until: Deferred.await(stopped) })
  )
  const first = yield* Queue.peek(batches).pipe(
    Pull.catchDone(() => Effect.fail(new DataEnded({ batches: firstIndex, needed })))
  )
  const input = specsOf<In>(first.batch)
  yield* requireFit(stage, dataset === undefined ? input : fieldsOf<In>(dataset), dataset?.name)
  const training = trainingProgram({ ...rule, stage, input, accumulate })
  const executable = yield* engine.compile(training.program)
  const instance = yield* executable.start(
    resumed === undefined ? training.begin({ seed }) : training.place(resumed),
    { donate: true }
  )

  let taken = firstIndex
  const take = Effect.gen(function*() {
    if (yield* Deferred.isDone(stopped)) return undefined
    const { batch, draws, examples, index } = yield* Queue.take(batches)
    taken = index + 1
    return {
      index,
      examples,
      fields: batch,
      input: (learnt: HostTensors | undefined) => training.input(batch, draws, index, learnt)
    }
  }).pipe(Pull.catchDone(() =>
    Effect.flatMap(
      Deferred.isDone(stopped),
      (isStopped) => isStopped ? Effect.undefined : Effect.fail(new DataEnded({ batches: taken, needed }))
    )
  ))

  const checkpoints = options.checkpoints && (yield* withServices(options.checkpoints))
  const { restore } = training
  const loop = makeLoop({
    instance,
    restore,
    take,
    checkpoints,
    adaptation,
    optimizer,
    accumulate,
    steps,
    from,
    data: dataset?.name
  })
  return {
    reports: Stream.unfold(
      undefined,
      () => Effect.map(loop.next, (report) => report === undefined ? undefined : [report, undefined] as const)
    ),
    snapshot: loop.snapshot,
    stop: Effect.asVoid(Deferred.succeed(stopped, undefined)),
    lastCheckpoint: loop.lastCheckpoint
  }
})

/**
 * Trains: the reports of a run, as a stream that sets the run up when it is run and releases it when it ends.
 *
 * It computes a step for each pull, so a consumer that takes its time slows training down, and one that stops ends it.
 * Each report can be asked for a snapshot of the state. Interrupting the stream takes effect after the step that is
 * running, and saves nothing; see {@link start} and {@link stopOnInterrupt} for a run that saves when it is told to stop.
 *
 * Determinism: the losses and the final state are a pure function of the options and the engine, whatever `prefetch` is,
 * and wherever the run was cut and resumed.
 *
 * @example
 * const losses = Training.run({ data: train, batchSize: 32, pipeline, optimizer, steps: 2_000, seed: 7 }).pipe(
 *   Stream.map((report) => report.loss),
 *   Stream.runCollect,
 *   Effect.provide(OnnxEngine.layer())
 * )
 */
export const run = <
  In extends Tensors,
  Out extends Tensors & Trainable,
  PE = never,
  PR = never,
  DE = never,
  DR = never,
  SE = never,
  SR = never
>(
  options: TrainingOptions<In, Out, PE, PR, DE, DR, SE, SR>
): Stream.Stream<
  StepReport,
  StartError | NonFiniteLoss | NonFiniteData | PE | DE | BatchError | SE,
  Engine | PR | DR | SR
> => Stream.unwrap(Effect.map(start(options), ({ reports }) => reports))

/**
 * Consumes a run so that an interruption (Ctrl-C) does not cut it off: it asks the run to stop, and waits until the
 * present step has ended, its checkpoint is written, and the consumer has seen the end of the stream.
 *
 * @example
 * run.reports.pipe(Stream.runForEach(show), Training.stopOnInterrupt(run))
 */
export const stopOnInterrupt =
  <E2>(run: Run<E2>) => <A, E, R>(consume: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const consumer = yield* Effect.forkChild(Effect.interruptible(consume))
        return yield* restore(Fiber.join(consumer)).pipe(
          Effect.onInterrupt(() => Effect.andThen(run.stop, Fiber.join(consumer)))
        )
      })
    )

/** A run that has nothing left to do. */
const complete = (state: TrainingState): Run => ({
  reports: Stream.empty,
  snapshot: Effect.succeed(state),
  stop: Effect.void,
  lastCheckpoint: Effect.succeed(state.checkpoint)
})

/** A batch together with what is drawn for it. */
const withDraws = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  batch: HostOf<In>,
  { accumulate, index, seed }: { readonly seed: number; readonly accumulate: number; readonly index: number }
) => {
  const specs = specsOf<In>(batch)
  return {
    index,
    batch,
    draws: Pipeline.draws(stage, specs, { seed, step: index, accumulate, mode: "training" }),
    examples: stage.specs(specs)["perExample"]?.shape[0] ?? 0
  }
}

const withServices = <E, R>(
  { save, ...policy }: CheckpointPolicy<E, R>
): Effect.Effect<CheckpointPolicy<E>, never, R> =>
  Effect.contextWith((services: Context.Context<R>) =>
    Effect.succeed({ ...policy, save: (state) => Effect.provideContext(save(state), services) })
  )

const requireOptions = (options: {
  readonly steps: number
  readonly seed: number
  readonly accumulate?: number
  readonly prefetch?: number
  readonly resumeFrom?: TrainingState
  readonly checkpoints?: { readonly every: number }
}): Effect.Effect<void, InvalidTrainingOption> => {
  const integers: ReadonlyArray<readonly [option: string, value: number | undefined, minimum: number]> = [
    ["steps", options.steps, 1],
    ["accumulate", options.accumulate, 1],
    ["prefetch", options.prefetch, 1],
    ["checkpoints.every", options.checkpoints?.every, 1]
  ]
  for (const [option, value, minimum] of integers) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= minimum)) {
      return new InvalidTrainingOption({ option, value, expected: `an integer of at least ${minimum}` })
    }
  }
  if (!isSeed(options.seed)) {
    return new InvalidTrainingOption({ option: "seed", value: options.seed, expected: anySeed })
  }
  const resumed = options.resumeFrom?.step ?? 0
  if (resumed <= options.steps) return Effect.void
  return new InvalidTrainingOption({
    option: "steps",
    value: options.steps,
    expected: `at least the ${resumed} steps that the state to resume from has taken`
  })
}
