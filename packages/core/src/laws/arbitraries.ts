/**
 * Random subjects for laws, to state them of every schedule there is, or of one's own code on every schedule.
 */
import { Result } from "effect"
import * as fc from "fast-check"
import {
  Continuous,
  type ContinuousSchedule,
  cosine,
  exponential,
  fromAlphaBar,
  fromAlphaBars,
  fromBetas,
  laplace,
  linear,
  rescaleZeroTerminalSnr,
  respace,
  scaledLinear,
  type Schedule,
  sigmoidAlphaBar,
  sigmoidBeta
} from "../schedule/index.ts"

const beta = fc.double({ min: 1e-5, max: 0.9, noNaN: true })
const maximumBeta = fc.double({ min: 0.01, max: 0.9999, noNaN: true })
const steps = fc.integer({ min: 1, max: 200 })
const number = (min: number, max: number) => fc.double({ min, max, noNaN: true })

/** A few betas of any sizes, in any order. */
export const anyBetas: fc.Arbitrary<Array<number>> = fc.array(beta, { minLength: 1, maxLength: 40 })

/** Options that make a schedule for most values; where they do not, in float64, others are drawn. */
const successful = <E>(results: fc.Arbitrary<Result.Result<Schedule, E>>): fc.Arbitrary<Schedule> =>
  results.filter(Result.isSuccess).map(Result.getOrThrow)

/**
 * A schedule of any family with any options that make one, whose alphaBar are all above 0.
 *
 * @example
 * Laws.test(it, Laws.noising({ addNoise: myAddNoise }, { schedule: Laws.anySchedule }))
 */
export const anySchedule: fc.Arbitrary<Schedule> = successful(fc.oneof(
  fc.record({ steps, start: beta, end: beta }).map(linear),
  fc.record({ steps, referenceSteps: fc.integer({ min: 1, max: 20 }), start: beta, end: beta }).map(linear),
  fc.record({ steps, start: beta, end: beta }).map(scaledLinear),
  fc.record({ steps, start: beta, end: beta }).map(sigmoidBeta),
  fc.record({ steps, offset: number(0, 0.5), maximumBeta }).map(cosine),
  fc.record({ steps, start: number(-6, 0), end: number(0.1, 6), tau: number(0.3, 2), maximumBeta }).map(
    sigmoidAlphaBar
  ),
  fc.record({ steps, rate: number(0.1, 30), maximumBeta }).map(exponential),
  fc.record({
    steps,
    location: number(-3, 3),
    scale: number(0.2, 2),
    maximumBeta,
    convention: fc.constantFrom("paper" as const, "diffusers" as const)
  }).map(laplace),
  fc.record({ steps, power: number(0.5, 4) }).map(({ power, steps }) =>
    fromAlphaBar((u) => (1 - u) ** power, { steps })
  ),
  anyBetas.map(fromBetas),
  anyBetas.map((betas) => {
    let product = 1
    return fromAlphaBars(betas.map((beta) => product *= 1 - beta))
  })
))

/** A schedule that ends at an alphaBar of exactly 0. */
export const zeroTerminalSchedule: fc.Arbitrary<Schedule> = successful(anySchedule.map(rescaleZeroTerminalSnr))

/** A schedule over some of the timesteps of another. */
const respaced: fc.Arbitrary<Schedule> = fc.oneof(anySchedule, zeroTerminalSchedule).chain((schedule) =>
  fc.shuffledSubarray(Array.from(schedule.beta.keys()), { minLength: 1 }).map((timesteps) =>
    Result.getOrThrow(respace(schedule, timesteps))
  )
)

/** A continuous schedule that is known by JSON. */
export const anyContinuousSchedule: fc.Arbitrary<ContinuousSchedule> = fc.oneof(
  fc.record({ logSnrMax: number(0, 20), logSnrMin: number(-20, -0.1) }).map(Continuous.linear),
  fc.record({ logSnrMax: number(0, 20), logSnrMin: number(-20, -0.1), shift: number(0.05, 8) }).map(Continuous.cosine),
  anySchedule.map(Continuous.interpolate)
).filter(Result.isSuccess).map(Result.getOrThrow)

/** A schedule of timesteps along a continuous one. */
const discretized: fc.Arbitrary<Schedule> = successful(
  fc.tuple(anyContinuousSchedule, steps).map(([continuous, steps]) => Continuous.discretize(continuous, { steps }))
)

/**
 * A schedule of any family, or one made of such a schedule in any way: respaced, with zero terminal SNR, from continuous
 * time.
 *
 * @example
 * Laws.test(it, Laws.schedules(Laws.anyDerivedSchedule))
 */
export const anyDerivedSchedule: fc.Arbitrary<Schedule> = fc.oneof(
  anySchedule,
  zeroTerminalSchedule,
  respaced,
  discretized
)

/** Elements without subnormals or huge values: multiples of 1/1024 from -3 to 3. */
export const elements = (length: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.array(fc.noBias(fc.integer({ min: -3072, max: 3072 })).map((n) => n / 1024), {
    minLength: length,
    maxLength: length
  })
