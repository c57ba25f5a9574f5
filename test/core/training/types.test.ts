/**
 * What the compiler holds of training: each `@ts-expect-error` is an error that must stay one. Nothing here runs.
 */
import { describe, expectTypeOf, it } from "@effect/vitest"
import type { BatchError, Dataset } from "@effusion/core/data"
import type { Engine, HostOf, Tensor } from "@effusion/core/engine"
import { adam } from "@effusion/core/optimizer"
import {
  type Denoiser,
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  type Objective,
  Pipeline,
  scheduleSampling,
  type TimestepSampler
} from "@effusion/core/pipeline"
import type { NoiseSchedule } from "@effusion/core/schedule"
import { Checkpoint, type CheckpointUnwritable, Training } from "@effusion/core/training"
import type { Context, Effect, FileSystem, Path, Stream } from "effect"

declare const dataset: Dataset
declare const needsCaptions: Effect.Effect<
  Pipeline.Pipeline<
    { readonly x0: Tensor; readonly caption: Tensor },
    { readonly perExample: Tensor; readonly loss: Tensor }
  >
>
declare class Tape extends Context.Service<Tape, string>()("Tape") {}
declare const images: Stream.Stream<HostOf<{ readonly x0: Tensor }>, "torn", Tape>

const pipeline = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)
const options = { pipeline, optimizer: adam({ learningRate: 1 }), steps: 1, seed: 0 }

type ErrorOf<S> = S extends Stream.Stream<unknown, infer E, infer _> ? E : never
type ServicesOf<S> = S extends Stream.Stream<unknown, infer _, infer R> ? R : never

describe("the types of Training.run", () => {
  it("ask for the engine and for what the pipeline, the data and the checkpoints ask for", () => {
    const plain = () => Training.run({ ...options, data: dataset, batchSize: 2 })
    expectTypeOf<ServicesOf<ReturnType<typeof plain>>>().toEqualTypeOf<
      Engine | TimestepSampler | NoiseSchedule | Denoiser | Objective
    >()
    const checkpoints = Checkpoint.policy({ folder: "", every: 1 })
    const full = () => Training.run({ ...options, data: () => images, checkpoints })
    expectTypeOf<ServicesOf<ReturnType<typeof full>>>().toEqualTypeOf<
      Engine | TimestepSampler | NoiseSchedule | Denoiser | Objective | Tape | FileSystem.FileSystem | Path.Path
    >()
    expectTypeOf<"torn" | CheckpointUnwritable>().toExtend<ErrorOf<ReturnType<typeof full>>>()
    expectTypeOf<BatchError>().toExtend<ErrorOf<ReturnType<typeof plain>>>()
    expectTypeOf<Extract<ErrorOf<ReturnType<typeof plain>>, string | CheckpointUnwritable>>().toEqualTypeOf<never>()
  })

  it("refuse data without what the pipeline needs, and pipelines without a loss", () => {
    // @ts-expect-error a dataset has no captions
    const fromDataset = () => Training.run({ ...options, pipeline: needsCaptions, data: dataset })
    // @ts-expect-error neither has this stream
    const fromStream = () => Training.run({ ...options, pipeline: needsCaptions, data: () => images })
    const lossless = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction)
    // @ts-expect-error there is no loss to descend on
    const withoutLoss = () => Training.run({ ...options, pipeline: lossless, data: dataset })
    // @ts-expect-error data are a function of the batch's number, or a dataset; a stream could not resume
    const fromPlainStream = () => Training.run({ ...options, data: images })
    expectTypeOf(fromDataset).toBeFunction()
    expectTypeOf(fromStream).toBeFunction()
    expectTypeOf(withoutLoss).toBeFunction()
    expectTypeOf(fromPlainStream).toBeFunction()
  })
})
