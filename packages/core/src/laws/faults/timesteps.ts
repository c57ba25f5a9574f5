/**
 * Mistakes in timestep samplers.
 */
import { Result } from "effect"
import { logitNormalTimesteps, lossSecondMomentTimesteps, type TimestepSamplerShape } from "../../pipeline/index.ts"
import type { Schedule } from "../../schedule/index.ts"
import type { Fault } from "../Fault.ts"
import { type DrawTimesteps, normalBetween, timesteps } from "../timesteps.ts"

const logit = (u: number): number => Math.log(u / (1 - u))

const stated = {
  formula: "that of N(0, 1) between the logits of t / T and (t + 1) / T",
  probability: ({ steps }: Schedule, t: number) => normalBetween(logit(t / steps), logit((t + 1) / steps), 0, 1)
}

const logitNormal = Result.getOrThrow(logitNormalTimesteps())
const secondMoment = Result.getOrThrow(lossSecondMomentTimesteps())

const even: TimestepSamplerShape = { name: "even", distribution: { _tag: "Uniform" }, spread: "stratified" }

/** Probabilities in place of the right ones. */
const probabilities = (
  name: string,
  caughtBy: string,
  mistake: string,
  wrong: (schedule: Schedule) => ArrayLike<number>
): Fault => ({
  name,
  mistake,
  caughtBy: `timesteps/${caughtBy}`,
  wrong: timesteps({ ...logitNormal, distribution: { _tag: "Fixed", probabilities: wrong, corrects: false } }, {
    stated
  }),
  right: timesteps(logitNormal, { stated })
})

/** Another way from positions to timesteps. */
const drawing = (
  name: string,
  caughtBy: string,
  mistake: string,
  sampler: TimestepSamplerShape,
  draw: DrawTimesteps
): Fault => ({
  name,
  mistake,
  caughtBy: `timesteps/${caughtBy}`,
  wrong: timesteps(sampler, { draw }),
  right: timesteps(sampler)
})

const between = ({ steps }: Schedule, lower: (t: number) => number, upper: (t: number) => number) =>
  Float64Array.from({ length: steps }, (_, t) => normalBetween(lower(t), upper(t), 0, 1))

/** Timestep samplers with one mistake each. */
export const timestepFaults: ReadonlyArray<Fault> = [
  probabilities(
    "density-for-probability",
    "probabilities",
    "the density at t / T is taken for a probability, and at t = 0 it is none",
    ({ steps }) =>
      Float64Array.from({ length: steps }, (_, t) => {
        const u = t / steps
        return Math.exp(-(logit(u) ** 2) / 2) / (u * (1 - u))
      })
  ),
  probabilities(
    "intervals-off-by-one",
    "as-stated",
    "timestep t has the probability of the interval from (t + 1) / (T + 1) on",
    (schedule) => {
      const place = (t: number) => logit((t + 1) / (schedule.steps + 1))
      return between(schedule, (t) => place(t - 1), (t) => t === schedule.steps - 1 ? Infinity : place(t))
    }
  ),
  probabilities(
    "biased-late",
    "as-stated",
    "the later timesteps are a tenth likelier than they are said to be",
    (schedule) => {
      const place = (t: number) => logit(t / schedule.steps)
      return between(schedule, place, (t) => place(t + 1)).map((p, t) => t > schedule.steps / 2 ? 1.1 * p : p)
    }
  ),
  drawing(
    "position-rounded",
    "quantile",
    "a position is rounded to the nearest timestep, so the first is half as likely",
    even,
    (
      _,
      { steps },
      positions
    ) => ({ t: positions.map((u) => Math.round(u * (steps - 1))) })
  ),
  drawing("counted-from-one", "quantile", "timesteps are counted from 1, and the last is drawn twice as often", even, (
    _,
    { steps },
    positions
  ) => ({ t: positions.map((u) => Math.min(steps - 1, 1 + Math.floor(u * steps))) })),
  drawing(
    "importance-without-steps",
    "importance",
    "an example counts 1 / p_t times, so the loss grows with the number of timesteps",
    secondMoment,
    (_, { steps }, positions) => ({
      t: positions.map((u) => Math.floor(u * steps)),
      importance: positions.map(() => steps)
    })
  ),
  drawing(
    "importance-missing",
    "importance",
    "timesteps are drawn unevenly, and each example counts once",
    {
      ...logitNormal,
      distribution: {
        _tag: "Fixed",
        probabilities: ({ steps }) => Float64Array.from({ length: steps }, (_, t) => 1 + t),
        corrects: true
      }
    },
    (_, { steps }, positions) => ({
      t: positions.map((u) => Math.floor(u * steps)),
      importance: positions.map(() => 1)
    })
  )
]
