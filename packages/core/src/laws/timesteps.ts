/**
 * Laws of timestep samplers: how likely each timestep is, which one a position leads to, and how often its loss counts.
 *
 * Positions are laid out evenly, not drawn, so no law here fails by chance.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import {
  scheduleSampling,
  timestepProbabilities,
  TimestepSampler,
  type TimestepSamplerShape
} from "../pipeline/index.ts"
import { NoiseSchedule, type Schedule } from "../schedule/index.ts"
import { anySchedule } from "./arbitraries.ts"
import { atSomeT, near } from "./internal/compare.ts"
import { eagerly } from "./internal/eager.ts"
import { showSchedule } from "./internal/subject.ts"
import { type Law, law, type Suite, suite, type Violation } from "./Law.ts"

/** What becomes of the positions of a batch's examples, each in [0, 1). */
export interface DrawnTimesteps {
  readonly t: ArrayLike<number>
  /** How often each example counts; absent where each counts once. */
  readonly importance?: ArrayLike<number> | undefined
}

/** What makes timesteps of positions. */
export type DrawTimesteps = (
  sampler: TimestepSamplerShape,
  schedule: Schedule,
  positions: Float32Array
) => DrawnTimesteps

/** What the probabilities are said to be. */
export interface StatedProbability {
  /** For people: `that of ln sigma ~ N(-1.2, 1.2^2) between the midpoints`. */
  readonly formula: string
  readonly probability: (schedule: Schedule, t: number) => number
}

/** How the laws of a timestep sampler are stated. */
export interface TimestepLawOptions {
  /** What the suite is called: `the timestep sampler "log-normal"` unless given. */
  readonly subject?: string | undefined
  /** The schedule to draw from, or an arbitrary of several; {@link anySchedule} unless given. */
  readonly schedule?: Schedule | fc.Arbitrary<Schedule> | undefined
  /** What the probabilities are said to be. */
  readonly stated?: StatedProbability | undefined
  /** What makes timesteps of positions; the stage `scheduleSampling` unless given. */
  readonly draw?: DrawTimesteps | undefined
}

/**
 * The laws of a timestep sampler.
 *
 * @example
 * Laws.test(it, Laws.timesteps(Result.getOrThrow(logitNormalTimesteps({ spread: "stratified" }))))
 */
export const timesteps = (sampler: TimestepSamplerShape, options: TimestepLawOptions = {}): Suite =>
  suite(options.subject ?? `the timestep sampler "${sampler.name}"`, lawsOf(sampler, options))

/** The number of positions that are laid out. */
const count = 1024

const positions = Float32Array.from({ length: count }, (_, i) => (i + 0.5) / count)

/** The stage on plain tfjs, told the positions. */
const byStage: DrawTimesteps = (sampler, schedule, u) => {
  const { adaptation, apply } = Effect.runSync(Effect.provide(
    scheduleSampling,
    Layer.merge(Layer.succeed(TimestepSampler, sampler), NoiseSchedule.layer(schedule))
  ))
  return eagerly(() => {
    const learnt = Object.entries(adaptation?.tables(adaptation.initial) ?? {})
    const tables = Object.fromEntries(learnt.map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]))
    const { importance, t } = apply({ x0: tf.zeros([u.length, 1]) }, {
      parameters: {},
      draws: { u: tf.tensor1d(u) },
      tables
    })
    return { t: t.dataSync().slice(), importance: importance?.dataSync().slice() }
  })
}

