/**
 * The sigmoid schedule of Jabri, Fleet and Chen, "Scalable Adaptive Computation for Iterative Generation" (2022), whose
 * alphaBar follows a sigmoid (Chen, "On the Importance of Noise Scheduling for Diffusion Models", 2023, section 2.1). It
 * is the default of denoising-diffusion-pytorch.
 */
import { Result } from "effect"
import { alongAlphaBar } from "../internal/alongAlphaBar.ts"
import { finiteAtFault, maximumBetaAtFault, positiveAtFault, stepsAtFault } from "../internal/options.ts"
import { sigmoid } from "../internal/sigmoid.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromTable, type Schedule } from "../Schedule.ts"

/** Options of {@link sigmoidAlphaBar}. */
export interface SigmoidAlphaBarOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** Where on the sigmoid the schedule begins, in units of `tau`; -3 unless given. */
  readonly start?: number | undefined
  /** Where on the sigmoid the schedule ends, above `start`; 3 unless given. */
  readonly end?: number | undefined
  /** The temperature, positive: the larger, the more alphaBar is like a line; 1 unless given. */
  readonly tau?: number | undefined
  /** The bound on beta, in (0, 1), which keeps the last step from being singular; 0.999 unless given. */
  readonly maximumBeta?: number | undefined
}

/**
 * alphaBar along a sigmoid that is scaled to go from 1 to 0, by way of its betas, which are bounded:
 *
 *     f(u) = (sigmoid(end / tau) - sigmoid((start + u (end - start)) / tau)) / (sigmoid(end / tau) - sigmoid(start / tau))
 *     beta_t = min(1 - f((t + 1) / T) / f(t / T), maximumBeta)
 *
 * Fails with `InvalidSchedule` when an option is out of range, or so far out that the sigmoid is level in float64.
 *
 * @example
 * const schedule = Result.getOrThrow(sigmoidAlphaBar({ steps: 1000 }))
 * schedule.alphaBar[500] // => 0.4983428
 */
export const sigmoidAlphaBar = (
  { end = 3, maximumBeta = 0.999, start = -3, steps, tau = 1 }: SigmoidAlphaBarOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fault = stepsAtFault(steps) ?? finiteAtFault({ start, end }) ??
    (end > start ? undefined : `"end" is ${end}; it is above "start", which is ${start}`) ??
    positiveAtFault({ tau }) ?? maximumBetaAtFault(maximumBeta)
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "sigmoid-alpha-bar", reason: fault }))
  const last = sigmoid(end / tau)
  const beta = alongAlphaBar((u) => last - sigmoid((start + u * (end - start)) / tau), { steps, maximumBeta })
  return fromTable("sigmoid-alpha-bar", { steps, start, end, tau, maximumBeta }, beta)
}
