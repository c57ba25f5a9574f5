/**
 * Optimisers as gradient transformations, learning-rate schedules, and weight averaging.
 *
 * @example
 * import { adamW, chain, clipByGlobalNorm, ema, LearningRate } from "@effusion/core/optimizer"
 *
 * const learningRate = LearningRate.cosine({ peak: 1e-3, steps: 10_000, warmUp: 500 })
 * const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate, weightDecay: 1e-2 }))
 * const average = ema({ decay: 0.9999, warmUp: { power: 0.75 } })
 */
export { adam, adamW, scaleByAdam } from "./adam.ts"
export type { AdamOptions, AdamWOptions, MomentOptions } from "./adam.ts"
export { clipByGlobalNorm, globalNorm } from "./clipping.ts"
export { chain, identity } from "./GradientTransformation.ts"
export type {
  GradientTransformation,
  Hyperparameters,
  TransformationContext,
  Transformed
} from "./GradientTransformation.ts"
export * as LearningRate from "./LearningRate.ts"
export { addDecayedWeights, scaleByLearningRate } from "./scaling.ts"
export { sgd } from "./sgd.ts"
export type { SgdOptions } from "./sgd.ts"
export { ema, follow } from "./WeightAverage.ts"
export type { EmaOptions, WeightAverage } from "./WeightAverage.ts"
