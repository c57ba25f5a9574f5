/**
 * The pipeline: typed stages, from clean data to the loss.
 */
export { classConditioning } from "./conditioning/classConditioning.ts"
export type { ClassConditioningOptions } from "./conditioning/classConditioning.ts"
export { clippedToData } from "./conditioning/selfConditioning.ts"
export * as ContinuousTime from "./continuous/index.ts"
export { WrongClasses, WrongCondition, WrongExampleShape } from "./DataMismatch.ts"
export type { DataMismatch } from "./DataMismatch.ts"
export { Denoiser, ownParameters, splitVariance, withoutVariance } from "./Denoiser.ts"
export type { DenoiserInput, DenoiserShape } from "./Denoiser.ts"
export { requireExamples, requireFit } from "./fit.ts"
export { boundLoss, hybridLoss } from "./losses/boundLoss.ts"
export type { BoundLossOptions, HybridLossOptions } from "./losses/boundLoss.ts"
export { Distance } from "./losses/Distance.ts"
export type { DistanceShape } from "./losses/Distance.ts"
export { byImportance, meanOverBatch } from "./losses/importance.ts"
export { learnedUncertainty } from "./losses/learnedUncertainty.ts"
export type { LearnedUncertaintyOptions } from "./losses/learnedUncertainty.ts"
export { LossWeighting } from "./losses/LossWeighting.ts"
export { weightedLoss } from "./losses/weightedLoss.ts"
export { Objective } from "./Objective.ts"
export type { ObjectiveShape } from "./Objective.ts"
export type { Initializer, ParameterSpec, ParameterSpecs } from "./Parameter.ts"
export * as Pipeline from "./Pipeline.ts"
export type {
  Adaptation,
  Clean,
  Conditioned,
  FieldsOf,
  FieldSpec,
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
export { logitNormalTimesteps, logNormalTimesteps, lossSecondMomentTimesteps } from "./timesteps/distributions.ts"
export type { LossSecondMomentOptions, NormalOptions } from "./timesteps/distributions.ts"
export { InvalidTimestepSampler } from "./timesteps/InvalidTimestepSampler.ts"
export { timestepProbabilities } from "./timesteps/probabilities.ts"
export { TimestepSampler } from "./timesteps/TimestepSampler.ts"
export type {
  FixedTimesteps,
  LearnedTimesteps,
  Learning,
  Spread,
  TimestepDistribution,
  TimestepSamplerShape,
  UniformTimesteps
} from "./timesteps/TimestepSampler.ts"
