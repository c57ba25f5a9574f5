/**
 * Weights of the loss over timesteps.
 *
 * The squared errors of all predictions are multiples of one another, once x_t is given (Salimans and Ho, "Progressive
 * Distillation for Fast Sampling of Diffusion Models", 2022, section 4 and appendix D):
 *
 *     ||x_0 error||^2 = ||noise error||^2 / SNR = ||v error||^2 / (SNR + 1)        SNR = alphaBar / (1 - alphaBar)
 *
 * So a weighting is one thing, whatever a network predicts: each says how much the squared error of one prediction
 * counts, and {@link weightOf} says what that comes to for any other. A weighted loss is the same in every
 * parameterisation; what differs is what a network finds easy to learn.
 */
import { Result } from "effect"
import {
  alpha,
  alphaBar,
  beta,
  levelAt,
  posteriorMeanFactorOfX0,
  posteriorVariance,
  type Schedule,
  snr
} from "../schedule/index.ts"
import { requireNotNegative, requirePositive } from "./internal/options.ts"
import { type InvalidObjective, UndefinedWeight } from "./InvalidObjective.ts"
import { conversionAt, type Parameterization, predictionName, type PredictionType } from "./prediction.ts"
import { fixedLogVariance } from "./variance.ts"

/** JSON that identifies a weighting together with its name. */
export type WeightingConfig = { readonly [option: string]: number | string }

/**
 * A weighting of the loss over timesteps.
 *
 * @example
 * // Noise errors of the first half of the timesteps only.
 * const early: Weighting = {
 *   name: "early", config: {}, of: "epsilon", weight: (schedule, t) => t < schedule.steps / 2 ? 1 : 0
 * }
 */
export interface Weighting {
  readonly name: string
  /** The options that it was made with, all of them. */
  readonly config: WeightingConfig
  /** Whose squared error it is that `weight` weighs: that of a given prediction, or `"prediction"`, whatever is made. */
  readonly of: PredictionType | Parameterization | "prediction"
  /** The weight at timestep t. */
  readonly weight: (schedule: Schedule, t: number) => number
}

/**
 * The weight of the squared error of predictions of a type, at timestep t. 0 or above, and finite.
 *
 * Fails with `UndefinedWeight` where that is not so: where the signal is gone (the SNR is 0, as at the last timestep of a
 * schedule with zero terminal SNR), no weight of an error of the noise makes it count as much as one of the data.
 *
 * @example
 * // 5 / SNR where the SNR is over 5, and 1 elsewhere (Hang et al. 2023).
 * const weight = weightOf(Result.getOrThrow(minSnrWeighting()), schedule, t, "epsilon")
 */
export const weightOf = (
  weighting: Weighting,
  schedule: Schedule,
  t: number,
  prediction: PredictionType | Parameterization
): Result.Result<number, UndefinedWeight> => {
  const { of } = weighting
  const scale = of === "prediction" ? 1 : conversionAt(levelAt(schedule, t), { from: prediction, to: of }).prediction
  const weight = scale ** 2 * weighting.weight(schedule, t)
  return Number.isFinite(weight) && weight >= 0 ? Result.succeed(weight) : Result.fail(
    new UndefinedWeight({
      weighting: weighting.name,
      prediction: predictionName(prediction),
      t,
      snr: snr(schedule, t),
      weight
    })
  )
}

/**
 * The weights of all timesteps, in float64; cast them once, at the end. Fails as {@link weightOf} does.
 *
 * @example
 * const weights = weightTable(simpleWeighting, schedule, "epsilon") // => all 1
 */
export const weightTable = (
  weighting: Weighting,
  schedule: Schedule,
  prediction: PredictionType | Parameterization
): Result.Result<Float64Array, UndefinedWeight> =>
  Result.map(
    Result.all(Array.from({ length: schedule.steps }, (_, t) => weightOf(weighting, schedule, t, prediction))),
    (weights) => Float64Array.from(weights)
  )

/**
 * Every squared error counts the same, whatever is predicted. For predictions of the noise it is the simple loss of Ho et
 * al. 2020, equation 14.
 */
