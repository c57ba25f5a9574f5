/**
 * Noise levels sigma = sqrt((1 - alphaBar) / alphaBar), for samplers that go by them in place of timesteps: sequences of
 * levels, and the way from a level to a timestep of a schedule and back. Sequences fall, in the order in which a sampler
 * visits them; their first is `sigmaMax` and their last `sigmaMin`, exactly.
 */
import { Result } from "effect"
import { linspace } from "./internal/linspace.ts"
import { InvalidSigmas } from "./InvalidSchedule.ts"
import { type Schedule, sigma } from "./Schedule.ts"

/** The levels to go from and to. */
export interface SigmaRange {
  /** The last level, positive. */
  readonly sigmaMin: number
  /** The first level, above `sigmaMin`, finite. */
  readonly sigmaMax: number
}

/** The levels to go from and to, and how many. */
export interface SigmasOptions extends SigmaRange {
  /** How many levels, both ends included, a positive integer; one is `sigmaMax` alone. */
  readonly count: number
}

type Sigmas = Result.Result<ReadonlyArray<number>, InvalidSigmas>

/**
 * The range of levels of a schedule: those of its first and of its last timestep. The largest is Infinity where the
 * schedule has zero terminal SNR, which no sequence takes; diffusers goes from 4096 then (alphaBar = 2^-24).
 *
 * @example
 * Sigmas.karras({ ...Sigmas.rangeOf(schedule), count: 10 })
 */
export const rangeOf = (schedule: Schedule): SigmaRange => ({
  sigmaMin: sigma(schedule, 0),
  sigmaMax: sigma(schedule, schedule.steps - 1)
})

/**
 * Evenly spaced in sigma^(1 / rho) (Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models",
 * 2022, equation 5): the larger `rho`, the more levels are near `sigmaMin`.
 *
 * Fails with `InvalidSigmas` when an option is out of range.
 *
 * @param options.rho positive; 7, that of the paper, unless given
 * @example
 * Sigmas.karras({ sigmaMin: 0.002, sigmaMax: 80, count: 18 }) // => [80, 57.586, ..., 0.002]
 */
export const karras = (
  { rho = 7, ...options }: SigmasOptions & { readonly rho?: number | undefined }
): Sigmas =>
  requirePositive("rho", rho) ??
    between(options, ({ count, sigmaMax, sigmaMin }, i) =>
      linspace(sigmaMax ** (1 / rho), sigmaMin ** (1 / rho), count, i) ** rho)

/**
 * Evenly spaced in ln sigma: each level is the same fraction of the one before.
 *
 * Fails with `InvalidSigmas` when an option is out of range.
 *
 * @example
 * Sigmas.exponential({ sigmaMin: 1, sigmaMax: 100, count: 3 }) // => [100, 10, 1]
 */
export const exponential = (options: SigmasOptions): Sigmas =>
  between(
    options,
    ({ count, sigmaMax, sigmaMin }, i) => Math.exp(linspace(Math.log(sigmaMax), Math.log(sigmaMin), count, i))
  )

/**
 * Evenly spaced in the half log-SNR lambda = ln(sqrt(alphaBar) / sqrt(1 - alphaBar)) (Lu et al., "DPM-Solver", 2022,
 * section 3.3), in which the solvers of that family take their steps. Since lambda = -ln sigma, these are the levels of
 * {@link exponential}.
 */
export const lu: (options: SigmasOptions) => Sigmas = exponential

/**
 * ln sigma along a power of a line: ln sigma_i = ln sigmaMin + (ln sigmaMax - ln sigmaMin) (1 - i / (count - 1))^rho, as
 * in k-diffusion. With `rho` 1 these are the levels of {@link exponential}; above 1, more of them are near `sigmaMin`.
 *
 * Fails with `InvalidSigmas` when an option is out of range.
 *
 * @param options.rho positive; 1 unless given
 * @example
 * Sigmas.polyexponential({ sigmaMin: 1, sigmaMax: 10_000, count: 3, rho: 2 }) // => [10000, 10, 1]
 */
