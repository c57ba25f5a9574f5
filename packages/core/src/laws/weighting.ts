/**
 * Laws of weightings of the loss over timesteps.
 *
 * Given x_t, an error of one prediction is an error of every other, so a weighting says one thing whatever is predicted.
 * Each law follows an error of x_0 through the definitions of the predictions, not through the formulas that it judges.
 */
import { Result } from "effect"
import * as fc from "fast-check"
import {
  type Parameterization,
  type PredictionType,
  predictionTypes,
  type Weighting,
  weightOf as effusionWeightOf
} from "../diffusion/index.ts"
import type { Schedule } from "../schedule/index.ts"
import { anySchedule } from "./arbitraries.ts"
import { among, atSomeT, epsilon, near } from "./internal/compare.ts"
import { showSchedule } from "./internal/subject.ts"
import { type Law, law, type Suite, suite, type Violation } from "./Law.ts"

/** The weight of a prediction's squared error. */
export type WeightOf = (
  weighting: Weighting,
  schedule: Schedule,
  t: number,
  prediction: PredictionType | Parameterization
) => Result.Result<number, { readonly message: string }>

/** What a weight is said to be, as a function of the signal-to-noise ratio. */
export interface StatedWeight {
  /** Whose squared error is weighed. */
  readonly of: PredictionType
  /** As a formula, for people: `min(SNR, 5)`. */
  readonly formula: string
  readonly weight: (snr: number) => number
}

/** Between what a weight is said to lie, as functions of the signal-to-noise ratio. */
export interface WeightBounds {
  /** Whose squared error is weighed. */
  readonly of: PredictionType
  /** As formulas, for people: `min(SNR, 5) / 2 and min(SNR, 5)`. */
  readonly formulas: string
  readonly least: (snr: number) => number
  readonly most: (snr: number) => number
}

/** How the laws of a weighting are stated. */
export interface WeightingLawOptions {
  /** What the suite is called: `the weighting "min-snr"` unless given. */
  readonly subject?: string | undefined
  /** What says how much a prediction's error counts; Effusion's `weightOf` unless given. */
  readonly weightOf?: WeightOf | undefined
  /** The schedule to weigh, or an arbitrary of several; {@link anySchedule} unless given. */
  readonly schedule?: Schedule | fc.Arbitrary<Schedule> | undefined
  /** What the weighting is said to be. */
  readonly stated?: StatedWeight | undefined
  /** Between what it is said to lie. */
  readonly bounds?: WeightBounds | undefined
  /** The variance of the steps whose bound it is, where it is that of the variational bound. */
  readonly boundOf?: "fixed-small" | "fixed-large" | undefined
}

/**
 * The laws of a weighting.
 *
 * @example
 * Laws.test(it, Laws.weighting({ name: "early", config: {}, of: "epsilon", weight: (_, t) => t < 100 ? 1 : 0.1 }))
 */
export const weighting = (weighting: Weighting, options: WeightingLawOptions = {}): Suite =>
  suite(options.subject ?? `the weighting "${weighting.name}"`, lawsOf(weighting, options))

