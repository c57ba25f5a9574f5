/**
 * The pipeline: typed stages, from clean data to the loss.
 */
export { Denoiser } from "./Denoiser.ts"
export type { DenoiserInput, DenoiserShape } from "./Denoiser.ts"
export { Objective } from "./Objective.ts"
export type { ObjectiveShape } from "./Objective.ts"
export type { Initializer, ParameterSpec, ParameterSpecs } from "./Parameter.ts"
export * as Pipeline from "./Pipeline.ts"
export type { Clean, Conditioned, Loss, Mode, Noised, Predicted, Stage, StageContext, Timed } from "./Stage.ts"
export { asNoise, forwardNoising, meanSquaredError, noisePrediction, scheduleSampling } from "./stages.ts"
export { TimestepSampler } from "./TimestepSampler.ts"
export type { TimestepSamplerShape } from "./TimestepSampler.ts"
