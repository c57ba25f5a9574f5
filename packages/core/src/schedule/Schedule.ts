/**
 * Noise schedules: how much of the data is left at each timestep.
 *
 * A schedule is a value: tables of beta_t and alphaBar_t in float64, for t from 0 to T - 1, and what they were made
 * from. Notation and formulas are those of Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models" (2020),
 * section 2, with t counted from 0 as reference implementations do:
 *
 *     alpha_t = 1 - beta_t        alphaBar_t = alpha_0 alpha_1 ... alpha_t        snr_t = alphaBar_t / (1 - alphaBar_t)
 *
 * Everything else is derived from the tables by the functions of this module, each of (schedule, t); `table` makes a
 * table of any of them. They are defined at zero terminal SNR too, none of them NaN: where alphaBar_t is 0, so are
 * alpha_t, snr_t, sqrtAlphaBar_t and the posterior mean's factor of x_t (x_t says nothing of x_{t-1}), the posterior's
 * variance is 1 - alphaBar_{t-1}, logSnr_t is -Infinity and sigma_t is Infinity. The families of schedules are in
 * `family/`, one file each; they end in {@link fromTable}.
 *
 * Construction is pure and its failure is a value, so it gives a `Result`; the layers of `NoiseSchedule` lift it into
 * Effect.
 */
import { Result } from "effect"
import { throughJson } from "./internal/json.ts"
import { InvalidSchedule } from "./InvalidSchedule.ts"

/** JSON that identifies a schedule together with its name, e.g. in a checkpoint. */
export type ScheduleConfig = { readonly [option: string]: number | string | ReadonlyArray<number> | ScheduleConfig }

/** A noise schedule. Its tables are immutable by convention: nobody writes to them once it is made. */
export interface Schedule {
  /** The family: `linear`, `cosine`, ... */
  readonly name: string
  /** The options that the family was given, all of them: the same name and config make the same tables. */
  readonly config: ScheduleConfig
  /** The number of timesteps, T. */
  readonly steps: number
  /**
   * beta_t, the variance of the noise that step t adds; all in (0, 1). It is 1 where alphaBar is 0, and where float64
   * cannot tell it from 1 in a schedule that is made from its alphaBar.
   */
  readonly beta: Float64Array
  /**
   * alphaBar_t, the fraction of the data's variance that is left after steps 0, ..., t; strictly falling in (0, 1). Of a
   * schedule with zero terminal SNR (see `rescaleZeroTerminalSnr`) the last one is exactly 0.
   */
  readonly alphaBar: Float64Array
}

/**
 * The schedule with these betas.
 *
 * Fails with `InvalidSchedule` when there are none, when one is not in (0, 1), or when they are so small or so large
 * that alphaBar does not fall strictly within (0, 1) in float64.
 *
 * @example
 * const schedule = Result.getOrThrow(fromBetas([0.1, 0.3]))
 * schedule.alphaBar // => [0.9, 0.63]
 */
export const fromBetas = (betas: ArrayLike<number>): Result.Result<Schedule, InvalidSchedule> => {
  const beta = Float64Array.from(betas)
  return fromTable("betas", { betas: Array.from(beta) }, beta)
}

/**
 * The schedule with these alphaBar, bit by bit; its betas follow, beta_t = 1 - alphaBar_t / alphaBar_{t-1}.
 *
 * Fails with `InvalidSchedule` when there are none, or when they do not fall strictly within (0, 1).
 *
 * @example
 * const schedule = Result.getOrThrow(fromAlphaBars([0.9, 0.63]))
 * schedule.beta // => [0.1, 0.3], within rounding
 */
export const fromAlphaBars = (alphaBars: ArrayLike<number>): Result.Result<Schedule, InvalidSchedule> => {
  const alphaBar = Float64Array.from(alphaBars)
  return fromAlphaBarTable("alpha-bar", { alphaBar: Array.from(alphaBar) }, alphaBar)
}

/**
 * A schedule of a family from its table of betas: the last step of most families' constructors, which checks the laws
 * that hold for all of them. Takes ownership of the table.
 */
export const fromTable = (
  name: string,
  config: ScheduleConfig,
  beta: Float64Array
): Result.Result<Schedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: name, reason }))
  if (beta.length === 0) return fail("it has no timesteps; give at least one beta")
  const alphaBar = new Float64Array(beta.length)
  let product = 1
  for (const [t, beta_t] of beta.entries()) {
    if (!(beta_t > 0 && beta_t < 1)) {
      const remedy = beta_t === 1 ? " (for a schedule that ends in noise alone, use rescaleZeroTerminalSnr)" : ""
      return fail(`beta at t = ${t} is ${beta_t}; every beta lies between 0 and 1${remedy}`)
    }
    const next = product * (1 - beta_t)
    if (!(next < product && next > 0)) {
      return fail(
        `alphaBar goes from ${product} to ${next} at t = ${t}, where beta is ${beta_t}; alphaBar falls strictly and ` +
          `stays above 0: choose ${next > 0 ? "larger" : "smaller or fewer"} betas`
      )
    }
    alphaBar[t] = product = next
  }
  return Result.succeed({ name, config: throughJson(config), steps: beta.length, beta, alphaBar })
}

/**
 * A schedule of a family from its table of alphaBar, which it has bit by bit; see {@link fromTable}.
 *
 * @param zeroAtTheEnd whether the last alphaBar has to be 0; otherwise it has to be above 0, as all others
 */
