/**
 * Training: the loop as a stream of step reports, checkpoints, and evaluation.
 *
 * @example
 * import { Checkpoint, Training } from "@effusion/core/training"
 *
 * const program = Effect.gen(function*() {
 *   const { checkpoint } = yield* Checkpoint.latest(folder)
 *   const run = yield* Training.start({
 *     pipeline: Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError),
 *     data: train,
 *     batchSize: 32,
 *     optimizer: chain(clipByGlobalNorm(1), adam({ learningRate: 1e-3 })),
 *     average: ema({ decay: 0.999, warmUp: "ratio" }),
 *     steps: 2_000,
 *     seed: 7,
 *     checkpoints: Checkpoint.policy({ folder, config, every: 500, keep: 2 }),
 *     ...(checkpoint && { resumeFrom: checkpoint.state })
 *   })
 *   yield* run.reports.pipe(Stream.runForEach(show), Training.stopOnInterrupt(run))
 * })
 */
export * as Checkpoint from "./Checkpoint.ts"
export * from "./CheckpointError.ts"
export { lossMean, lossMeanOf } from "./LossMean.ts"
export type { LossMean } from "./LossMean.ts"
export type { StepReport } from "./StepReport.ts"
export * as Training from "./Training.ts"
export type { BatchSource, TrainingData } from "./TrainingData.ts"
export * from "./TrainingError.ts"
export { trainingProgram } from "./trainingProgram.ts"
export type { Trainable, TrainingOutput, TrainingProgram, TrainingProgramOptions } from "./trainingProgram.ts"
export { initialState } from "./TrainingState.ts"
export type { CheckpointPolicy, StateRule, TrainingState } from "./TrainingState.ts"
