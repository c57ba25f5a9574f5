/**
 * Times the operations of a few training steps.
 */
import type { TrainAndTest } from "@effusion/core/data"
import { Profiler } from "@effusion/core/engine/onnx"
import type { Profile } from "@effusion/core/engine/onnx"
import { Training } from "@effusion/core/training"
import { Effect, Stream } from "effect"
import type { RunConfig } from "../configuration/config.ts"
import { averageOf, optimizerOf } from "../configuration/session.ts"
import { pipelineOf } from "../run/trainRun.ts"

/** What was measured. */
export interface Measurement {
  /** The profile of the training step, whose runs are the measured steps. */
  readonly profile: Profile
  /** Seconds of each of these steps, from the training loop's point of view. */
  readonly seconds: ReadonlyArray<number>
}

/** The first steps are slower than the others: their memory is new. */
export const warmUpSteps = 2

export const measuredSteps = 10

/**
 * Takes the first steps of a run, as the run would take them, with the engine's profiler on. Nothing is kept of what was
 * trained.
 *
 * @example
 * const { profile } = yield* measure(config, data).pipe(Effect.provide(OnnxEngine.profilingLayer()))
 */
export const measure = Effect.fnUntraced(function*(config: RunConfig, data: TrainAndTest) {
  const steps = warmUpSteps + measuredSteps
  const reports = yield* Effect.scoped(Effect.gen(function*() {
    const run = yield* Training.start({
      pipeline: pipelineOf(config),
      data: data.train,
      batchSize: config.batchSize,
      optimizer: optimizerOf(config),
      average: averageOf(config),
      steps: Math.max(steps, config.steps),
      seed: config.seed
    })
    return yield* Stream.runCollect(Stream.take(run.reports, steps))
  }))
  // The training step is the one program that was compiled.
  const profile = (yield* (yield* Profiler).profiles)[0]!
  return fasterHalf({
    profile: { ...profile, runs: profile.runs.slice(warmUpSteps) },
    seconds: reports.slice(warmUpSteps).map(({ seconds }) => seconds)
  })
})

/**
 * The faster half of the steps: whatever else a machine does makes some steps slower, and none faster.
 *
 * @example
 * fasterHalf({ profile, seconds: [0.2, 0.5, 0.3, 0.2] }).seconds // => [0.2, 0.2]
 */
export const fasterHalf = ({ profile, seconds }: Measurement): Measurement => {
  const kept = profile.runs
    .map(({ microseconds }, step) => ({ microseconds, step }))
    .sort((a, b) => a.microseconds - b.microseconds)
    .slice(0, Math.ceil(profile.runs.length / 2))
    .map(({ step }) => step)
    .sort((a, b) => a - b)
  return {
    profile: { ...profile, runs: kept.map((step) => profile.runs[step]!) },
    seconds: kept.map((step) => seconds[step]!)
  }
}
