/**
 * Laws of noise schedules in continuous time, and of the way to timesteps and back.
 */
import { Result } from "effect"
import * as fc from "fast-check"
import { Continuous, type ContinuousSchedule, type Schedule } from "../schedule/index.ts"
import { anySchedule } from "./arbitraries.ts"
import { among, atSomeT, near } from "./internal/compare.ts"
import { showSchedule } from "./internal/subject.ts"
import { law, type Suite, suite } from "./Law.ts"

/** How the laws of a continuous schedule are stated. */
export interface ContinuousLawOptions {
  /** What the suite is called: `the continuous schedule "cosine"` unless given. */
  readonly subject?: string | undefined
  /** What makes timesteps of it; `Continuous.discretize` unless given. */
  readonly discretize?: typeof Continuous.discretize | undefined
}

/**
 * The laws of a continuous schedule, or of all of an arbitrary.
 *
 * @example
 * Laws.test(it, Laws.continuous(Result.getOrThrow(Continuous.fromLogSnr((u) => 10 - 20 * u ** 2))))
 */
export const continuous = (
  schedules: ContinuousSchedule | fc.Arbitrary<ContinuousSchedule>,
  { discretize = Continuous.discretize, subject }: ContinuousLawOptions = {}
): Suite => {
  const isOne = "logSnr" in schedules
  const inputs = isOne ? fc.constant(schedules) : schedules
  const show = (schedule: ContinuousSchedule) => `${schedule.name} ${JSON.stringify(schedule.config)}`
  const atMost = isOne ? 1 : undefined
  return suite(subject ?? (isOne ? `the continuous schedule "${schedules.name}"` : "continuous schedules"), [
    law({
      name: "continuous/falls",
      sentence: `the log-SNR is finite and falls, at ${places + 1} places from 0 to 1`,
      source: "Kingma et al. 2021, section 3.1: gamma, which is -logSnr, rises",
      inputs,
      show,
      atMost,
      violation: ({ logSnr }) =>
        among(Array.from({ length: places + 1 }, (_, i) => i / places), (u) => {
          const [value, before] = [logSnr(u), u === 0 ? Infinity : logSnr(u - 1 / places)]
          return value < before && value > -Infinity
            ? undefined
            : `at u = ${u} the log-SNR is ${value}${u === 0 ? "" : `, after ${before}`}`
        })
    }),
    law({
      name: "continuous/derivative",
      sentence: "the derivative, summed from 0 to 1, is the fall of the log-SNR, within 3 % of it",
      source: "the fundamental theorem of calculus; the loss of continuous time is weighted by the derivative",
      inputs,
      show,
      atMost,
      violation: ({ derivative, logSnr }) => {
        let sum = 0
        for (let i = 0; i < slices; i++) sum += derivative((i + 0.5) / slices)
        const fall = logSnr(1) - logSnr(0)
        return near("the sum of the derivative", sum / slices, "the log-SNR changes by", fall, 0.03 * Math.abs(fall))
      }
    }),
    law({
      name: "continuous/discretized",
      sentence: "timestep t of T has the alphaBar of u = (t + 1) / T, sigmoid(logSnr(u)), within 1e-12",
      source: "Kingma et al. 2021, equation 4 and section 3.3, who count from 1",
      inputs: fc.record({ schedule: inputs, steps: fc.integer({ min: 1, max: 60 }) }),
      show: ({ schedule, steps }) => `${steps} timesteps of ${show(schedule)}`,
      violation: ({ schedule, steps }) => {
        const result = discretize(schedule, { steps })
        // Two alphaBar that are one in float64 are refused.
        if (Result.isFailure(result)) return undefined
        return atSomeT(0, steps, (t) => {
          const expected = 1 / (1 + Math.exp(-schedule.logSnr((t + 1) / steps)))
          return near("alphaBar", result.success.alphaBar[t]!, "the log-SNR says", expected, 1e-12)
        })
      }
    })
  ])
}

const places = 64
const slices = 20_000

/**
 * The laws of what makes a continuous schedule of timesteps.
 *
 * @example
 * Laws.test(it, Laws.interpolation(myInterpolation))
 */
export const interpolation = (
  interpolate: (schedule: Schedule) => Result.Result<ContinuousSchedule, { readonly message: string }> =
    Continuous.interpolate
): Suite =>
  suite("interpolation in continuous time", [
    law({
      name: "interpolation/passes-through",
      sentence: "at u = (t + 1) / T the log-SNR is ln(alphaBar_t / (1 - alphaBar_t)), within 1e-9",
      source: "the definition; `discretize` is to lead back",
      inputs: anySchedule.filter(({ steps }) => steps > 1),
      show: showSchedule,
      violation: (schedule) => {
        const { logSnr } = Result.getOrThrow(interpolate(schedule))
        return atSomeT(0, schedule.steps, (t) => {
          const expected = logSnrOf(schedule, t)
          return near("the log-SNR", logSnr((t + 1) / schedule.steps), "that of the timestep is", expected, 1e-9)
        })
      }
    }),
    law({
      name: "interpolation/lines",
      sentence: "halfway between two timesteps the log-SNR is the mean of theirs, within 1e-9",
      source: "the definition of interpolation by lines",
      inputs: anySchedule.filter(({ steps }) => steps > 1),
      show: showSchedule,
      violation: (schedule) => {
        const { logSnr } = Result.getOrThrow(interpolate(schedule))
        return atSomeT(1, schedule.steps, (t) => {
          const expected = (logSnrOf(schedule, t - 1) + logSnrOf(schedule, t)) / 2
          return near("the log-SNR before it", logSnr((t + 0.5) / schedule.steps), "the mean is", expected, 1e-9)
        })
      }
    })
  ])

const logSnrOf = ({ alphaBar }: Schedule, t: number): number => Math.log(alphaBar[t]! / (1 - alphaBar[t]!))