export const polyexponential = (
  { rho = 1, ...options }: SigmasOptions & { readonly rho?: number | undefined }
): Sigmas =>
  requirePositive("rho", rho) ??
    between(options, ({ count, sigmaMax, sigmaMin }, i) => {
      const [low, high] = [Math.log(sigmaMin), Math.log(sigmaMax)]
      return Math.exp(low + (high - low) * linspace(1, 0, count, i) ** rho)
    })

/**
 * The timestep of a level, between the timesteps of a schedule by its logarithm: of level sigma between sigma_t and
 * sigma_{t+1}, t + (ln sigma - ln sigma_t) / (ln sigma_{t+1} - ln sigma_t). Levels beyond the schedule's have its first
 * and last timesteps. These are the fractional timesteps of k-diffusion and diffusers.
 *
 * @param level from 0 to Infinity; otherwise throws RangeError
 * @example
 * const schedule = Result.getOrThrow(linear({ steps: 1000 }))
 * Sigmas.timestepOfSigma(schedule, 14.6) // => 726.8
 */
export const timestepOfSigma = (schedule: Schedule, level: number): number => {
  if (!(level >= 0)) throw new RangeError(`a noise level is from 0 to Infinity, not ${level}`)
  const last = schedule.steps - 1
  if (level <= sigma(schedule, 0)) return 0
  if (level >= sigma(schedule, last)) return last
  // The greatest t whose level is not above this one; the level of t + 1 is.
  let [t, above] = [0, last]
  while (above - t > 1) {
    const middle = (t + above) >> 1
    if (sigma(schedule, middle) <= level) t = middle
    else above = middle
  }
  const start = Math.log(sigma(schedule, t))
  return t + (Math.log(level) - start) / (Math.log(sigma(schedule, t + 1)) - start)
}

/**
 * The level at a timestep, which may lie between two: the levels of the schedule joined by lines, as with NumPy's
 * `interp`. (So it is not quite the inverse of {@link timestepOfSigma}, which goes by logarithms: diffusers' Euler and Heun
 * samplers have both.)
 *
 * @param t a number from 0 to T - 1; otherwise throws RangeError
 * @example
 * Sigmas.sigmaAt(schedule, 976.889)
 */
export const sigmaAt = (schedule: Schedule, t: number): number => {
  if (!(t >= 0 && t <= schedule.steps - 1)) {
    throw new RangeError(`a timestep of this schedule is a number from 0 to ${schedule.steps - 1}, not ${t}`)
  }
  const below = Math.floor(t)
  const level = sigma(schedule, below)
  return t === below ? level : level + (t - below) * (sigma(schedule, below + 1) - level)
}

const requirePositive = (option: string, value: number) =>
  value > 0 && value < Infinity
    ? undefined
    : Result.fail(new InvalidSigmas({ reason: `"${option}" is ${value}; it is a positive number` }))

/** The sequence whose ends are exact and whose inner levels a function gives. */
const between = (options: SigmasOptions, level: (options: SigmasOptions, i: number) => number): Sigmas => {
  const { count, sigmaMax, sigmaMin } = options
  const fail = (reason: string) => Result.fail(new InvalidSigmas({ reason }))
  if (!(Number.isSafeInteger(count) && count >= 1)) return fail(`"count" is ${count}; it is a positive integer`)
  if (!(sigmaMin > 0)) return fail(`"sigmaMin" is ${sigmaMin}; it is above 0`)
  if (sigmaMax === Infinity) {
    return fail(`"sigmaMax" is Infinity, as with zero terminal SNR; give a finite one, such as 4096`)
  }
  // One level is sigmaMax alone, and all that a schedule of one timestep has.
  const isRange = sigmaMax > sigmaMin || (count === 1 && sigmaMax === sigmaMin)
  if (!isRange) return fail(`"sigmaMax" is ${sigmaMax}; it is above "sigmaMin", which is ${sigmaMin}`)
  const levels = Array.from(
    { length: count },
    (_, i) => i === 0 ? sigmaMax : i === count - 1 ? sigmaMin : level(options, i)
  )
  const fallen = levels.findIndex((value, i) => i > 0 && !(value < levels[i - 1]!))
  return fallen === -1
    ? Result.succeed(levels)
    : fail(`levels ${fallen - 1} and ${fallen} of ${count} fall together in float64; take fewer, or a wider range`)
}