export const fromAlphaBarTable = (
  name: string,
  config: ScheduleConfig,
  alphaBar: Float64Array,
  { zeroAtTheEnd = false }: { readonly zeroAtTheEnd?: boolean } = {}
): Result.Result<Schedule, InvalidSchedule> => {
  const fail = (reason: string) => Result.fail(new InvalidSchedule({ schedule: name, reason }))
  if (alphaBar.length === 0) return fail("it has no timesteps; give at least one alphaBar")
  let previous = 1
  for (const [t, value] of alphaBar.entries()) {
    const isZero = zeroAtTheEnd && t === alphaBar.length - 1
    if (!(value < previous && (isZero ? value === 0 : value > 0))) {
      const remedy = value === 0 ? " (for a schedule that ends in noise alone, use rescaleZeroTerminalSnr)" : ""
      return fail(
        `alphaBar goes from ${previous} to ${value} at t = ${t}; it falls strictly and stays above 0${remedy}`
      )
    }
    previous = value
  }
  return Result.succeed({
    name,
    config: throughJson(config),
    steps: alphaBar.length,
    beta: betasOf(alphaBar),
    alphaBar
  })
}

/** beta_t = 1 - alphaBar_t / alphaBar_{t-1}. */
export const betasOf = (alphaBar: Float64Array): Float64Array =>
  alphaBar.map((value, t) => 1 - value / (t === 0 ? 1 : alphaBar[t - 1]!))

/**
 * The table of a derived quantity over all timesteps, in float64; cast it once, at the end.
 *
 * @example
 * const scale = Float32Array.from(table(schedule, sqrtAlphaBar))
 */
export const table = (schedule: Schedule, quantity: (schedule: Schedule, t: number) => number): Float64Array =>
  Float64Array.from({ length: schedule.steps }, (_, t) => quantity(schedule, t))

/** beta_t. Like every function of a timestep here, throws RangeError when `t` is not an integer from 0 to T - 1. */
export const beta = (schedule: Schedule, t: number): number => schedule.beta[timestep(schedule, t)]!

/** alpha_t = 1 - beta_t, computed as alphaBar_t / alphaBar_{t-1}, which stays accurate where beta_t is nearly 1. */
export const alpha = (schedule: Schedule, t: number): number => alphaBar(schedule, t) / previousAlphaBar(schedule, t)

/** alphaBar_t, the product of alpha up to and including t. */
export const alphaBar = (schedule: Schedule, t: number): number => schedule.alphaBar[timestep(schedule, t)]!

/** alphaBar_{t-1}, which is 1 before the first step: the data itself. */
export const previousAlphaBar = (schedule: Schedule, t: number): number =>
  timestep(schedule, t) === 0 ? 1 : schedule.alphaBar[t - 1]!

/** sqrt(alphaBar_t), the factor of the data in x_t (Ho et al. 2020, equation 4). */
export const sqrtAlphaBar = (schedule: Schedule, t: number): number => Math.sqrt(alphaBar(schedule, t))

/** sqrt(1 - alphaBar_t), the factor of the noise in x_t (Ho et al. 2020, equation 4). */
export const sqrtOneMinusAlphaBar = (schedule: Schedule, t: number): number => Math.sqrt(1 - alphaBar(schedule, t))

/** The signal-to-noise ratio alphaBar_t / (1 - alphaBar_t) (Kingma et al., "Variational Diffusion Models", 2021, equation 1). */
export const snr = (schedule: Schedule, t: number): number => alphaBar(schedule, t) / (1 - alphaBar(schedule, t))

/** The natural logarithm of the signal-to-noise ratio; -Infinity where alphaBar is 0. */
export const logSnr = (schedule: Schedule, t: number): number => Math.log(snr(schedule, t))

/**
 * The noise level of x_t / sqrt(alphaBar_t) = x_0 + sigma_t noise, sqrt((1 - alphaBar_t) / alphaBar_t) (Karras et al.,
 * "Elucidating the Design Space of Diffusion-Based Generative Models", 2022, table 1); rising, and Infinity where
 * alphaBar is 0.
 */
export const sigma = (schedule: Schedule, t: number): number =>
  Math.sqrt((1 - alphaBar(schedule, t)) / alphaBar(schedule, t))

/**
 * The variance of the posterior q(x_{t-1} | x_t, x_0), "beta tilde" (Ho et al. 2020, equation 7):
 * beta_t (1 - alphaBar_{t-1}) / (1 - alphaBar_t), which is 0 at t = 0.
 */
export const posteriorVariance = (schedule: Schedule, t: number): number =>
  beta(schedule, t) * (1 - previousAlphaBar(schedule, t)) / (1 - alphaBar(schedule, t))

/**
 * The factor of x_0 in the mean of the posterior q(x_{t-1} | x_t, x_0) (Ho et al. 2020, equation 7):
 * sqrt(alphaBar_{t-1}) beta_t / (1 - alphaBar_t), which is 1 at t = 0.
 */
export const posteriorMeanFactorOfX0 = (schedule: Schedule, t: number): number =>
  Math.sqrt(previousAlphaBar(schedule, t)) * beta(schedule, t) / (1 - alphaBar(schedule, t))

/**
 * The factor of x_t in the mean of the posterior q(x_{t-1} | x_t, x_0) (Ho et al. 2020, equation 7):
 * sqrt(alpha_t) (1 - alphaBar_{t-1}) / (1 - alphaBar_t), which is 0 at t = 0.
 */
export const posteriorMeanFactorOfXt = (schedule: Schedule, t: number): number =>
  Math.sqrt(alpha(schedule, t)) * (1 - previousAlphaBar(schedule, t)) / (1 - alphaBar(schedule, t))

const timestep = (schedule: Schedule, t: number): number => {
  if (!(Number.isInteger(t) && t >= 0 && t < schedule.steps)) {
    throw new RangeError(`a timestep of this schedule is an integer from 0 to ${schedule.steps - 1}, not ${t}`)
  }
  return t
}
