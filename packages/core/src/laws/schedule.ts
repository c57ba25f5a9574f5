/**
 * Laws of noise schedules: of their tables, and of what is derived from them.
 *
 * Every law here is checked at every timestep, from t = 0 on, so the counterexample has the smallest t there is. For one
 * schedule there is nothing to draw; a family of schedules is an arbitrary, which shrinks to few timesteps.
 */
import { Result } from "effect"
import type * as fc from "fast-check"
import { forwardMarginal, forwardStep, type GaussianKernel } from "../diffusion/index.ts"
import * as S from "../schedule/index.ts"
import type { RespacedSchedule, Schedule } from "../schedule/index.ts"
import { atSomeT, epsilon, first, near, same } from "./internal/compare.ts"
import { every, one, showSchedule, type Subject } from "./internal/subject.ts"
import { type Law, law, type Suite, suite, type Violation } from "./Law.ts"

/** A quantity that is derived from a schedule, at each timestep. */
export type Quantity = (schedule: Schedule, t: number) => number

/**
 * What is derived from a schedule. The laws hold Effusion's own formulas to account unless others are given: whoever
 * writes a posterior by hand has it checked by passing it here.
 */
export interface Formulas {
  /** sqrt(alphaBar_t), the factor of the data in x_t. */
  readonly sqrtAlphaBar: Quantity
  /** sqrt(1 - alphaBar_t), the factor of the noise in x_t. */
  readonly sqrtOneMinusAlphaBar: Quantity
  /** alphaBar_t / (1 - alphaBar_t). */
  readonly snr: Quantity
  /** The natural logarithm of the signal-to-noise ratio. */
  readonly logSnr: Quantity
  /** q(x_t | x_{t-1}). */
  readonly forwardStep: (schedule: Schedule, t: number) => GaussianKernel
  /** q(x_t | x_0). */
  readonly forwardMarginal: (schedule: Schedule, t: number) => GaussianKernel
  /** The variance of q(x_{t-1} | x_t, x_0). */
  readonly posteriorVariance: Quantity
  /** The factor of x_0 in the mean of q(x_{t-1} | x_t, x_0). */
  readonly posteriorMeanFactorOfX0: Quantity
  /** The factor of x_t in the mean of q(x_{t-1} | x_t, x_0). */
  readonly posteriorMeanFactorOfXt: Quantity
  /** The schedule over some of the timesteps. */
  readonly respace: (
    schedule: Schedule,
    timesteps: ReadonlyArray<number>
  ) => Result.Result<RespacedSchedule, { readonly message: string }>
  /** The factors of data and noise at every timestep as an engine gets them. */
  readonly float32Tables: (
    schedule: Schedule
  ) => { readonly signal: Float32Array; readonly spread: Float32Array }
}

/** The formulas of Effusion. */
export const formulas: Formulas = {
  sqrtAlphaBar: S.sqrtAlphaBar,
  sqrtOneMinusAlphaBar: S.sqrtOneMinusAlphaBar,
  snr: S.snr,
  logSnr: S.logSnr,
  forwardStep,
  forwardMarginal,
  posteriorVariance: S.posteriorVariance,
  posteriorMeanFactorOfX0: S.posteriorMeanFactorOfX0,
  posteriorMeanFactorOfXt: S.posteriorMeanFactorOfXt,
  respace: S.respace,
  float32Tables: (schedule) => ({
    signal: Float32Array.from(S.table(schedule, S.sqrtAlphaBar)),
    spread: Float32Array.from(S.table(schedule, S.sqrtOneMinusAlphaBar))
  })
}

/** Makes a schedule from its name and its config. */
export type Rebuild = (
  name: string,
  config: Schedule["config"]
) => Result.Result<Schedule, { readonly message: string }>

