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
export { cosine, type CosineOptions } from "./family/cosine.ts"
export { linear, type LinearOptions } from "./family/linear.ts"
export { InvalidSchedule, InvalidTimesteps } from "./InvalidSchedule.ts"
export { dataLevel, lambdaOf, levelAt, levelOfSigma, type NoiseLevel, sigmaOf } from "./NoiseLevel.ts"
export { NoiseSchedule } from "./NoiseSchedule.ts"
export { respace, type RespacedSchedule } from "./respace.ts"
export {
  alpha,
  alphaBar,
  beta,
  fromBetas,
  logSnr,
  posteriorMeanFactorOfX0,
  posteriorMeanFactorOfXt,
  posteriorVariance,
  previousAlphaBar,
  type Schedule,
  type ScheduleConfig,
  snr,
  sqrtAlphaBar,
  sqrtOneMinusAlphaBar,
  table
} from "./Schedule.ts"
export * as Timesteps from "./Timesteps.ts"
