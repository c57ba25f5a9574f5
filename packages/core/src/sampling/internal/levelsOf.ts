/**
 * The levels of noise that a choice amounts to.
 */
import { Result } from "effect"
import {
  type InvalidSigmas,
  InvalidTimesteps,
  lambdaOf,
  levelAt,
  levelOfSigma,
  type NoiseLevel,
  type Schedule,
  sigmaOf,
  Sigmas,
  Timesteps
} from "../../schedule/index.ts"
import {
  isSigmaSpacing,
  type SigmaSpacing,
  type Spacing,
  type TimestepChoice,
  type TimestepSpacing
} from "../TimestepChoice.ts"

type Choice<A> = Result.Result<ReadonlyArray<A>, InvalidTimesteps | InvalidSigmas>

type Steps = Extract<TimestepChoice, { readonly steps: number }>

/** The levels in the order in which they are visited, at least one. */
export const levelsOf = (schedule: Schedule, choice: TimestepChoice): Choice<NoiseLevel> => {
  if (choice.levels !== undefined) return requireFalling(choice.levels, sigmaOf, "sigma ")
  if (choice.timesteps !== undefined) {
    return Result.map(
      Result.flatMap(requireFalling(choice.timesteps, (t) => t, ""), (timesteps) => requireInside(schedule, timesteps)),
      (timesteps) => timesteps.map((t) => levelAt(schedule, t))
    )
  }
  return isSigmaSpacing(choice.spacing)
    ? bySigma(schedule, choice.spacing, choice)
    : byTimestep(schedule, choice)
}

const byTimestep = (schedule: Schedule, choice: Steps): Choice<NoiseLevel> => {
  const { dropLast = false, fractional = false, lambdaMin = -Infinity, offset, steps } = choice
  const { spacing = usualSpacing(schedule) } = choice
  const noisy =
    Array.from({ length: schedule.steps }, (_, t) => t).filter((t) => lambdaOf(levelAt(schedule, t)) < lambdaMin).length
  // All sampler's timesteps are those of a shorter schedule where the noisiest are left out.
  const all = schedule.steps - noisy
  if (all === 0) {
    return Result.fail(
      new InvalidTimesteps({ reason: `all have more noise than the most that is wanted, ln(1 / sigma) ${lambdaMin}` })
    )
  }
  const oneMore = dropLast && steps < all && spacing !== "trailing" ? 1 : 0
  const evenly = { steps: all, count: steps + oneMore }
  if (fractional && spacing === "linspace") {
    return Result.map(Timesteps.linspaced(evenly), () =>
      Array.from({ length: steps }, (_, i) => {
        const t = evenly.count === 1 ? 0 : (all - 1) * (1 - i / (evenly.count - 1))
        return Number.isInteger(t) ? levelAt(schedule, t) : levelOfSigma(Sigmas.sigmaAt(schedule, t), t)
      }))
  }
  const timesteps = spacing === "leading"
    ? Timesteps.leading({ ...evenly, offset })
    : spacing === "linspace"
    ? Timesteps.linspaced(evenly)
    : Timesteps.trailing(evenly)
  return Result.map(timesteps, (falling) => falling.slice(0, steps).map((t) => levelAt(schedule, t)))
}

/** Samples start from noise alone: where a schedule ends in it, the way begins there (Lin et al. 2024, section 3.3). */
const usualSpacing = (schedule: Schedule): TimestepSpacing => schedule.alphaBar.at(-1) === 0 ? "trailing" : "leading"

const bySigma = (schedule: Schedule, spacing: SigmaSpacing, choice: Steps): Choice<NoiseLevel> => {
  const range = Sigmas.rangeOf(schedule)
  const { rho, rounding, sigmaMax = Math.min(range.sigmaMax, largestSigma), sigmaMin = range.sigmaMin } = choice
  const { timestepOf = (sigma) => Sigmas.timestepOfSigma(schedule, sigma) } = choice
  const sigmas = sequences[spacing]({ sigmaMin, sigmaMax, count: choice.steps, rho })
  return Result.map(
    sigmas,
    (falling) => falling.map((sigma) => levelOfSigma(sigma, round(timestepOf(sigma), rounding)))
  )
}

const sequences = {
  karras: Sigmas.karras,
  exponential: Sigmas.exponential,
  polyexponential: Sigmas.polyexponential,
  lu: Sigmas.lu
} as const

/** alphaBar = 2^-24, which diffusers takes in place of 0. */
const largestSigma = Math.sqrt(2 ** 24 - 1)

const round = (t: number, rounding: Spacing["rounding"]): number =>
  rounding === undefined ? t : rounding === "down" ? Math.floor(t) : Math.round(t)

const requireFalling = <A>(values: ReadonlyArray<A>, size: (value: A) => number, what: string): Choice<A> => {
  const fail = (reason: string) => Result.fail(new InvalidTimesteps({ reason }))
  if (values.length === 0) return fail("none are given; give at least one")
  const sizes = values.map(size)
  const at = sizes.findIndex((value, i) => i > 0 && !(value < sizes[i - 1]!))
  return at === -1 ? Result.succeed(values) : fail(
    `${what}${sizes[at]} comes after ${sizes[at - 1]}; give them strictly falling, the noisiest first`
  )
}

const requireInside = (schedule: Schedule, timesteps: ReadonlyArray<number>): Choice<number> => {
  const outside = timesteps.find((t) => !(Number.isInteger(t) && t >= 0 && t < schedule.steps))
  return outside === undefined ? Result.succeed(timesteps) : Result.fail(
    new InvalidTimesteps({
      reason: `${outside} is not a timestep of this schedule, which are the integers from 0 to ${schedule.steps - 1}`
    })
  )
}
