/**
 * The timesteps and the levels of noise that a scheduler of diffusers visits.
 *
 * Sequences that Effusion has as well (`Timesteps`, `Sigmas`) are those; this adds what is diffusers' own: which class
 * spaces how, rounds what, and ends where.
 */
import {
  dataLevel,
  levelAt,
  levelOfSigma,
  type NoiseLevel,
  type Schedule,
  Sigmas,
  Timesteps
} from "@effusion/core/schedule"
import { Result } from "effect"
import { betaQuantile } from "./betaQuantile.ts"
import { GoldenProblem } from "./GoldenProblem.ts"
import type { Loop } from "./SchedulerCase.ts"
import type { Config, SchedulerKind } from "./schedulers.ts"
import { type Precision, roundingOf, type Tables, tablesOf } from "./tables.ts"

/** The way of a scheduler through the noise. */
export interface Way {
  readonly precision: Precision
  /** The schedule, in the tables' precision. */
  readonly schedule: Schedule
  /** What the denoiser is told, step by step. */
  readonly timesteps: ReadonlyArray<number>
  /** sigma step by step, and at the end; only of schedulers that go by it. */
  readonly sigmas?: ReadonlyArray<number>
  /** The level of noise at each step. */
  readonly levels: ReadonlyArray<NoiseLevel>
  /** Where the last step ends. */
  readonly final: NoiseLevel
}

/**
 * The way of a case.
 *
 * Fails with `GoldenProblem`.
 *
 * @example
 * const { timesteps } = Result.getOrThrow(wayOf("ddim", config, { num_inference_steps: 10 }, "float32"))
 * timesteps // => [900, 800, ..., 0]
 */
export const wayOf = (
  kind: SchedulerKind,
  config: Config,
  loop: Loop,
  precision: Precision
): Result.Result<Way, GoldenProblem> =>
  Result.gen(function*() {
    if (kind === "edmEuler" || kind === "edmDpmMultistep") return yield* wayOfEdm(kind, config, loop, precision)
    const byTimestep = kind === "ddpm" || kind === "ddim" || kind === "ddimInverse"
    const tables = yield* tablesOf(config, { precision, finite: !byTimestep })
    const timesteps = loop.timesteps ?? (yield* timestepsOf(kind, config, loop, tables))
    const { schedule } = tables
    const outside = timesteps.find((t) => !(t >= 0 && t < schedule.steps))
    if (outside !== undefined) {
      return yield* fail("loop.timesteps", `${outside} is outside a schedule of ${schedule.steps} steps`)
    }
    if (byTimestep) {
      const levels = timesteps.map((t) => levelAt(schedule, t))
      const final = kind === "ddpm" || config.set_alpha_to_one ? dataLevel : levelAt(schedule, 0)
      return { precision, schedule, timesteps, levels, final }
    }
    const way = yield* sigmasOf(kind, config, tables, timesteps)
    return bySigma(precision, schedule, way.timesteps, way.sigmas)
  })

const fail = (option: string, reason: string) => Result.fail(new GoldenProblem({ option, reason }))

/** The way of a scheduler that goes by sigma, of which there is one more than there are timesteps. */
const bySigma = (
  precision: Precision,
  schedule: Schedule,
  timesteps: ReadonlyArray<number>,
  sigmas: ReadonlyArray<number>
): Way => {
  const last = sigmas.at(-1)!
  return {
    precision,
    schedule,
    timesteps,
    sigmas,
    levels: timesteps.map((t, i) => levelOfSigma(sigmas[i]!, t)),
    final: last === 0 ? dataLevel : levelOfSigma(last, 0)
  }
}

/** Samplers of the Euler family space timesteps to the last one, and keep fractions; solvers leave the last one out. */
const isEulerFamily = (kind: SchedulerKind): boolean =>
  kind === "euler" || kind === "eulerAncestral" || kind === "heun" || kind === "lms"

