/**
 * The mathematics of diffusion on the host, in float64: forward process, posterior, predictions, weights, the variational
 * bound.
 *
 * @example
 * import { addNoise, convert, posterior } from "@effusion/core/diffusion"
 *
 * const xt = addNoise(schedule, t, x0, noise)
 * const { mean, variance } = posterior(schedule, t, x0, xt)
 */
export {
  bitsPerDimension,
  boundConstant,
  type BoundOptions,
  type BoundTerm,
  boundTerm,
  type Decoder,
  type ModelOptions,
  type ModelOutput,
  priorTerm,
  type ReverseStep,
  reverseStep,
  type VariationalBound,
  variationalBound,
  type VariationalBoundOptions
} from "./bound.ts"
export { type DiagonalGaussian, kl } from "./divergence.ts"
export { edm, type EdmOptions, type EdmPreconditioning, edmPreconditioning } from "./edm.ts"
export { addNoise, forwardMarginal, forwardStep, type GaussianKernel } from "./forward.ts"
export { type HuberOptions, huberScale, huberSchedules } from "./huber.ts"
export { normalCdf } from "./internal/normal.ts"
export { InvalidObjective, UndefinedWeight } from "./InvalidObjective.ts"
export {
  type Discretization,
  discretizedGaussianLogLikelihood,
  discretizedGaussianLogLikelihoodTanh,
  gaussianLogLikelihood
} from "./likelihood.ts"
export { type Gaussian, posterior, posteriorBetween, type PosteriorFactors } from "./posterior.ts"
export {
  type Conversion,
  conversion,
  conversionAt,
  type ConversionOptions,
  convert,
  inputScaleOf,
  isDetermined,
  mixtureOf,
  type Parameterization,
  predictionName,
  type PredictionType,
  predictionTypes
} from "./prediction.ts"
export {
  fixedLogVariance,
  learnedRangeLogVariance,
  posteriorLogVariance,
  type VarianceType,
  varianceTypes
} from "./variance.ts"
export {
  boundWeight,
  boundWeighting,
  type BoundWeightingOptions,
  edmWeighting,
  minSnrWeighting,
  p2Weighting,
  simpleWeighting,
  snrWeighting,
  softMinSnrWeighting,
  truncatedSnrWeighting,
  uniformWeighting,
  type Weighting,
  type WeightingConfig,
  weightOf,
  weightTable
} from "./weighting.ts"
