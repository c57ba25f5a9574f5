/**
 * Ancestral sampling (Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020, algorithm 2).
 */
import { posteriorBetween } from "../../diffusion/index.ts"
import { planOver, type Sampler } from "../Sampler.ts"

/** The variances of {@link ddpm}. */
export const ddpmVariances = ["fixed-small", "fixed-large", "learned-range", "learned-log", "learned"] as const

export type DdpmVariance = typeof ddpmVariances[number]

/** Options of {@link ddpm}. */
export interface DdpmOptions {
  /**
   * The variance of the noise that a step adds: `"fixed-small"`, that of the posterior, optimal for data that is one
   * point; or `"fixed-large"`, beta_t, optimal for standard normal data (Ho et al. 2020, section 3.2). `"fixed-small"`
   * unless given.
   *
   * With a denoiser that `learnsVariance`, also: `"learned-range"`, whose logarithm lies between those of the two as the
   * denoiser says from -1 to 1 (Nichol & Dhariwal 2021, equation 15); `"learned-log"`, where it says the logarithm;
   * `"learned"`, where it says the variance, of which what is below 0 counts as 0 (diffusers' `learned`).
   */
  readonly variance?: DdpmVariance | undefined
}

/**
 * Draws x_{t-1} from the posterior q(x_{t-1} | x_t, x_0) (Ho et al. 2020, equation 7) at the estimate of x_0. No noise
 * is added at the last step, to the data.
 *
 * With fewer steps than the schedule has, beta is that between one visited timestep and the next (Nichol & Dhariwal
 * 2021, section 4).
 *
 * @example
 * const samples = Sampling.images({ sampler: ddpm(), steps: 1000, count: 16, seed: 7, parameters })
 */
export const ddpm = ({ variance = "fixed-small" }: DdpmOptions = {}): Sampler => ({
  name: "ddpm",
  plan: (schedule, options) => {
    const learned = variance === "learned"
      ? "variance" as const
      : variance.startsWith("learned")
      ? "logarithm" as const
      : undefined
    return planOver(schedule, options, { sampler: "ddpm", variance: learned }, ({ from, to }) => {
      const posterior = posteriorBetween(from, to)
      const scale = learned !== undefined
        ? 1
        : Math.sqrt(variance === "fixed-small" ? posterior.variance : posterior.forwardVariance)
      return {
        next: { sample: posterior.x0, x: posterior.xt, noise: to.spread === 0 ? 0 : scale },
        ...(variance === "learned-range"
          ? { logVariance: [logarithm(posterior.variance), logarithm(posterior.forwardVariance)] as const }
          : {})
      }
    })
  }
})

/** Where there is no noise to add, a number that has a logarithm, as in diffusers. */
const logarithm = (variance: number): number => Math.log(Math.max(variance, 1e-20))
