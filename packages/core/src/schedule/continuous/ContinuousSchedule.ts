/**
 * Noise schedules in continuous time: the logarithm of the signal-to-noise ratio as a function of u from 0 (data) to 1
 * (noise), as in Kingma, Salimans, Poole and Ho, "Variational Diffusion Models" (2021), section 3.1, whose gamma is
 * -logSnr:
 *
 *     x_u = sqrt(sigmoid(logSnr(u))) x_0 + sqrt(sigmoid(-logSnr(u))) noise
 */
import { Result } from "effect"
import { sigmoid } from "../internal/sigmoid.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { levelOfSigma, type NoiseLevel } from "../NoiseLevel.ts"
import { type Schedule, type ScheduleConfig } from "../Schedule.ts"

/** A noise schedule in continuous time. */
export interface ContinuousSchedule {
  /** The family: `linear`, `cosine`, ... */
  readonly name: string
  /** The options that the family was given, all of them; `undefined` where a function is one of them. */
  readonly config: ScheduleConfig | undefined
  /** ln(SNR) at u from 0 to 1: finite, strictly falling. Throws RangeError beyond. */
  readonly logSnr: (u: number) => number
  /** Its derivative, below 0; from the left where it jumps. Throws RangeError beyond. */
  readonly derivative: (u: number) => number
}

/** A function that knows only u from 0 to 1. */
export const onUnitInterval = (f: (u: number) => number) => (u: number): number => {
  if (!(u >= 0 && u <= 1)) throw new RangeError(`continuous time goes from 0 to 1, and ${u} is not in between`)
  return f(u)
}

/** What is wrong with the ends of a range of log-SNR, if anything is. */
export const rangeAtFault = (
  { logSnrMax, logSnrMin }: { readonly logSnrMax: number; readonly logSnrMin: number }
): string | undefined => {
  for (const [option, value] of Object.entries({ logSnrMax, logSnrMin })) {
    // Beyond this 1 - alphaBar and alphaBar, in float64, have few digits left, or none.
    if (!(Math.abs(value) <= 30)) return `"${option}" is ${value}; it is a number from -30 to 30`
  }
  return logSnrMax > logSnrMin
    ? undefined
    : `"logSnrMax" is ${logSnrMax}; it is above "logSnrMin", which is ${logSnrMin}`
}

/**
 * The level of noise of a schedule at a time.
 *
 * @param timestep what a denoiser is told there
 * @example
 * const { signal, spread } = Continuous.levelAt(schedule, 0.5, 500)
 */
export const levelAt = (schedule: ContinuousSchedule, u: number, timestep: number): NoiseLevel =>
  levelOfSigma(Math.exp(-schedule.logSnr(u) / 2), timestep)

/** alphaBar at a log-SNR. */
export const alphaBarOfLogSnr: (logSnr: number) => number = sigmoid

/**
 * The time at which a schedule has a log-SNR, by bisection: to the last bits of u.
 *
 * @param logSnr between the schedule's ends; beyond them the result is 0 or 1
 * @example
 * Continuous.timeOfLogSnr(schedule, 0) // signal and noise are equal
 */
export const timeOfLogSnr = (schedule: ContinuousSchedule, logSnr: number): number => {
  if (!(logSnr < schedule.logSnr(0))) return 0
  if (!(logSnr > schedule.logSnr(1))) return 1
  let [early, late] = [0, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (early + late) / 2
    if (schedule.logSnr(middle) > logSnr) early = middle
    else late = middle
  }
  return (early + late) / 2
}

/**
 * A continuous schedule of a function of one's own.
 *
 * Fails with `InvalidSchedule` when the function is not finite or does not fall: it is looked at in 1025 evenly spaced
 * places.
 *
 * @param logSnr ln(SNR) at u from 0 to 1
 * @param options.derivative its derivative; by differences over 2e-5 unless given, good to about 8 digits
 * @example
 * const schedule = Result.getOrThrow(Continuous.fromLogSnr((u) => 10 - 20 * u ** 2))
 */
export const fromLogSnr = (
  logSnr: (u: number) => number,
  { derivative = differences(logSnr), name = "function" }: {
    readonly derivative?: ((u: number) => number) | undefined
    readonly name?: string | undefined
  } = {}
): Result.Result<ContinuousSchedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: name, reason }))
  let previous = Infinity
  for (let i = 0; i <= 1024; i++) {
    const value = logSnr(i / 1024)
    if (!(value < previous && value > -Infinity)) {
      return fail(`logSnr(${i / 1024}) is ${value}${i === 0 ? "" : `, after ${previous}`}; it is finite and falls`)
    }
    previous = value
  }
  return Result.succeed({
    name,
    config: undefined,
    logSnr: onUnitInterval(logSnr),
    derivative: onUnitInterval(derivative)
  })
}

/** The derivative by differences of second order, one-sided at the ends, beyond which the function may not exist. */
const differences = (f: (u: number) => number) => (u: number): number => {
  const h = 1e-5
  if (u < h) return (-3 * f(u) + 4 * f(u + h) - f(u + 2 * h)) / (2 * h)
  if (u > 1 - h) return (3 * f(u) - 4 * f(u - h) + f(u - 2 * h)) / (2 * h)
  return (f(u + h) - f(u - h)) / (2 * h)
}

/** The log-SNR of a schedule's timesteps joined by lines; see `interpolate`. */
export const joined = (values: ArrayLike<number>): Pick<ContinuousSchedule, "logSnr" | "derivative"> => {
  // Value i stands at u = (i + 1) / T; the first line goes on to u = 0.
  const last = values.length - 1
  const segment = (u: number) => Math.min(Math.max(Math.ceil(u * values.length) - 2, 0), last - 1)
  const slope = (i: number) => (values[i + 1]! - values[i]!) * values.length
  return {
    logSnr: onUnitInterval((u) => {
      const i = segment(u)
      const end = (i + 2) / values.length
      return u === end ? values[i + 1]! : values[i + 1]! + (u - end) * slope(i)
    }),
    derivative: onUnitInterval((u) => slope(segment(u)))
  }
}

/** The log-SNR of every timestep. */
export const logSnrTable = ({ alphaBar }: Schedule): Float64Array =>
  alphaBar.map((value) => Math.log(value) - Math.log1p(-value))
