/**
 * Noise schedules: tables of alphaBar and everything derived from them.
 *
 * @example
 * import { linear, NoiseSchedule, respace, snr, Timesteps } from "@effusion/core/schedule"
 *
 * const layer = NoiseSchedule.cosine({ steps: 1000 })
 * const schedule = Result.getOrThrow(linear({ steps: 1000 }))
 * snr(schedule, 0) // => 9999
 */
export type { ContinuousSchedule } from "./continuous/index.ts"
export * as Continuous from "./continuous/index.ts"
export { cosine, type CosineOptions } from "./family/cosine.ts"
export { exponential, type ExponentialOptions } from "./family/exponential.ts"
export { laplace, type LaplaceOptions } from "./family/laplace.ts"
export { linear, type LinearOptions } from "./family/linear.ts"
export { scaledLinear, type ScaledLinearOptions } from "./family/scaledLinear.ts"
export { sigmoidAlphaBar, type SigmoidAlphaBarOptions } from "./family/sigmoidAlphaBar.ts"
export { sigmoidBeta, type SigmoidBetaOptions } from "./family/sigmoidBeta.ts"
export { fromAlphaBar, type FromAlphaBarOptions } from "./fromAlphaBar.ts"
export { continuousFromConfig, fromConfig, type ScheduleConfigError, toConfig } from "./fromConfig.ts"
export { InvalidSchedule, InvalidSigmas, InvalidTimesteps } from "./InvalidSchedule.ts"
export { dataLevel, lambdaOf, levelAt, levelOfSigma, type NoiseLevel, sigmaOf } from "./NoiseLevel.ts"
export { NoiseSchedule } from "./NoiseSchedule.ts"
export { rescaleZeroTerminalSnr } from "./rescaleZeroTerminalSnr.ts"
export { respace, type RespacedSchedule } from "./respace.ts"
export {
  alpha,
  alphaBar,
  beta,
  fromAlphaBars,
  fromBetas,
  logSnr,
  posteriorMeanFactorOfX0,
  posteriorMeanFactorOfXt,
  posteriorVariance,
  previousAlphaBar,
  type Schedule,
  type ScheduleConfig,
  sigma,
  snr,
  sqrtAlphaBar,
  sqrtOneMinusAlphaBar,
  table
} from "./Schedule.ts"
export * as Sigmas from "./Sigmas.ts"
export * as Timesteps from "./Timesteps.ts"