/** How the laws of schedules are stated. */
export interface ScheduleLawOptions {
  /** What the suite is called: `the schedule "cosine"` unless given. */
  readonly subject?: string | undefined
  /** Formulas in place of Effusion's. */
  readonly formulas?: Partial<Formulas> | undefined
  /**
   * Makes the schedule again from its name and its config, after both have been JSON; `fromConfig` unless given. A
   * schedule whose config is empty is not kept as JSON, and has no law of it.
   */
  readonly rebuild?: Rebuild | undefined
}

/**
 * The laws of one schedule, a user's own included: any value with `steps`, `beta` and `alphaBar`.
 *
 * @example
 * Laws.test(it, Laws.schedule(Result.getOrThrow(fromBetas(myBetas))))
 */
export const schedule = (schedule: Schedule, options: ScheduleLawOptions = {}): Suite =>
  suite(options.subject ?? `the schedule "${schedule.name}"`, lawsOf(one(schedule), isKept(schedule), options))

/**
 * The laws of every schedule of an arbitrary: of a family with any options, for example.
 *
 * @example
 * const family = fc.integer({ min: 1, max: 200 }).map((steps) => Result.getOrThrow(cosine({ steps })))
 * Laws.test(it, Laws.schedules(family, { subject: "the cosine schedules" }))
 */
export const schedules = (schedules: fc.Arbitrary<Schedule>, options: ScheduleLawOptions = {}): Suite =>
  suite(options.subject ?? "schedules", lawsOf(every(schedules), true, options))

const isKept = ({ config }: Schedule): boolean => Object.keys(config).length > 0