export const simpleWeighting: Weighting = { name: "simple", config: {}, of: "prediction", weight: () => 1 }

/**
 * Squared errors of one prediction count the same, whatever is predicted. Of `"v_prediction"` it is what Salimans and Ho
 * 2022, section 4, call SNR + 1 weighting, after its weight for x_0.
 *
 * @example
 * // A network that predicts x_0, trained on the simple loss of the noise.
 * const weights = weightTable(uniformWeighting("epsilon"), schedule, "sample") // => the SNR of each timestep
 */
export const uniformWeighting = (of: PredictionType | Parameterization): Weighting => ({
  name: "uniform",
  config: { of: predictionName(of) },
  of,
  weight: () => 1
})

/** The SNR for errors of x_0, which is 1 for those of the noise (Salimans and Ho 2022, section 4). */
export const snrWeighting: Weighting = { ...uniformWeighting("epsilon"), name: "snr", config: {} }

/**
 * max(SNR, 1) for errors of x_0: those at high noise count as well, where the SNR vanishes (Salimans and Ho 2022, section
 * 4, "truncated SNR").
 */
export const truncatedSnrWeighting: Weighting = {
  name: "truncated-snr",
  config: {},
  of: "sample",
  weight: (schedule, t) => Math.max(snr(schedule, t), 1)
}

/**
 * min(SNR, gamma) for errors of x_0, min(SNR, gamma) / SNR for the noise, min(SNR, gamma) / (SNR + 1) for v: timesteps
 * with little noise, which are easy and many, do not drown the others (Hang et al., "Efficient Diffusion Training via
 * Min-SNR Weighting Strategy", 2023).
 *
 * @param options.gamma positive; 5 unless given. Otherwise fails with `InvalidObjective`
 * @example
 * const weighting = minSnrWeighting({ gamma: 5 })
 */
export const minSnrWeighting = (
  { gamma = 5 }: { readonly gamma?: number | undefined } = {}
): Result.Result<Weighting, InvalidObjective> =>
  Result.map(requirePositive("min-snr", { gamma }), () => ({
    name: "min-snr",
    config: { gamma },
    // Of the noise, where it has a limit at SNR 0.
    of: "epsilon",
    weight: (schedule, t) => Math.min(1, gamma / snr(schedule, t))
  }))

/**
 * SNR gamma / (SNR + gamma) for errors of x_0: {@link minSnrWeighting} without its corner (Crowson et al., "Scalable
 * High-Resolution Pixel-Space Image Synthesis with Hourglass Diffusion Transformers", 2024, where it is written
 * 1 / (sigma^2 + 1 / gamma)). k-diffusion's `soft-min-snr` has gamma = 1 / sigma_data^2.
 *
 * @param options.gamma positive; 4 unless given, as in the paper. Otherwise fails with `InvalidObjective`
 * @example
 * const weighting = softMinSnrWeighting({ gamma: 4 })
 */
export const softMinSnrWeighting = (
  { gamma = 4 }: { readonly gamma?: number | undefined } = {}
): Result.Result<Weighting, InvalidObjective> =>
  Result.map(requirePositive("soft-min-snr", { gamma }), () => ({
    name: "soft-min-snr",
    config: { gamma },
    of: "epsilon",
    weight: (schedule, t) => gamma / (snr(schedule, t) + gamma)
  }))

/**
 * (k + SNR)^-gamma for errors of the noise: less for timesteps that only clean up what can hardly be seen (Choi et al.,
 * "Perception Prioritized Training of Diffusion Models", 2022).
 *
 * @param options.gamma 0 or above, where 0 is the simple loss of the noise; 1 unless given
 * @param options.k positive; 1 unless given. Otherwise fails with `InvalidObjective`
 * @example
 * const weighting = p2Weighting({ gamma: 0.5 })
 */
export const p2Weighting = (
  { gamma = 1, k = 1 }: { readonly gamma?: number | undefined; readonly k?: number | undefined } = {}
): Result.Result<Weighting, InvalidObjective> =>
  Result.map(Result.all([requireNotNegative("p2", { gamma }), requirePositive("p2", { k })]), () => ({
    name: "p2",
    config: { gamma, k },
    of: "epsilon",
    weight: (schedule, t) => (k + snr(schedule, t)) ** -gamma
  }))

