/**
 * The loss on data that training does not see.
 */
import { Effect, Stream } from "effect"
import { evaluationBatches } from "../data/index.ts"
import type { Dataset, InvalidBatchSize } from "../data/index.ts"
import type { CompileError, Engine, HostOf, RunError, Tensor, Tensors } from "../engine/index.ts"
import { byImportance, Pipeline, requireFit } from "../pipeline/index.ts"
import type { DataMismatch, Labelled, Stage } from "../pipeline/index.ts"
import type { HostTensors } from "../pipeline/Pipeline.ts"
import { anySeed, isSeed } from "./internal/seed.ts"
import { lossMean, lossMeanOf } from "./LossMean.ts"
import { fieldsOf } from "./TrainingData.ts"
import { InvalidEvaluation, NoExamples, StateMismatch } from "./TrainingError.ts"
import type { Trainable } from "./trainingProgram.ts"
import { tensorDifferences } from "./TrainingState.ts"

/** What is evaluated, and on what. */
export interface EvaluationOptions<
  In extends Tensors,
  Out extends Tensors & Trainable,
  PipelineError = never,
  PipelineServices = never,
  DataError = never,
  DataServices = never
> {
  readonly pipeline:
    | Pipeline.Pipeline<In, Out>
    | Effect.Effect<Pipeline.Pipeline<In, Out>, PipelineError, PipelineServices>
  /** A stream of batches, of any sizes; or a dataset, every example of which is looked at once. */
  readonly data: Stream.Stream<HostOf<In>, DataError, DataServices> | (Labelled extends In ? Dataset : never)
  /** Examples a batch, where `data` is a dataset. Default 64. */
  readonly batchSize?: number
  /** The weights: a state's average, as a rule. */
  readonly parameters: HostTensors
  /** What the draws are a function of, together with the number of the batch. */
  readonly seed: number
}

/** The loss over all examples. */
export interface Evaluation {
  /** The mean over all examples, each weighted the same, but for the importance of unevenly drawn timesteps. */
  readonly loss: number
  /** The standard error of that mean, from the spread of the examples' losses; NaN for one example. */
  readonly standardError: number
  readonly examples: number
}

/**
 * The loss of a pipeline with given weights: without dropout, with draws that are the same at every evaluation of the
 * same data in the same batches.
 *
 * Fails with `StateMismatch` when the weights are not those of the pipeline, with a `DataMismatch` when the data does not fit
 * it, with `InvalidEvaluation` when the seed is no integer, and with `NoExamples`.
 *
 * @example
 * const { average, parameters } = yield* run.snapshot
 * const { loss } = yield* Training.evaluate({ pipeline, data: test, parameters: average ?? parameters, seed: 7 })
 */
export const evaluate = Effect.fnUntraced(function*<
  In extends Tensors,
  Out extends Tensors & Trainable,
  PE = never,
  PR = never,
  DE = never,
  DR = never
>(
  options: EvaluationOptions<In, Out, PE, PR, DE, DR>
): Effect.fn.Return<
  Evaluation,
  StateMismatch | DataMismatch | InvalidEvaluation | NoExamples | CompileError | RunError | InvalidBatchSize | PE | DE,
  Engine | PR | DR
> {
  const { batchSize = 64, data, parameters, seed } = options
  if (!isSeed(seed)) return yield* new InvalidEvaluation({ option: "seed", value: seed, expected: anySeed })
  const pipeline = Effect.isEffect(options.pipeline) ? yield* options.pipeline : options.pipeline
  const stage = perExampleOf(Pipeline.fuse(pipeline))
  const differences = tensorDifferences("parameters", stage.parameters, parameters)
  if (differences.length > 0) return yield* new StateMismatch({ checkpoint: undefined, differences })
  const dataset = Stream.isStream(data) ? undefined : data as Dataset
  const batches = (dataset === undefined ? data : evaluationBatches(dataset, batchSize)) as Stream.Stream<
    HostOf<In>,
    DE | InvalidBatchSize,
    DR
  >
  // The classes of a dataset are known here; its batches have shapes only.
  if (dataset !== undefined) yield* requireFit(stage, fieldsOf<In>(dataset), dataset.name)
  const outputs = yield* batches.pipe(
    Pipeline.through(stage, { parameters, seed, mode: "evaluation" }),
    Stream.runCollect
  )
  const losses = outputs.flatMap(({ perExample }) => Array.from(perExample.data))
  const examples = losses.length
  if (examples === 0) return yield* new NoExamples()
  const { mean: loss, squares } = lossMean.combineAll(losses.map((loss) => lossMeanOf(loss)))
  return { loss, standardError: Math.sqrt(squares / (examples - 1) / examples), examples }
})

/**
 * A stage without the outputs that evaluation does not look at, so that they need not leave the engine. Losses count by
 * their importance, where they have one.
 */
const perExampleOf = <In extends Tensors, Out extends Tensors & Trainable>(
  stage: Stage<In, Out>
): Stage<In, { readonly perExample: Tensor }> => ({
  ...stage,
  specs: (input) => ({ perExample: stage.specs(input).perExample }),
  apply: (input, context) => {
    const { perExample, ...out }: Trainable & Tensors = stage.apply(input, context)
    return { perExample: byImportance(perExample, out["importance"]) }
  }
})