const lawsOf = (
  subject: Subject<Schedule>,
  isKept: boolean,
  options: ScheduleLawOptions
): ReadonlyArray<Law> => {
  const f: Formulas = { ...formulas, ...options.formulas }
  const { rebuild = (name, config) => S.fromConfig({ name, ...config }) } = options
  const stated = (
    name: string,
    sentence: string,
    source: string,
    violation: (schedule: Schedule) => Violation
  ): Law =>
    law({
      name: `schedule/${name}`,
      sentence,
      source,
      inputs: subject.values,
      // Where the tables are not there, nothing else can be said of them.
      violation: (schedule) => tableFault(schedule) ?? violation(schedule),
      ...(subject.isOne ? { atMost: 1, show: () => "" } : { show: showSchedule })
    })

  return [
    stated(
      "tables-are-whole",
      "there are T >= 1 timesteps, and a finite beta and alphaBar for each of them",
      "Ho et al. 2020, section 2",
      () => undefined
    ),
    stated(
      "alpha-bar-falls",
      "1 > alphaBar_0 > alphaBar_1 > ... > alphaBar_{T-1} >= 0, and only the last may be 0",
      "Ho et al. 2020, equation 4: a step adds noise, and never takes it away; the last is 0 with zero terminal SNR (Lin et al. 2024)",
      ({ alphaBar, steps }) =>
        atSomeT(0, steps, (t) => {
          const [now, before] = [alphaBar[t]!, t === 0 ? 1 : alphaBar[t - 1]!]
          if (!(now < before)) return `alphaBar is ${now} after ${before}`
          if (now < 0) return `alphaBar is ${now}, below 0`
          return now === 0 && t < steps - 1 ? "alphaBar is 0, and there are further timesteps" : undefined
        })
    ),
    stated(
      "alpha-bar-is-product",
      "alphaBar_t is the product of 1 - beta over the timesteps up to and including t, within the rounding of its factors",
      "Ho et al. 2020, section 2; here as the sum of log(1 - beta)",
      alphaBarIsProduct
    ),
    stated(
      "signal-and-spread",
      "the squares of the factors of data and noise add up to 1, within 4 units in the last place",
      "Ho et al. 2020, equation 4: a variance of 1 is kept",
      (schedule) =>
        atSomeT(0, schedule.steps, (t) => {
          const [signal, spread] = [f.sqrtAlphaBar(schedule, t), f.sqrtOneMinusAlphaBar(schedule, t)]
          return first(
            near("signal^2 + spread^2", signal ** 2 + spread ** 2, "it is", 1, 4 * epsilon),
            near("signal^2", signal ** 2, "alphaBar is", schedule.alphaBar[t]!, 4 * epsilon)
          )
        })
    ),
    stated(
      "snr-falls",
      "the signal-to-noise ratio is that of the factors of data and noise, and falls with t; its logarithm is logSnr",
      "Kingma et al. 2021, equations 1 and 2",
      (schedule) =>
        atSomeT(0, schedule.steps, (t) => {
          const alphaBar = schedule.alphaBar[t]!
          const snr = f.snr(schedule, t)
          // Written as 1 / (1 / alphaBar - 1), which rounds otherwise than the formula does.
          const tolerance = 8 * epsilon / (1 - alphaBar)
          if (t > 0 && !(snr < f.snr(schedule, t - 1))) return `the SNR is ${snr} after ${f.snr(schedule, t - 1)}`
          return first(
            near("the SNR", snr, "1 / (1 / alphaBar - 1) is", 1 / (1 / alphaBar - 1), snr * tolerance),
            near("logSnr", f.logSnr(schedule, t), "log(SNR) is", Math.log(snr), 1e-12 + tolerance)
          )
        })
    ),
    stated(
      "kernels-compose",
      "the steps from the data to t, one after the other, are the one step from the data to t, within their rounding",
      "Ho et al. 2020, equations 2 and 4",
      (schedule) => kernelsCompose(schedule, f)
    ),
    stated(
      "posterior-is-bayes",
      "q(x_{t-1} | x_t, x_0) is the normalised product of q(x_t | x_{t-1}) and q(x_{t-1} | x_0), within 1e-9 and what is lost to rounding where beta is small",
      "Bayes' rule, as precisions and precision-weighted means; Ho et al. 2020, equations 6 and 7",
      (schedule) => atSomeT(0, schedule.steps, (t) => posteriorIsBayes(schedule, t, f))
    ),
    stated(
      "posterior-is-consistent",
      "integrating x_t out of the posterior leaves q(x_{t-1} | x_0), within 1e-9 and what is lost to rounding where beta is small",
      "the law of total probability; Ho et al. 2020, equations 4, 6 and 7",
      (schedule) => atSomeT(0, schedule.steps, (t) => posteriorIsConsistent(schedule, t, f))
    ),
    stated(
      "posterior-variance-bounds",
      "the variance of the posterior is 0 at t = 0, and from there on above 0 and at most beta_t",
      "Ho et al. 2020, section 3.2: the bounds of the variance of a step back",
      (schedule) =>
        atSomeT(0, schedule.steps, (t) => {
          const variance = f.posteriorVariance(schedule, t)
          if (t === 0) return variance === 0 ? undefined : `the posterior variance is ${variance}; x_{-1} is the data`
          const beta = schedule.beta[t]!
          return variance > 0 && variance <= beta
            ? undefined
            : `the posterior variance is ${variance}, not in (0, ${beta}], beta being ${beta}`
        })
    ),
    stated(
      "respaced-is-subset",
      "over every second timestep, and over every other choice that is tried, alphaBar is that of the schedule, bit for bit, and one step is those that it skips",
      "Nichol and Dhariwal 2021, section 4",
      (schedule) => respacedIsSubset(schedule, f)
    ),
    stated(
      "float32-tables",
      "the factors of data and noise in float32 are those of float64, rounded once: they differ by 2^-24 of their value at most, and by 2^-150 where that is less than 2^-126",
      "IEEE 754, round to nearest; below 2^-126 numbers are subnormal",
      (schedule) => float32Tables(schedule, f)
    ),
    ...(isKept ?
      [stated(
        "json-round-trip",
        "name and config, as JSON and back, make the same tables, bit for bit",
        "a checkpoint keeps no more of a schedule than these",
        (schedule) => jsonRoundTrip(schedule, rebuild)
      )] :
      [])
  ]
}

