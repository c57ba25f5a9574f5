/**
 * The scale of the Huber losses over timesteps.
 */
import { Result } from "effect"
import { type Schedule, sigma } from "../schedule/index.ts"
import { requirePositive } from "./internal/options.ts"
import { InvalidObjective } from "./InvalidObjective.ts"

/** How the scale of a Huber loss goes over the timesteps. */
export const huberSchedules = ["constant", "exponential", "snr"] as const

/** The scale of a Huber loss: errors well below it are squared, errors well above it count by their size. */
export interface HuberOptions {
  /** The scale c, or the one that a schedule ends at. Positive, at most 1 but where it is constant; 0.1 unless given. */
  readonly c?: number | undefined
  /**
   * - `constant`: c at every timestep; this unless given
   * - `exponential`: from 1 at t = 0 along an exponential towards c at T
   * - `snr`: c + (1 - c) / (1 + sigma)^2 with sigma^2 = 1 / SNR: from nearly 1 towards c
   */
  readonly schedule?: typeof huberSchedules[number] | undefined
}

/**
 * The scale c at each timestep, for a Huber loss that forgives outliers where there is much noise and is a squared error
 * where there is little (Khrapov et al., "Improving Diffusion Models's Data-Corruption Resistance using Scheduled
 * Pseudo-Huber Loss", 2024; the formulas are those of diffusers' training scripts).
 *
 * Fails with `InvalidObjective` when c is not positive, or is over 1 where a schedule falls to it from 1.
 *
 * @example
 * const scale = Result.getOrThrow(huberScale({ c: 0.1, schedule: "snr" }))
 * scale(schedule, 999) // => 0.10004 for the linear schedule
 */
export const huberScale = (
  { c = 0.1, schedule: form = "constant" }: HuberOptions = {}
): Result.Result<(schedule: Schedule, t: number) => number, InvalidObjective> =>
  Result.flatMap(requirePositive("huber", { c }), () =>
    form !== "constant" && c > 1
      ? Result.fail(
        new InvalidObjective({ name: "huber", reason: `"c" is ${c}; with the schedule "${form}" it is at most 1` })
      )
      : Result.succeed(scales[form](c)))

const scales: {
  readonly [Form in typeof huberSchedules[number]]: (c: number) => (schedule: Schedule, t: number) => number
} = {
  constant: (c) => () => c,
  exponential: (c) => (schedule, t) => c ** (t / schedule.steps),
  snr: (c) => (schedule, t) => c + (1 - c) / (1 + sigma(schedule, t)) ** 2
}
