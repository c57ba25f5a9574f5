/**
 * The variational bound for Gaussian data and the best denoiser there is, in closed form.
 */
import { boundConstant, fixedLogVariance } from "@effusion/core/diffusion"
import * as S from "@effusion/core/schedule"

/** Data of one dimension, N(mean, variance). */
export interface GaussianData {
  readonly mean: number
  readonly variance: number
}

/** The mean of the data given x_t, for a Gaussian as a linear function of x_t: no estimate has a lower squared error. */
export const bestEstimate = ({ mean, variance }: GaussianData, schedule: S.Schedule, t: number) => {
  const scale = S.sqrtAlphaBar(schedule, t)
  const gain = scale * variance / (scale ** 2 * variance + 1 - S.alphaBar(schedule, t))
  return { gain, offset: mean - gain * scale * mean }
}

/** The variance of the data given x_t, which is the mean squared error of the best estimate. */
export const remainingVariance = ({ variance }: GaussianData, schedule: S.Schedule, t: number): number => {
  const noise = 1 - S.alphaBar(schedule, t)
  return variance * noise / (S.alphaBar(schedule, t) * variance + noise)
}

/** The expectation of every term of the bound under the best denoiser, with the density of continuous data at t = 0. */
export const expectedBound = (data: GaussianData, schedule: S.Schedule, type: "fixed-small" | "fixed-large") => {
  const terms = Array.from({ length: schedule.steps }, (_, t) => {
    const variance = Math.exp(fixedLogVariance(schedule, t, type))
    const error = remainingVariance(data, schedule, t)
    return t === 0
      ? (Math.log(2 * Math.PI * variance) + error / variance) / 2
      : S.posteriorMeanFactorOfX0(schedule, t) ** 2 * error / (2 * variance) + boundConstant(schedule, t, variance)
  })
  const signal = S.alphaBar(schedule, schedule.steps - 1)
  const prior = (signal * (data.variance + data.mean ** 2) - signal - Math.log1p(-signal)) / 2
  return { prior, terms, total: terms.reduce((sum, term) => sum + term, prior) }
}

/** The mean negative log-likelihood of data under its own distribution: no bound can be lower. */
export const entropy = ({ variance }: GaussianData): number => (Math.log(2 * Math.PI * variance) + 1) / 2