const lawsOf = (weighting: Weighting, options: WeightingLawOptions): ReadonlyArray<Law> => {
  const { bounds, boundOf, schedule = anySchedule, stated, weightOf = effusionWeightOf } = options
  const isOne = "alphaBar" in schedule
  const atEveryT = (
    name: string,
    sentence: string,
    source: string,
    violation: (schedule: Schedule, t: number) => Violation,
    from = 0
  ) =>
    law({
      name: `weighting/${name}`,
      sentence,
      source,
      inputs: isOne ? fc.constant(schedule) : schedule,
      violation: (schedule) => atSomeT(from, schedule.steps, (t) => violation(schedule, t)),
      ...(isOne ? { atMost: 1, show: () => "" } : { show: showSchedule })
    })
  /** The weight, or what is wrong with it. */
  const withWeight = (
    schedule: Schedule,
    t: number,
    type: PredictionType,
    violation: (weight: number) => Violation
  ): Violation =>
    Result.match(weightOf(weighting, schedule, t, type), {
      onFailure: ({ message }) => `there is no weight of ${type}: ${message}`,
      onSuccess: violation
    })

  return [
    atEveryT(
      "not-negative",
      "where there is signal, the weight of every prediction's squared error is finite and not negative",
      "a negative weight rewards errors",
      (schedule, t) =>
        among(
          predictionTypes,
          (type) =>
            withWeight(schedule, t, type, (weight) =>
              Number.isFinite(weight) && weight >= 0 ? undefined : `the weight of ${type} is ${weight}`)
        )
    ),
    ...(weighting.of === "prediction" ? [] : [atEveryT(
      "same-for-every-prediction",
      "one error of x_0, seen as an error of noise, data, v or score, counts the same, within 1e-9",
      "Salimans and Ho 2022, section 4 and appendix D: x_0 error^2 = noise error^2 / SNR = v error^2 / (SNR + 1)",
      (schedule, t) => {
        const errors = errorsOf(schedule, t)
        return withWeight(
          schedule,
          t,
          "sample",
          (ofData) =>
            among(predictionTypes, (type) =>
              withWeight(schedule, t, type, (weight) =>
                near(
                  `the weighted squared error of ${type}`,
                  weight * errors[type] ** 2,
                  "that of sample is",
                  ofData,
                  1e-9 * ofData
                )))
        )
      }
    )]),
    ...(stated === undefined ? [] : [atEveryT(
      "as-stated",
      `the weight of the squared error of ${stated.of} is ${stated.formula}, within 1e-9`,
      "the definition of the weighting, in terms of the signal-to-noise ratio",
      (schedule, t) => {
        const expected = stated.weight(snrOf(schedule, t))
        return withWeight(
          schedule,
          t,
          stated.of,
          (weight) =>
            near(`the weight of ${stated.of}`, weight, `${stated.formula} is`, expected, 1e-9 * Math.abs(expected))
        )
      }
    )]),
    ...(bounds === undefined ? [] : [atEveryT(
      "bounds",
      `the weight of the squared error of ${bounds.of} lies between ${bounds.formulas}, within 1e-9`,
      "the definition of the weighting, in terms of the signal-to-noise ratio",
      (schedule, t) => {
        const [least, most] = [bounds.least(snrOf(schedule, t)), bounds.most(snrOf(schedule, t))]
        return withWeight(
          schedule,
          t,
          bounds.of,
          (weight) =>
            weight >= least - 1e-9 * least && weight <= most + 1e-9 * most
              ? undefined
              : `the weight of ${bounds.of} is ${weight}, not between ${least} and ${most}`
        )
      }
    )]),
    ...(boundOf === undefined ? [] : [atEveryT(
      "is-bound",
      "for t > 0, the divergence of the model's step back from the posterior grows by the weighted squared error, whatever is predicted: KL(error) - KL(no error) is weight times error^2, within 1e-8",
      "Ho et al. 2020, equations 5, 8 and 12; the divergence of two Gaussians, whose means are by Bayes' rule",
      (schedule, t) => isBound(schedule, t, boundOf, withWeight),
      1
    )])
  ]
}

const snrOf = ({ alphaBar }: Schedule, t: number): number => alphaBar[t]! / (1 - alphaBar[t]!)

/** What an error of 1 in x_0 is in every prediction, x_t being what it is: the predictions' definitions, differentiated. */
const errorsOf = ({ alphaBar }: Schedule, t: number): { readonly [Type in PredictionType]: number } => {
  const [signal, spread] = [Math.sqrt(alphaBar[t]!), Math.sqrt(1 - alphaBar[t]!)]
  const noise = -signal / spread
  return { sample: 1, epsilon: noise, v_prediction: signal * noise - spread, score: -noise / spread }
}

/**
 * The divergence KL(N(mean, posterior) || N(mean + shift, variance)) of one element, in nats.
 */
const klOf = (posterior: number, variance: number, shift: number): number =>
  (Math.log(variance / posterior) - 1 + (posterior + shift ** 2) / variance) / 2

const isBound = (
  schedule: Schedule,
  t: number,
  boundOf: "fixed-small" | "fixed-large",
  withWeight: (
    schedule: Schedule,
    t: number,
    type: PredictionType,
    violation: (weight: number) => Violation
  ) => Violation
): Violation => {
  const { alphaBar, beta } = schedule
  const before = alphaBar[t - 1]!
  // The posterior by Bayes' rule: precisions add up, and means are weighted by them.
  const prior = 1 / (1 - before)
  const posterior = 1 / (prior + alphaBar[t]! / before / beta[t]!)
  const variance = boundOf === "fixed-small" ? posterior : beta[t]!
  const errors = errorsOf(schedule, t)
  // An error in x_0 so large that the divergence it makes is about 1.
  const error = Math.sqrt(2 * variance) / (posterior * prior * Math.sqrt(before))
  const grown = klOf(posterior, variance, posterior * prior * Math.sqrt(before) * error) - klOf(posterior, variance, 0)
  const tolerance = 1e-8 + 64 * epsilon / Math.min(beta[t]!, 1 - before)
  return among(predictionTypes, (type) =>
    withWeight(schedule, t, type, (weight) =>
      near(
        `the weighted squared error of ${type}`,
        weight * (errors[type] * error) ** 2,
        "the divergence grows by",
        grown,
        tolerance
      )))
}