const tableFault = ({ alphaBar, beta, steps }: Schedule): Violation => {
  if (!(Number.isInteger(steps) && steps >= 1)) return `"steps" is ${steps}`
  if (alphaBar.length !== steps || beta.length !== steps) {
    return `there are ${beta.length} betas and ${alphaBar.length} alphaBar for ${steps} timesteps`
  }
  return atSomeT(
    0,
    steps,
    (t) =>
      Number.isFinite(beta[t]) && Number.isFinite(alphaBar[t]) && beta[t]! > 0 && beta[t]! <= 1
        ? undefined
        : `beta is ${beta[t]} and alphaBar ${alphaBar[t]}`
  )
}

const alphaBarIsProduct = ({ alphaBar, beta, steps }: Schedule): Violation => {
  let logarithm = 0
  let tolerance = 2 * epsilon
  return atSomeT(0, steps, (t) => {
    if (beta[t] === 1) {
      // Where alphaBar falls 2^53-fold at once, its beta cannot be told from 1.
      const before = t === 0 ? 1 : alphaBar[t - 1]!
      logarithm = Math.log(alphaBar[t]!)
      return alphaBar[t]! <= before * epsilon
        ? undefined
        : `alphaBar is ${alphaBar[t]} after ${before}, where beta is 1`
    }
    logarithm += Math.log1p(-beta[t]!)
    // A beta is known to half a unit in the last place of 1, where it was made of a ratio of two alphaBar.
    tolerance += 2 * epsilon / (1 - beta[t]!) + epsilon * Math.abs(logarithm)
    const product = Math.exp(logarithm)
    return near("alphaBar", alphaBar[t]!, "the product of 1 - beta is", product, product * tolerance)
  })
}

const kernelsCompose = (schedule: Schedule, f: Formulas): Violation => {
  // A chain of kernels N(scale x, variance): scales multiply, and a variance is scaled by what follows.
  let scale = 1
  let variance = 0
  return atSomeT(0, schedule.steps, (t) => {
    const step = f.forwardStep(schedule, t)
    const marginal = f.forwardMarginal(schedule, t)
    scale *= step.scale
    variance = step.scale ** 2 * variance + step.variance
    const tolerance = 16 * (t + 1) * epsilon
    return first(
      near(
        "the factor of the data in x_t",
        marginal.scale,
        "that of the single steps is",
        scale,
        tolerance * scale + 1e-300
      ),
      near("the variance of x_t", marginal.variance, "that of the single steps is", variance, tolerance)
    )
  })
}

/** How many digits a posterior has: it divides by beta_t and by 1 - alphaBar_{t-1}, which rounding makes uncertain. */
const posteriorTolerance = ({ alphaBar, beta }: Schedule, t: number): number =>
  1e-9 + 16 * epsilon / Math.min(beta[t]!, 1 - alphaBar[Math.max(0, t - 1)]!)

const posteriorIsBayes = (schedule: Schedule, t: number, f: Formulas): Violation => {
  const { alphaBar, beta } = schedule
  const tolerance = posteriorTolerance(schedule, t)
  const before = t === 0 ? 1 : alphaBar[t - 1]!
  const step = alphaBar[t]! / before
  // The prior N(sqrt(before) x_0, 1 - before), which is a point at t = 0, and the likelihood N(x_t; sqrt(step) x, beta).
  const prior = 1 / (1 - before)
  const likelihood = step / beta[t]!
  const variance = t === 0 ? 0 : 1 / (prior + likelihood)
  const ofX0 = t === 0 ? 1 : variance * prior * Math.sqrt(before)
  const ofXt = t === 0 ? 0 : variance * Math.sqrt(step) / beta[t]!
  return first(
    near(
      "the posterior variance",
      f.posteriorVariance(schedule, t),
      "Bayes' rule gives",
      variance,
      tolerance * variance
    ),
    near("the factor of x_0", f.posteriorMeanFactorOfX0(schedule, t), "Bayes' rule gives", ofX0, tolerance * ofX0),
    near("the factor of x_t", f.posteriorMeanFactorOfXt(schedule, t), "Bayes' rule gives", ofXt, tolerance * ofXt)
  )
}

