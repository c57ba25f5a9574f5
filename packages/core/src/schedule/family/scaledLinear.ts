/**
 * The scaled linear schedule of latent diffusion models (Rombach et al., "High-Resolution Image Synthesis with Latent
 * Diffusion Models", 2022): `scaled_linear` in diffusers, `quad` in the code of Ho et al. 2020.
 */
import { Result } from "effect"
import { linspace } from "../internal/linspace.ts"
import { betaAtFault, stepsAtFault } from "../internal/options.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { fromTable, type Schedule } from "../Schedule.ts"

/** Options of {@link scaledLinear}. */
export interface ScaledLinearOptions {
  /** The number of timesteps T, a positive integer. */
  readonly steps: number
  /** beta_0, in (0, 1); 8.5e-4, that of Stable Diffusion, unless given. */
  readonly start?: number | undefined
  /** beta_{T-1}, in (0, 1); 0.012, that of Stable Diffusion, unless given. */
  readonly end?: number | undefined
}

/**
 * The square root of beta evenly spaced from that of `start` to that of `end`, both included.
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * const schedule = Result.getOrThrow(scaledLinear({ steps: 1000 }))
 * schedule.alphaBar[999] // => 0.0046600985
 */
export const scaledLinear = (
  { end = 0.012, start = 8.5e-4, steps }: ScaledLinearOptions
): Result.Result<Schedule, InvalidSchedule> => {
  const fault = stepsAtFault(steps) ?? betaAtFault({ start, end })
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "scaled-linear", reason: fault }))
  const [first, last] = [Math.sqrt(start), Math.sqrt(end)]
  const beta = Float64Array.from({ length: steps }, (_, t) => linspace(first, last, steps, t) ** 2)
  return fromTable("scaled-linear", { steps, start, end }, beta)
}
