/**
 * The pipeline: typed stages, from clean data to the loss.
 */
export { boundLoss, hybridLoss } from "./boundLoss.ts"
export type { BoundLossOptions, HybridLossOptions } from "./boundLoss.ts"
export { classConditioning } from "./classConditioning.ts"
export type { ClassConditioningOptions } from "./classConditioning.ts"
export * as ContinuousTime from "./continuous/index.ts"
export { Denoiser, ownParameters, splitVariance, withoutVariance } from "./Denoiser.ts"
export type { DenoiserInput, DenoiserShape } from "./Denoiser.ts"
export { Distance } from "./Distance.ts"
export type { DistanceShape } from "./Distance.ts"
export { byImportance, meanOverBatch } from "./importance.ts"
export { InvalidTimestepSampler } from "./InvalidTimestepSampler.ts"
export { learnedUncertainty } from "./learnedUncertainty.ts"
export type { LearnedUncertaintyOptions } from "./learnedUncertainty.ts"
export { LossWeighting } from "./LossWeighting.ts"
export { Objective } from "./Objective.ts"
export type { ObjectiveShape } from "./Objective.ts"
export type { Initializer, ParameterSpec, ParameterSpecs } from "./Parameter.ts"
export * as Pipeline from "./Pipeline.ts"
export { clippedToData } from "./selfCondition.ts"
export type {
  Adaptation,
  Clean,
  Conditioned,
  Labelled,
  Loss,
  Mode,
  Noised,
  Observation,
  Predicted,
  Stage,
  StageContext,
  Timed
} from "./Stage.ts"
export {
  asNoise,
  forwardNoising,
  forwardNoisingWith,
  meanSquaredError,
  noisePrediction,
  scheduleSampling
} from "./stages.ts"
export type { NoisingOptions } from "./stages.ts"
export { logitNormalTimesteps, logNormalTimesteps, lossSecondMomentTimesteps } from "./timestepDistributions.ts"
export type { LossSecondMomentOptions, NormalOptions } from "./timestepDistributions.ts"
export { timestepProbabilities } from "./timestepProbabilities.ts"
export { TimestepSampler } from "./TimestepSampler.ts"
export type {
  FixedTimesteps,
  LearnedTimesteps,
  Learning,
  Spread,
  TimestepDistribution,
  TimestepSamplerShape,
  UniformTimesteps
} from "./TimestepSampler.ts"
export { weightedLoss } from "./weightedLoss.ts"