const timestepsOf = (
  kind: SchedulerKind,
  config: Config,
  loop: Loop,
  tables: Tables
): Result.Result<ReadonlyArray<number>, GoldenProblem> => {
  const count = loop.num_inference_steps
  if (count === undefined) {
    return fail("loop.num_inference_steps", "it is missing; give the number of steps, or loop.timesteps")
  }
  const { round, schedule, sigmas } = tables
  if (count > schedule.steps) {
    return fail("loop.num_inference_steps", `${count} steps are more than a schedule of ${schedule.steps} has`)
  }
  // lambda = -ln sigma. DPM-Solver leaves out the noisiest timesteps of schedules that end in nearly pure noise.
  const noisiest = kind === "dpmMultistep" || kind === "dpmSinglestep"
    ? sigmas.filter((sigma) => -Math.log(sigma) < config.lambda_min_clipped).length
    : 0
  const steps = schedule.steps - noisiest
  const spacing = kind === "dpmSinglestep" ? "linspace" : config.timestep_spacing
  const oneMore = isEulerFamily(kind) || kind === "ddpm" || kind === "ddim" || kind === "ddimInverse" ? 0 : 1
  const chosen = ((): Result.Result<ReadonlyArray<number>, { readonly message: string }> => {
    switch (spacing) {
      case "leading": {
        // diffusers does not shorten the strides for an offset, nor check it.
        const stride = Math.floor(steps / (count + oneMore))
        return Result.succeed(
          Array.from({ length: count }, (_, i) => (count + oneMore - 1 - i) * stride + config.steps_offset)
        )
      }
      case "linspace":
        return isEulerFamily(kind)
          ? Result.succeed(Array.from({ length: count }, (_, i) => round(between(0, steps - 1, count, count - 1 - i))))
          : Result.map(
            Timesteps.linspaced({ steps, count: count + oneMore }),
            (timesteps) => timesteps.slice(0, count)
          )
      case "trailing":
        if (noisiest === 0) return Timesteps.trailing({ steps: schedule.steps, count })
        // DPM-Solver's strides stay those of the whole schedule, so there are fewer of them.
        return Result.succeed(
          Array.from(
            { length: Math.ceil(steps * count / schedule.steps) },
            (_, i) => Timesteps.roundHalfToEven(steps - i * schedule.steps / count) - 1
          )
        )
    }
  })()
  return Result.mapBoth(chosen, {
    onSuccess: (timesteps) => kind === "ddimInverse" ? timesteps.toReversed() : timesteps,
    onFailure: ({ message }) => new GoldenProblem({ option: "loop.num_inference_steps", reason: message })
  })
}

/** The i-th of `count` numbers evenly spaced from `start` to `end`. */
const between = (start: number, end: number, count: number, i: number): number =>
  count === 1 ? start : start + (end - start) / (count - 1) * i

interface BySigma {
  readonly timesteps: ReadonlyArray<number>
  readonly sigmas: ReadonlyArray<number>
}

const sigmasOf = (
  kind: SchedulerKind,
  config: Config,
  tables: Tables,
  timesteps: ReadonlyArray<number>
): Result.Result<BySigma, GoldenProblem> =>
  Result.map(visitedSigmas(kind, config, tables, timesteps), ({ sigmas, timesteps }) => ({
    timesteps: isEulerFamily(kind) ? continuous(config, sigmas, timesteps).map(tables.round) : timesteps,
    sigmas: [...sigmas, finalSigma(kind, config, tables, sigmas)].map(tables.round)
  }))

/** The sigmas at which steps begin, and what the denoiser is told there. */
const visitedSigmas = (
  kind: SchedulerKind,
  config: Config,
  { logSigmas, round, sigmas }: Tables,
  timesteps: ReadonlyArray<number>
): Result.Result<BySigma, GoldenProblem> => {
  const count = timesteps.length
  const spacing = spacingOf(config)
  const interpolated = timesteps.map((t) => interpolate(sigmas, t))
  if (spacing === undefined) {
    if (config.interpolation_type === "linear" || kind !== "euler") {
      return Result.succeed({ timesteps, sigmas: interpolated })
    }
    // The sequence is that of one step more, of which the last is where the last step ends, followed by 0.
    const [first, last] = [logSigmas.at(-1)!, logSigmas[0]!]
    const falling = Array.from({ length: count + 1 }, (_, i) => Math.exp(round(between(first, last, count + 1, i))))
    return Result.succeed({ timesteps, sigmas: falling })
  }
  // Solvers span the whole schedule; the Euler family spans the timesteps that it would visit otherwise.
  const spansAll = !isEulerFamily(kind) || (config.timestep_spacing === "trailing" && hasOneMore(sigmas.length, count))
  const sigmaMax = config.sigma_max ?? (isEulerFamily(kind) ? interpolated[0]! : sigmas.at(-1)!)
  const sigmaMin = config.sigma_min ?? (spansAll ? sigmas[0]! : interpolated.at(-1)!)
  return Result.mapBoth(sequence(spacing, { sigmaMax, sigmaMin, count }), {
    onFailure: ({ message }) => new GoldenProblem({ option: "config", reason: message }),
    onSuccess: (chosen) => {
      const places = chosen.map((sigma) => timestepAt(logSigmas, sigma))
      return { sigmas: chosen, timesteps: isEulerFamily(kind) ? places : places.map(wholeTimestep(kind, config)) }
    }
  })
}

/** Whether the strides of `"trailing"`, rounded, leave room for one timestep more, -1, for which NumPy takes that of t = 0. */
const hasOneMore = (steps: number, count: number): boolean => Math.ceil(steps / (steps / count)) > count

const spacingOf = (config: Config): "karras" | "exponential" | "lu" | "beta" | undefined =>
  config.use_karras_sigmas
    ? "karras"
    : config.use_lu_lambdas
    ? "lu"
    : config.use_exponential_sigmas
    ? "exponential"
    : config.use_beta_sigmas
    ? "beta"
    : undefined

const sequences = { karras: Sigmas.karras, exponential: Sigmas.exponential, lu: Sigmas.lu }

