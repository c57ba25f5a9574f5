/**
 * The schedule of GeoDiff (Xu et al., "GeoDiff: A Geometric Diffusion Model for Molecular Conformation Generation",
 * 2022), whose betas follow a sigmoid: `sigmoid` in diffusers.
 */
import { Result } from "effect"
import { linspace } from "../internal/linspace.ts"
import { betaAtFault, stepsAtFault } from "../internal/options.ts"
import { sigmoid } from "../internal/sigmoid.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromTable, type Schedule } from "../Schedule.ts"

/** Options of {@link sigmoidBeta}. */
export interface SigmoidBetaOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** The beta that the sigmoid comes from, in (0, 1); 1e-4 unless given. */
  readonly start?: number | undefined
  /** The beta that the sigmoid goes to, in (0, 1); 0.02 unless given. */
  readonly end?: number | undefined
}

/**
 * beta_t = start + (end - start) sigmoid(z_t), with z evenly spaced from -6 to 6, both included. The first and last betas
 * are therefore close to `start` and `end`, within 0.25% of the way between them.
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * const schedule = Result.getOrThrow(sigmoidBeta({ steps: 1000 }))
 * schedule.alphaBar[999] // => 3.968182e-5
 */
export const sigmoidBeta = (
  { end = 0.02, start = 1e-4, steps }: SigmoidBetaOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fault = stepsAtFault(steps) ?? betaAtFault({ start, end })
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "sigmoid-beta", reason: fault }))
  const beta = Float64Array.from(
    { length: steps },
    (_, t) => start + (end - start) * sigmoid(linspace(-6, 6, steps, t))
  )
  return fromTable("sigmoid-beta", { steps, start, end }, beta)
}
