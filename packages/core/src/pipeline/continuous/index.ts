/**
 * Training in continuous time, on the variational bound, with a schedule that is fixed or learned (Kingma et al. 2021).
 *
 * @example
 * import { ContinuousTime, Pipeline } from "@effusion/core/pipeline"
 *
 * const pipeline = Pipeline.make(
 *   ContinuousTime.timing(),
 *   ContinuousTime.noising,
 *   ContinuousTime.predicting(),
 *   ContinuousTime.variationalBound()
 * ).pipe(Effect.provide(Layer.mergeAll(denoiser, ContinuousTime.ContinuousNoise.learned())))
 */
export { ContinuousNoise } from "./ContinuousNoise.ts"
export type { ContinuousNoiseShape, LogSnr } from "./ContinuousNoise.ts"
export { fixed } from "./fixed.ts"
export { learned, type LearnedOptions } from "./learned.ts"
export { onTimesteps } from "./onTimesteps.ts"
export type { OnTimesteps } from "./onTimesteps.ts"
export { noising, predicting, timing, toldTimestep, variationalBound } from "./stages.ts"
export type {
  Bound,
  ContinuouslyNoised,
  ContinuouslyPredicted,
  ContinuouslyTimed,
  TimingOptions,
  VariationalBoundOptions
} from "./stages.ts"