/**
 * lambda(sigma) = (sigma^2 + sigmaData^2) / (sigma sigmaData)^2 for errors of x_0, sigma^2 = 1 / SNR (Karras et al.,
 * "Elucidating the Design Space of Diffusion-Based Generative Models", 2022, table 1). With the network that `edm`
 * preconditions, every error counts the same.
 *
 * @param options.sigmaData the standard deviation of the data, positive; 0.5 unless given, as in the paper. Otherwise fails
 *   with `InvalidObjective`
 * @example
 * const weighting = edmWeighting({ sigmaData: 0.5 })
 */
export const edmWeighting = (
  { sigmaData = 0.5 }: { readonly sigmaData?: number | undefined } = {}
): Result.Result<Weighting, InvalidObjective> =>
  Result.map(requirePositive("edm", { sigmaData }), () => ({
    name: "edm",
    config: { sigmaData },
    of: "sample",
    weight: (schedule, t) => snr(schedule, t) + sigmaData ** -2
  }))

/** The variance of the steps back that the bound is about. */
export interface BoundWeightingOptions {
  /** `fixed-small`, that of the posterior, unless given; `fixed-large` is beta_t. */
  readonly variance?: "fixed-small" | "fixed-large" | undefined
}

/**
 * What makes a squared error a term of the variational bound, in nats, up to what does not depend on the network:
 * {@link boundWeight} for the noise, and (SNR_{t-1} - SNR_t) / 2 for x_0 with the posterior's variance (Ho et al. 2020,
 * equation 12; Kingma et al., "Variational Diffusion Models", 2021, equation 14). The bound is the sum over t: T times the
 * mean over uniform timesteps.
 *
 * At t = 0 the term is the likelihood of the data under N(x_0's estimate, variance). Here that is the density, whose
 * logarithm is a squared error, with the variance that reference implementations give it: that of the posterior at t = 1.
 * (For discrete data, whose likelihood is no squared error, there is the loss `boundLoss` of the pipeline.)
 *
 * @example
 * const weights = weightTable(boundWeighting(), schedule, "epsilon")
 */
export const boundWeighting = ({ variance = "fixed-small" }: BoundWeightingOptions = {}): Weighting => ({
  name: "bound",
  config: { variance },
  of: "sample",
  weight: (schedule, t) =>
    posteriorMeanFactorOfX0(schedule, t) ** 2 / (2 * Math.exp(fixedLogVariance(schedule, t, variance)))
})

/**
 * The weight that makes the squared error of predicted noise a term of the variational bound (Ho et al. 2020,
 * equation 12):
 *
 *     L_{t-1} = beta_t^2 / (2 variance alpha_t (1 - alphaBar_t)) ||epsilon - epsilon_theta(x_t, t)||^2 + C
 *
 * L_{t-1} is the Kullback-Leibler divergence, in nats summed over elements, from q(x_{t-1} | x_t, x_0) to a model
 * N(mean_theta, variance I). C depends on the variance alone, and is 0 for the posterior variance. The simple loss of
 * equation 14 sets this weight to 1.
 *
 * @param t from 1 to T - 1. The term of t = 0 is a likelihood of discrete data, not a divergence: RangeError
 * @param variance that of the model's step, positive (otherwise RangeError); the posterior variance unless given, which
 *   diffusers calls `fixed_small`. `beta_t` is its `fixed_large`
 * @example
 * const bound = boundWeight(schedule, t) * squaredError
 */
export const boundWeight = (
  schedule: Schedule,
  t: number,
  variance: number = posteriorVariance(schedule, t)
): number => {
  const beta_t = beta(schedule, t)
  if (t === 0) throw new RangeError("the bound's term at t = 0 is no weighted squared error; use t from 1")
  if (!(variance > 0)) throw new RangeError(`the variance of a step is positive, not ${variance}`)
  return beta_t ** 2 / (2 * variance * alpha(schedule, t) * (1 - alphaBar(schedule, t)))
}
