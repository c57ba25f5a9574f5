/**
 * Levels of noise: where something stands between data and noise, whatever schedule it came from.
 *
 * A schedule of T timesteps has T levels. Solvers that take few steps visit levels between them as well, with fractional
 * timesteps, and end at the data itself.
 */
import { type Schedule, sqrtAlphaBar, sqrtOneMinusAlphaBar } from "./Schedule.ts"

/** x = signal x_0 + spread epsilon, with signal^2 + spread^2 = 1 and both from 0 to 1. */
export interface NoiseLevel {
  /** What a denoiser is told; between two timesteps it is a fraction. -1 is the data, before the first step. */
  readonly timestep: number
  /** sqrt(alphaBar), the factor of the data. */
  readonly signal: number
  /** sqrt(1 - alphaBar), the factor of the noise. */
  readonly spread: number
}

/** The data itself. */
export const dataLevel: NoiseLevel = { timestep: -1, signal: 1, spread: 0 }

/**
 * The level of a timestep of a schedule (Ho et al. 2020, equation 4). Throws RangeError when `t` is not an integer from 0
 * to T - 1.
 *
 * @example
 * const { signal, spread } = levelAt(schedule, 500)
 */
export const levelAt = (schedule: Schedule, t: number): NoiseLevel => ({
  timestep: t,
  signal: sqrtAlphaBar(schedule, t),
  spread: sqrtOneMinusAlphaBar(schedule, t)
})

/**
 * The level at which x / signal is data with noise of standard deviation sigma (Karras et al., "Elucidating the Design
 * Space of Diffusion-Based Generative Models", 2022): signal = 1 / sqrt(1 + sigma^2), spread = sigma signal.
 *
 * @param sigma from 0
 * @example
 * levelOfSigma(1, 412.3) // => { timestep: 412.3, signal: 0.7071, spread: 0.7071 }
 */
export const levelOfSigma = (sigma: number, timestep: number): NoiseLevel => {
  const signal = 1 / Math.sqrt(1 + sigma ** 2)
  return { timestep, signal, spread: sigma * signal }
}

/** spread / signal: the standard deviation of the noise where the data has factor 1; infinite where no data is left. */
export const sigmaOf = ({ signal, spread }: NoiseLevel): number => spread / signal

/** ln(signal / spread), half the logarithm of the signal-to-noise ratio: lambda of DPM-Solver (Lu et al. 2022). */
export const lambdaOf = ({ signal, spread }: NoiseLevel): number => Math.log(signal) - Math.log(spread)