const sequence = (
  spacing: "karras" | "exponential" | "lu" | "beta",
  options: { readonly sigmaMax: number; readonly sigmaMin: number; readonly count: number }
) => {
  // The only timestep of a sequence of one is both ends.
  if (options.count === 1 && options.sigmaMax === options.sigmaMin) return Result.succeed([options.sigmaMax])
  if (spacing !== "beta") return sequences[spacing](options)
  // Evenly spaced quantiles of the Beta(0.6, 0.6) distribution (Lee et al., "Beta Sampling is All You Need", 2024).
  const { count, sigmaMax, sigmaMin } = options
  return Result.succeed(
    Array.from(
      { length: count },
      (_, i) => sigmaMin + (sigmaMax - sigmaMin) * betaQuantile(1 - between(0, 1, count, i), 0.6, 0.6)
    )
  )
}

/** Where the last step ends. */
const finalSigma = (
  kind: SchedulerKind,
  config: Config,
  { sigmas }: Tables,
  visited: ReadonlyArray<number>
): number => {
  if (kind === "eulerAncestral" || kind === "heun" || kind === "lms") return 0
  if (config.final_sigmas_type === "zero") return 0
  // UniPC and DEIS end at the last sigma of a spacing by sigma, DPM-Solver and Euler at that of the schedule.
  return (kind === "unipc" || kind === "deis") && spacingOf(config) !== undefined ? visited.at(-1)! : sigmas[0]!
}

/** What solvers tell the denoiser at a level between two timesteps: the nearest, or the one before. */
const wholeTimestep = (kind: SchedulerKind, config: Config) => (t: number): number => {
  const spacing = spacingOf(config)
  const rounds = spacing === "karras" || spacing === "lu"
  return rounds && !(kind === "dpmMultistep" && config.beta_schedule === "squaredcos_cap_v2")
    ? Timesteps.roundHalfToEven(t)
    : Math.floor(t)
}

/** What a denoiser that predicts v in continuous time is told: ln(sigma) / 4. */
const continuous = (
  config: Config,
  sigmas: ReadonlyArray<number>,
  timesteps: ReadonlyArray<number>
): ReadonlyArray<number> =>
  config.timestep_type === "continuous" && config.prediction_type === "v_prediction"
    ? timesteps.map((_, i) => Math.fround(0.25 * Math.log(Math.fround(sigmas[i]!))))
    : timesteps

/** A table at a fraction of an index, between its neighbours. */
const interpolate = (table: Float64Array, t: number): number => {
  const below = Math.min(Math.floor(t), table.length - 1)
  const above = Math.min(below + 1, table.length - 1)
  return table[below]! + (table[above]! - table[below]!) * (t - below)
}

/** The timestep at a sigma, between its neighbours by ln sigma. */
const timestepAt = (logSigmas: Float64Array, sigma: number): number => {
  const logSigma = Math.log(Math.max(sigma, 1e-10))
  const last = logSigmas.findLastIndex((value) => logSigma - value >= 0)
  const low = Math.min(Math.max(last, 0), logSigmas.length - 2)
  const part = (logSigmas[low]! - logSigma) / (logSigmas[low]! - logSigmas[low + 1]!)
  const weight = Math.min(Math.max(part, 0), 1)
  return (1 - weight) * low + weight * (low + 1)
}

/** EDM has no schedule: its levels are a sequence of sigmas, and the denoiser is told ln(sigma) / 4 (Karras et al. 2022). */
const wayOfEdm = (
  kind: "edmEuler" | "edmDpmMultistep",
  config: Config,
  loop: Loop,
  precision: Precision
): Result.Result<Way, GoldenProblem> => {
  const { final_sigmas_type, rho, sigma_max: sigmaMax = 80, sigma_min: sigmaMin = 0.002, sigma_schedule } = config
  const count = loop.num_inference_steps
  if (count === undefined) return fail("loop.num_inference_steps", "it is missing; give the number of steps")
  const round = roundingOf(precision)
  const options = { sigmaMax, sigmaMin, count }
  const sequence = sigma_schedule === "karras"
    ? Sigmas.karras({ ...options, rho })
    // diffusers makes this sequence from its end: of one, that is sigma_min.
    : count === 1
    ? Result.succeed([sigmaMin])
    : Sigmas.exponential(options)
  return Result.mapBoth(sequence, {
    onFailure: ({ message }) => new GoldenProblem({ option: "config", reason: message }),
    onSuccess: (chosen) => {
      const sigmas = chosen.map(round)
      const last = final_sigmas_type === "zero" ? 0 : kind === "edmEuler" ? sigmas.at(-1)! : round(sigmaMin)
      const timesteps = sigmas.map((sigma) => round(0.25 * round(Math.log(sigma))))
      return bySigma(precision, emptySchedule, timesteps, [...sigmas, last])
    }
  })
}

const emptySchedule: Schedule = {
  name: "edm",
  config: {},
  steps: 1,
  beta: Float64Array.of(0.5),
  alphaBar: Float64Array.of(0.5)
}
