/**
 * Ancestral sampling (Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020, algorithm 2).
 */
import { posteriorBetween } from "../diffusion/index.ts"
import { planOver, type Sampler } from "./Sampler.ts"

/** Options of {@link ddpm}. */
export interface DdpmOptions {
  /**
   * The variance of the noise that a step adds: `"fixedSmall"`, that of the posterior, optimal for data that is one
   * point; or `"fixedLarge"`, beta_t, optimal for standard normal data (Ho et al. 2020, section 3.2). `"fixedSmall"`
   * unless given.
   */
  readonly variance?: "fixedSmall" | "fixedLarge" | undefined
}

/**
 * Draws x_{t-1} from the posterior q(x_{t-1} | x_t, x_0) (Ho et al. 2020, equation 7) at the estimate of x_0. No noise
 * is added at the last step.
 *
 * With fewer steps than the schedule has, beta is that between one visited timestep and the next (Nichol & Dhariwal
 * 2021, section 4).
 *
 * @example
 * const samples = Sampling.images({ sampler: ddpm(), steps: 1000, count: 16, seed: 7, parameters })
 */
export const ddpm = ({ variance = "fixedSmall" }: DdpmOptions = {}): Sampler => ({
  name: "ddpm",
  plan: (schedule, options) =>
    planOver(schedule, options, { sampler: "ddpm" }, ({ from, to }) => {
      const posterior = posteriorBetween(from, to)
      const added = variance === "fixedSmall" ? posterior.variance : posterior.forwardVariance
      return { next: { sample: posterior.x0, x: posterior.xt, noise: to.spread === 0 ? 0 : Math.sqrt(added) } }
    })
})