const lawsOf = (sampler: TimestepSamplerShape, options: TimestepLawOptions): ReadonlyArray<Law> => {
  const { draw = byStage, schedule = anySchedule, stated } = options
  const { distribution, spread } = sampler
  const inputs = "alphaBar" in schedule ? fc.constant(schedule) : schedule
  const ofSchedule = (
    name: string,
    sentence: string,
    source: string,
    violation: (schedule: Schedule) => Violation,
    atMost?: number
  ) => law({ name: `timesteps/${name}`, sentence, source, inputs, show: showSchedule, violation, atMost })
  // The even and independent sampler draws whole numbers, and has no positions.
  const hasPositions = !(distribution._tag === "Uniform" && spread === "independent")
  const corrects = distribution._tag === "Learned" || (distribution._tag === "Fixed" && distribution.corrects)
  return [
    ofSchedule(
      "probabilities",
      "each timestep has a probability, none of them below 0, and together they are 1, within 1e-9",
      "the definition of a distribution",
      (schedule) => {
        const p = timestepProbabilities(sampler, schedule)
        if (p.length !== schedule.steps) return `there are ${p.length} probabilities for ${schedule.steps} timesteps`
        return atSomeT(0, schedule.steps, (t) => p[t]! >= 0 ? undefined : `the probability is ${p[t]}`) ??
          near("the sum of the probabilities", p.reduce((sum, value) => sum + value, 0), "it should be", 1, 1e-9)
      }
    ),
    ...(stated === undefined ? [] : [ofSchedule(
      "as-stated",
      `the probability of a timestep is ${stated.formula}, within 1e-7`,
      "the definition of the distribution, its density integrated by Simpson's rule",
      (schedule) => {
        const p = timestepProbabilities(sampler, schedule)
        return atSomeT(
          0,
          schedule.steps,
          (t) => near("the probability", p[t]!, `${stated.formula} is`, stated.probability(schedule, t), 1e-7)
        )
      }
    )]),
    ...(hasPositions
      ? [ofSchedule(
        "quantile",
        `of ${count} positions that lie evenly in [0, 1), as many lead to the timesteps up to t as the probability of these says, within one; later positions never lead to earlier timesteps`,
        "inverse transform sampling: F^-1(u) has the distribution F",
        (schedule) =>
          isQuantile(schedule, timestepProbabilities(sampler, schedule), draw(sampler, schedule, positions)),
        10
      )]
      : []),
    ...(corrects
      ? [ofSchedule(
        "importance",
        "an example counts 1 / (T p_t) times, within 1e-5 of it: what is expected of any loss is its mean over uniform timesteps",
        "Nichol and Dhariwal 2021, section 3.3: importance sampling",
        (schedule) => {
          const p = timestepProbabilities(sampler, schedule)
          const { importance, t } = draw(sampler, schedule, positions)
          if (importance === undefined) return "examples have no importance"
          return atSomeT(0, count, (i) => {
            const expected = 1 / (schedule.steps * p[t[i]!]!)
            return near(
              `(of the example) the importance of t = ${t[i]}`,
              importance[i]!,
              "it should be",
              expected,
              1e-5 * expected
            )
          })
        },
        10
      )]
      : [])
  ]
}

const isQuantile = ({ steps }: Schedule, p: Float64Array, { t }: DrawnTimesteps): Violation => {
  const counts = new Float64Array(steps)
  for (let i = 0; i < count; i++) {
    const drawn = t[i]!
    if (!(Number.isInteger(drawn) && drawn >= 0 && drawn < steps)) {
      return `the position ${positions[i]} leads to t = ${drawn}, and there are ${steps} timesteps`
    }
    if (i > 0 && drawn < t[i - 1]!) return `the position ${positions[i]} leads to t = ${drawn}, after t = ${t[i - 1]}`
    counts[drawn]!++
  }
  let [upTo, probability] = [0, 0]
  return atSomeT(0, steps, (t) => {
    upTo += counts[t]!
    probability += p[t]!
    return near("the number of positions up to it", upTo, "its probability asks for", count * probability, 1)
  })
}

/**
 * The probability that a normal variable lies between two numbers, by Simpson's rule; what lies beyond 9 standard
 * deviations counts as 0.
 */
export const normalBetween = (from: number, to: number, mean: number, standardDeviation: number): number => {
  const [a, b] = [from, to].map((x) => Math.min(9, Math.max(-9, (x - mean) / standardDeviation))) as [number, number]
  const intervals = 2 * Math.ceil((b - a) / 0.05)
  if (intervals === 0) return 0
  const h = (b - a) / intervals
  let sum = 0
  for (let i = 0; i <= intervals; i++) {
    const factor = i === 0 || i === intervals ? 1 : i % 2 === 1 ? 4 : 2
    sum += factor * Math.exp(-((a + i * h) ** 2) / 2)
  }
  return sum * h / 3 / Math.sqrt(2 * Math.PI)
}
