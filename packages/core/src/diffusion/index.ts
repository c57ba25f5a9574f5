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
export { addNoise, forwardMarginal, forwardStep, type GaussianKernel } from "./forward.ts"
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
  mixtureOf,
  type Parameterization,
  type PredictionType,
  predictionTypes
} from "./prediction.ts"
export { fixedLogVariance, learnedRangeLogVariance, posteriorLogVariance, type VarianceType } from "./variance.ts"
export { boundWeight } from "./weighting.ts"
