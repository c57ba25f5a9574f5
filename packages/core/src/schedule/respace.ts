/**
 * Schedules over fewer timesteps, for samplers that skip.
 */
import { Result } from "effect"
import { InvalidTimesteps } from "./InvalidSchedule.ts"
import { betasOf, type Schedule } from "./Schedule.ts"

/** A schedule over some of the timesteps of another. */
export interface RespacedSchedule extends Schedule {
  /** The timestep of the original schedule at each index of this one, rising: what the denoiser is told. */
  readonly timesteps: Int32Array
}

/**
 * The schedule that visits only the given timesteps of another (Nichol and Dhariwal, "Improved Denoising Diffusion
 * Probabilistic Models", 2021, section 4): its alphaBar are the original's at those timesteps, bit by bit, and its betas
 * follow, beta_i = 1 - alphaBar_i / alphaBar_{i-1} (which float64 rounds to 1 where alphaBar falls 2^53-fold at once).
 *
 * @param timesteps distinct timesteps of `schedule`, in any order (`Timesteps` gives them)
 *
 * Fails with `InvalidTimesteps` when there are none, when one is not a timestep of the schedule, or occurs twice.
 *
 * @example
 * const { alphaBar } = Result.getOrThrow(respace(schedule, [900, 600, 300, 0]))
 * alphaBar[3] === schedule.alphaBar[900] // => true
 */
export const respace = (
  schedule: Schedule,
  timesteps: ArrayLike<number>
): Result.Result<RespacedSchedule, InvalidTimesteps> => {
  const fail = (reason: string) => Result.fail(new InvalidTimesteps({ reason }))
  const rising = Float64Array.from(timesteps).sort()
  if (rising.length === 0) return fail("none are given; give at least one")
  for (const [i, t] of rising.entries()) {
    if (!(Number.isInteger(t) && t >= 0 && t < schedule.steps)) {
      return fail(`${t} is not a timestep of this schedule, which are the integers from 0 to ${schedule.steps - 1}`)
    }
    if (i > 0 && t === rising[i - 1]) return fail(`${t} is given twice; give distinct timesteps`)
  }
  const alphaBar = rising.map((t) => schedule.alphaBar[t]!)
  const kept = Int32Array.from(rising)
  return Result.succeed({
    name: "respaced",
    config: { of: { name: schedule.name, ...schedule.config }, timesteps: Array.from(kept) },
    steps: rising.length,
    beta: betasOf(alphaBar),
    alphaBar,
    timesteps: kept
  })
}
