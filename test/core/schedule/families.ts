/**
 * The families of schedules by name, for tests that go through all of them.
 */
import * as S from "@effusion/core/schedule"
import { Result } from "effect"

/** A schedule by the name of its family and any options, as JSON has them. */
export const scheduleOf = (
  { family, options, zeroTerminalSnr = false }: {
    readonly family: string
    readonly options: { readonly [option: string]: unknown }
    readonly zeroTerminalSnr?: boolean
  }
): S.Schedule => {
  const schedule = Result.getOrThrow(S.fromConfig({ name: family, ...options }))
  return zeroTerminalSnr ? Result.getOrThrow(S.rescaleZeroTerminalSnr(schedule)) : schedule
}

/** The families that have options of their own. */
export const families = {
  linear: S.linear,
  "scaled-linear": S.scaledLinear,
  cosine: S.cosine,
  "sigmoid-beta": S.sigmoidBeta,
  "sigmoid-alpha-bar": S.sigmoidAlphaBar,
  exponential: S.exponential,
  laplace: S.laplace
}

/** Their names. */
export const familyNames = Object.keys(families) as ReadonlyArray<keyof typeof families>

/** Their layers. */
export const layers = {
  linear: S.NoiseSchedule.linear,
  "scaled-linear": S.NoiseSchedule.scaledLinear,
  cosine: S.NoiseSchedule.cosine,
  "sigmoid-beta": S.NoiseSchedule.sigmoidBeta,
  "sigmoid-alpha-bar": S.NoiseSchedule.sigmoidAlphaBar,
  exponential: S.NoiseSchedule.exponential,
  laplace: S.NoiseSchedule.laplace
}
