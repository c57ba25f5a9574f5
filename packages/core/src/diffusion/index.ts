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
export { type Gaussian, posterior } from "./posterior.ts"
export { type Conversion, conversion, type ConversionOptions, convert, type PredictionType } from "./prediction.ts"
export { boundWeight } from "./weighting.ts"