const posteriorIsConsistent = (schedule: Schedule, t: number, f: Formulas): Violation => {
  const alphaBar = schedule.alphaBar[t]!
  const before = t === 0 ? 1 : schedule.alphaBar[t - 1]!
  const tolerance = posteriorTolerance(schedule, t)
  const ofXt = f.posteriorMeanFactorOfXt(schedule, t)
  const scale = f.posteriorMeanFactorOfX0(schedule, t) + ofXt * Math.sqrt(alphaBar)
  const variance = ofXt ** 2 * (1 - alphaBar) + f.posteriorVariance(schedule, t)
  return first(
    near(
      "the factor of x_0 in x_{t-1}",
      scale,
      "sqrt(alphaBar_{t-1}) is",
      Math.sqrt(before),
      tolerance * Math.sqrt(before)
    ),
    near("the variance of x_{t-1}", variance, "1 - alphaBar_{t-1} is", 1 - before, tolerance * (1 - before))
  )
}

const respacedIsSubset = (schedule: Schedule, f: Formulas): Violation => {
  const all = Array.from({ length: schedule.steps }, (_, t) => t)
  const choices = [all, all.filter((t) => t % 2 === 0), all.filter((t) => t % 2 === 1), all.slice(-1), [
    all[0]!,
    ...all.slice(2)
  ]]
  for (const choice of choices.filter(({ length }) => length > 0)) {
    const result = f.respace(schedule, choice.toReversed())
    const over = `over the timesteps ${choice.slice(0, 4).join(", ")}${choice.length > 4 ? ", ..." : ""}`
    if (Result.isFailure(result)) return `${over}: ${result.failure.message}`
    const respaced = result.success
    const found = first(
      same("timesteps", respaced.timesteps, "the choice has", choice),
      same("alphaBar", respaced.alphaBar, "the schedule has", choice.map((t) => schedule.alphaBar[t]!)),
      respacedSteps(schedule, respaced)
    )
    if (found !== undefined) return `${over}: ${found}`
  }
  return undefined
}

/** One step of a respaced schedule is the steps that it skips: 1 - beta is their product. */
const respacedSteps = (schedule: Schedule, { beta, timesteps }: RespacedSchedule): Violation =>
  atSomeT(0, timesteps.length, (i) => {
    let step = 1
    const start = i === 0 ? 0 : timesteps[i - 1]! + 1
    for (let t = start; t <= timesteps[i]!; t++) step *= 1 - schedule.beta[t]!
    return near("beta", beta[i]!, "that of the steps which it skips is", 1 - step, 4 * (schedule.steps + 4) * epsilon)
  })

/** Half a unit in the last place of float32. */
const half = (value: number): number => 2 ** -24 * Math.max(value, 2 ** -126)

const float32Tables = (schedule: Schedule, f: Formulas): Violation => {
  const { signal, spread } = f.float32Tables(schedule)
  return atSomeT(0, schedule.steps, (t) => {
    const [a, s] = [Math.sqrt(schedule.alphaBar[t]!), Math.sqrt(1 - schedule.alphaBar[t]!)]
    return first(
      near("the factor of the data in float32", signal[t]!, "in float64 it is", a, half(a)),
      near("the factor of the noise in float32", spread[t]!, "in float64 it is", s, half(s))
    )
  })
}

const jsonRoundTrip = (schedule: Schedule, rebuild: Rebuild): Violation => {
  const { config, name } = JSON.parse(JSON.stringify({ name: schedule.name, config: schedule.config })) as Schedule
  const result = rebuild(name, config)
  if (Result.isFailure(result)) return `it cannot be made from its config: ${result.failure.message}`
  const again = result.success
  return first(
    again.name === name ? undefined : `its name is "${again.name}" after the round trip, and was "${name}"`,
    same("beta after the round trip", again.beta, "before it", schedule.beta),
    same("alphaBar after the round trip", again.alphaBar, "before it", schedule.alphaBar)
  )
}
