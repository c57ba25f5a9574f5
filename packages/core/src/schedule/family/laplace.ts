/**
 * The Laplace schedule of Hang, Gu, Geng and Guo, "Improved Noise Schedule for Diffusion Training" (2024), which spends
 * more timesteps where the signal is about as strong as the noise.
 */
import { Result } from "effect"
import { alongAlphaBar } from "../internal/alongAlphaBar.ts"
import { finiteAtFault, maximumBetaAtFault, positiveAtFault, stepsAtFault } from "../internal/options.ts"
import { sigmoid } from "../internal/sigmoid.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromTable, type Schedule } from "../Schedule.ts"

/** Options of {@link laplace}. */
export interface LaplaceOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** The mean of log-SNR, mu; 0 unless given. */
  readonly location?: number | undefined
  /** The spread of log-SNR about its mean, b, positive; 0.5 unless given. */
  readonly scale?: number | undefined
  /** The bound on beta, in (0, 1), which keeps the last step from being singular; 0.999 unless given. */
  readonly maximumBeta?: number | undefined
  /**
   * `"paper"`, unless given; or `"diffusers"`, whose `laplace` takes sqrt(alphaBar) for alphaBar and keeps log-SNR within
   * about 14 `scale` of its mean at both ends.
   */
  readonly convention?: "paper" | "diffusers" | undefined
}

/**
 * Log-SNR spread over time as a Laplace distribution is over its quantiles (Hang et al. 2024, table 1), by way of betas,
 * which are bounded:
 *
 *     logSnr(u) = location - scale sgn(0.5 - u) ln(1 - 2 |0.5 - u|)        alphaBar(u) = sigmoid(logSnr(u))
 *     beta_t = min(1 - alphaBar((t + 1) / T) / alphaBar(t / T), maximumBeta)
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * const schedule = Result.getOrThrow(laplace({ steps: 1000 }))
 * schedule.alphaBar[499] // => 0.5
 */
export const laplace = (
  { convention = "paper", location = 0, maximumBeta = 0.999, scale = 0.5, steps }: LaplaceOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fault = stepsAtFault(steps) ?? finiteAtFault({ location }) ?? positiveAtFault({ scale }) ??
    maximumBetaAtFault(maximumBeta)
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "laplace", reason: fault }))
  const logSnr = (u: number, epsilon: number) =>
    location - scale * Math.sign(0.5 - u) * Math.log(1 - 2 * Math.abs(0.5 - u) + epsilon)
  const curve = convention === "paper"
    ? (u: number) => sigmoid(logSnr(u, 0))
    : (u: number) => Math.sqrt(sigmoid(logSnr(u, 1e-6)))
  const config = { steps, location, scale, maximumBeta, convention }
  return fromTable("laplace", config, alongAlphaBar(curve, { steps, maximumBeta }))
}
