/**
 * Churn: noise that goes in before an evaluation, which takes x up to a noisier level (Karras et al. 2022, algorithm 2).
 */
import { Result } from "effect"
import { levelOfSigma, type NoiseLevel, type Schedule, sigmaOf, Sigmas } from "../../schedule/index.ts"
import type { Leg } from "../route.ts"
import type { Combination, Plan, PlanOptions } from "../Sampler.ts"
import { InvalidSampling } from "../SamplingError.ts"
import { sumOf } from "./internal/combinations.ts"

/** How much noise goes in, and where. */
export interface Churn {
  /** S_churn, how much of it over all steps: before each of N, sigma rises by the factor 1 + min(churn / N, sqrt(2) - 1). 0 unless given. */
  readonly churn?: number | undefined
  /** S_tmin: no noise goes in below this sigma; 0 unless given. */
  readonly sTmin?: number | undefined
  /** S_tmax: none above this sigma; Infinity unless given. */
  readonly sTmax?: number | undefined
  /** S_noise, the factor of that noise; slightly above 1 makes up for detail that denoising loses. 1 unless given. */
  readonly sNoise?: number | undefined
}

/** Fails where an option is out of range. */
export const requireChurn = ({ churn = 0, sNoise = 1, sTmax = Infinity, sTmin = 0 }: Churn) => {
  for (const [option, value] of Object.entries({ churn, sTmin, sNoise })) {
    if (!(value >= 0 && value < Infinity)) {
      return Result.fail(new InvalidSampling({ option, value, expected: "a number of at least 0" }))
    }
  }
  return sTmax >= sTmin
    ? Result.void
    : Result.fail(
      new InvalidSampling({ option: "sTmax", value: sTmax, expected: `a number of at least sTmin, ${sTmin}` })
    )
}

/** Noise that takes x from one level up to another. */
export interface Added {
  readonly x: number
  readonly noise: number
}

/**
 * Legs that begin at the noisier level. The noise goes in where the step before ends, or at the start: the denoiser is to
 * see it, and it speaks first in every step.
 */
export const churned = (
  schedule: Schedule,
  options: PlanOptions,
  legs: ReadonlyArray<Leg>,
  { churn = 0, sNoise = 1, sTmax = Infinity, sTmin = 0 }: Churn
) => {
  const { skip = 0, timestepOf = (sigma: number) => Sigmas.timestepOfSigma(schedule, sigma) } = options
  const gamma = Math.min(churn / (legs.length + skip), Math.SQRT2 - 1)
  const raised = legs.map(({ from }): NoiseLevel => {
    const sigma = sigmaOf(from)
    if (gamma === 0 || sigma < sTmin || sigma > sTmax || sigma === Infinity) return from
    return levelOfSigma(sigma * (1 + gamma), timestepOf(sigma * (1 + gamma)))
  })
  // x / signal gains noise of variance sigma_hat^2 - sigma^2 = sigma^2 gamma (2 + gamma).
  const added = legs.map(({ from }, i): Added => {
    const to = raised[i]!
    if (to === from) return { x: 1, noise: 0 }
    return {
      x: to.signal / from.signal,
      noise: sNoise * to.signal * sigmaOf(from) * Math.sqrt(gamma * (2 + gamma))
    }
  })
  const { noise, x } = added[0]!
  return {
    added,
    /** What x becomes, taken up to the level at which the next leg begins. */
    finish: (next: Combination, after: Added | undefined): Combination =>
      after === undefined || after.noise === 0 ? next : withNoise(sumOf([after.x, next]), after.noise),
    legs: legs.map(({ to }, i): Leg => ({ from: raised[i]!, to: raised[i + 1] ?? to })),
    /** What sampling starts from, taken up to the level at which the first leg begins. */
    start: (plan: Plan): Plan =>
      noise === 0 ? plan : {
        ...plan,
        raise: { x, noise },
        initialNoiseSigma: Math.hypot(x * (options.initialNoise === "spread" ? legs[0]!.from.spread : 1), noise)
      }
  }
}

/** Independent noise more: variances add up. */
const withNoise = (next: Combination, noise: number): Combination => ({
  ...next,
  noise: Math.hypot(next.noise ?? 0, noise)
})
