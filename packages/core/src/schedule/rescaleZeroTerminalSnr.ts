/**
 * Schedules that end in noise alone (Lin, Liu, Li and Yang, "Common Diffusion Noise Schedules and Sample Steps are
 * Flawed", 2024).
 */
import { Result } from "effect"
import { InvalidSchedule } from "./InvalidSchedule.ts"
import { fromAlphaBarTable, type Schedule } from "./Schedule.ts"

/**
 * The schedule with sqrt(alphaBar) shifted and scaled so that it ends at 0 and begins where it did (Lin et al. 2024,
 * algorithm 1): the last alphaBar is exactly 0, the last beta exactly 1, the first alphaBar as it was. A schedule that
 * ends at 0 already stays as it is.
 *
 * At its last timestep x_t is noise alone, so the noise says nothing of the data: such a schedule takes a prediction of
 * v or of the data, and spacings of timesteps that begin at the last one (`Timesteps.trailing`, `Timesteps.linspaced`).
 *
 * Fails with `InvalidSchedule` when the schedule has one timestep only, or when two alphaBar fall together in float64.
 *
 * @example
 * const schedule = Result.getOrThrow(Result.flatMap(linear({ steps: 1000 }), rescaleZeroTerminalSnr))
 * schedule.alphaBar[999] // => 0
 */
export const rescaleZeroTerminalSnr = (schedule: Schedule): Result.Result<Schedule, InvalidSchedule> => {
  const last = schedule.alphaBar.at(-1)!
  if (last === 0) return Result.succeed(schedule)
  if (schedule.steps === 1) {
    return Result.fail(
      new InvalidSchedule({
        schedule: "zero-terminal-snr",
        reason: "it has one timestep, which cannot keep its noise and lose all of its signal; give at least two"
      })
    )
  }
  const first = Math.sqrt(schedule.alphaBar[0]!)
  const shift = Math.sqrt(last)
  const scale = first / (first - shift)
  const alphaBar = schedule.alphaBar.map((value, t) =>
    t === 0 ? value : t === schedule.steps - 1 ? 0 : ((Math.sqrt(value) - shift) * scale) ** 2
  )
  const config = { of: { name: schedule.name, ...schedule.config } }
  return fromAlphaBarTable("zero-terminal-snr", config, alphaBar, { zeroAtTheEnd: true })
}
