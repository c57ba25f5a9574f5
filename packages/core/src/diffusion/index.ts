/**
 * The mathematics of diffusion on the host, in float64: forward process, posterior, predictions, weights.
 *
 * @example
 * import { addNoise, convert, posterior } from "@effusion/core/diffusion"
 *
 * const xt = addNoise(schedule, t, x0, noise)
 * const { mean, variance } = posterior(schedule, t, x0, xt)
 */
export { addNoise, forwardMarginal, forwardStep, type GaussianKernel } from "./forward.ts"
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
export { boundWeight } from "./weighting.ts"
