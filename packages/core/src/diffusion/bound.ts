/**
 * The variational bound on the negative log-likelihood of data, term by term (Ho et al. 2020, equation 5):
 *
 *     -log p(x_0)  <=  L_T + sum over t from 1 to T - 1 of L_t + L_0
 *
 * with t counted from 0, so that L_t is about the step back from x_t, at t = 0 to the data itself. L_T, the prior term, is
 * KL(q(x_{T-1} | x_0) || N(0, I)); L_t for t > 0 is KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)); L_0, the decoder's, is the
 * negative log-likelihood of the data.
 *
 * Everything is for one example, in nats, element by element: sum the elements for the example's term, and turn the sum
 * into bits per dimension with {@link bitsPerDimension}.
 */
import { alphaBar, posteriorVariance, type Schedule, snr, sqrtAlphaBar } from "../schedule/index.ts"
import { beyondLinear, type DiagonalGaussian, kl } from "./divergence.ts"
import { addNoise } from "./forward.ts"
import {
  type Discretization,
  discretizedGaussianLogLikelihood,
  discretizedGaussianLogLikelihoodTanh,
  gaussianLogLikelihood
} from "./likelihood.ts"
import { posterior } from "./posterior.ts"
import { convert, type Parameterization, type PredictionType } from "./prediction.ts"
import { fixedLogVariance, learnedRangeLogVariance, posteriorLogVariance, type VarianceType } from "./variance.ts"

/**
 * The likelihood of data at t = 0.
 *
 * - `discretized-gaussian`: of discrete data, by {@link discretizedGaussianLogLikelihood}
 * - `discretized-gaussian-tanh`: the same as published code approximates it, by {@link discretizedGaussianLogLikelihoodTanh}
 * - `gaussian`: the density of continuous data, by {@link gaussianLogLikelihood}
 */
export type Decoder = "discretized-gaussian" | "discretized-gaussian-tanh" | "gaussian"

/** What a model's output means. */
export interface ModelOptions {
  readonly predictionType: PredictionType | Parameterization
  /** `fixed-small` unless given: with it the bound is a weighted squared error of the noise, and nothing else. */
  readonly variance?: VarianceType | undefined
  /** Clip estimates of x_0 to [-clip, clip]; 1 unless given, the range of images. For data of any range: `"none"`. */
  readonly clip?: number | "none" | undefined
}

/** What a model says at a timestep, of one example, flattened. */
export interface ModelOutput {
  /** As many elements as x_t. */
  readonly prediction: ArrayLike<number>
  /** For `learned-range` alone: where each element's log-variance lies, from -1 to 1. As many elements as x_t. */
  readonly variance?: ArrayLike<number> | undefined
}

/** The step back that a model takes from x_t, and the estimate of the data that its mean is made of. */
export interface ReverseStep extends DiagonalGaussian {
  readonly mean: Float64Array
  readonly x0: Float64Array
}

/**
 * p(x_{t-1} | x_t), the step back that a model's output amounts to: a Gaussian whose mean is that of the posterior
 * q(x_{t-1} | x_t, x_0) with the model's estimate in place of x_0 (Ho et al. 2020, equations 7 and 15). At t = 0 it is
 * about the data itself.
 *
 * @throws RangeError when the numbers of elements differ; when the output has no variance where it is learned; or where
 *   the prediction says nothing of x_0, as that of the noise does when alphaBar_t is 0
 * @example
 * const { logVariance, mean, x0 } = reverseStep(schedule, 500, xt, { prediction }, { predictionType: "epsilon" })
 */
export const reverseStep = (
  schedule: Schedule,
  t: number,
  xt: ArrayLike<number>,
  output: ModelOutput,
  { clip = 1, predictionType, variance = "fixed-small" }: ModelOptions
): ReverseStep => {
  const bound = clip === "none" ? Infinity : clip
  const x0 = convert(schedule, t, xt, output.prediction, { from: predictionType, to: "sample" })
    .map((value) => Math.min(Math.max(value, -bound), bound))
  return { x0, mean: posterior(schedule, t, x0, xt).mean, logVariance: logVarianceOf(schedule, t, output, variance) }
}

const logVarianceOf = (
  schedule: Schedule,
  t: number,
  output: ModelOutput,
  variance: VarianceType
): number | Float64Array => {
  if (variance !== "learned-range") return fixedLogVariance(schedule, t, variance)
  if (output.variance === undefined) throw new RangeError("the model's output has no variance, which is to be learned")
  return Float64Array.from(output.variance, (value) => learnedRangeLogVariance(schedule, t, value))
}

/** How a term of the bound is computed. */
export interface BoundOptions extends ModelOptions, Discretization {
  /** The likelihood at t = 0; `discretized-gaussian` unless given. */
  readonly decoder?: Decoder | undefined
}

/** The term of one timestep for one example, and the errors that it comes from. */
export interface BoundTerm {
  /** In nats, element by element: a divergence for t > 0, a negative log-likelihood for t = 0. */
  readonly nats: Float64Array
  /** The mean squared error of the noise, that x_t and x_0 imply against that of the model's estimate of x_0. */
  readonly noiseError: number
  /** The mean squared error of the model's estimate of x_0, clipped. */
  readonly dataError: number
}

/**
 * The term L_t of the variational bound for one example.
 *
 * @param example the data and its noised version, of any shape, flattened
 * @throws RangeError as {@link reverseStep} does
 * @example
 * const xt = addNoise(schedule, 500, x0, noise)
 * const { nats } = boundTerm(schedule, 500, { x0, xt }, { prediction }, { predictionType: "epsilon" })
 */
export const boundTerm = (
  schedule: Schedule,
  t: number,
  { x0, xt }: { readonly x0: ArrayLike<number>; readonly xt: ArrayLike<number> },
  output: ModelOutput,
  options: BoundOptions
): BoundTerm => {
  const model = reverseStep(schedule, t, xt, output, options)
  const dataError = model.x0.reduce((sum, value, i) => sum + (value - x0[i]!) ** 2, 0) / model.x0.length
  const nats = t === 0
    ? negated(logLikelihoods[options.decoder ?? "discretized-gaussian"](x0, model, options))
    : kl({ mean: posterior(schedule, t, x0, xt).mean, logVariance: posteriorLogVariance(schedule, t) }, model)
  // x_t is fixed, so an error of x_0 is one of the noise: sqrt(alphaBar_t) times the one is sqrt(1 - alphaBar_t) times the other.
  return { nats, dataError, noiseError: snr(schedule, t) * dataError }
}

const logLikelihoods: {
  readonly [Name in Decoder]: (
    x: ArrayLike<number>,
    gaussian: DiagonalGaussian,
    options: Discretization
  ) => Float64Array
} = {
  "discretized-gaussian": discretizedGaussianLogLikelihood,
  "discretized-gaussian-tanh": discretizedGaussianLogLikelihoodTanh,
  gaussian: gaussianLogLikelihood
}

const negated = (values: Float64Array): Float64Array => values.map((value) => -value)

/**
 * The prior term L_T = KL(q(x_{T-1} | x_0) || N(0, I)), in nats, element by element: what is left of the data. It has
 * nothing to do with the model, only with the schedule.
 *
 * @example
 * const bits = bitsPerDimension(priorTerm(schedule, x0).reduce((sum, nats) => sum + nats, 0), x0.length)
 */
export const priorTerm = (schedule: Schedule, x0: ArrayLike<number>): Float64Array => {
  const last = schedule.steps - 1
  const scale = sqrtAlphaBar(schedule, last)
  const mean = Float64Array.from(x0, (value) => scale * value)
  return kl({ mean, logVariance: Math.log1p(-alphaBar(schedule, last)) }, { mean: mean.map(() => 0), logVariance: 0 })
}

/**
 * The part of L_t, in nats an element, that comes from the model's variance alone, and that no prediction can lower:
 *
 *     C = (log(variance / beta tilde_t) - 1 + beta tilde_t / variance) / 2
 *
 * L_t is {@link boundWeight} times the squared error of the noise, plus C for each element (Ho et al. 2020, equation 12).
 * C is 0 for the posterior variance, and only for it.
 *
 * @param t from 1 to T - 1
 * @param variance that of the model's step, positive; otherwise throws RangeError
 * @example
 * boundConstant(schedule, 500, beta(schedule, 500)) // the price of `fixed-large`
 */
export const boundConstant = (schedule: Schedule, t: number, variance: number): number => {
  if (t === 0) throw new RangeError("the bound's term at t = 0 is no divergence; use t from 1")
  if (!(variance > 0)) throw new RangeError(`the variance of a step is positive, not ${variance}`)
  return beyondLinear(Math.log(posteriorVariance(schedule, t) / variance)) / 2
}

/**
 * Nats of a whole example in bits per dimension, the unit that likelihoods of images are published in.
 *
 * @example
 * bitsPerDimension(784 * Math.LN2, 784) // => 1
 */
export const bitsPerDimension = (nats: number, dimensions: number): number => nats / (dimensions * Math.LN2)

/** What {@link variationalBound} asks. */
export interface VariationalBoundOptions extends BoundOptions {
  /** The model: its output for x_t at t. */
  readonly predict: (xt: Float64Array, t: number) => ModelOutput
  /** Standard normal noise for each timestep, as many elements as x_0. */
  readonly noise: (t: number) => ArrayLike<number>
}

/** The variational bound of one example, in nats. */
export interface VariationalBound {
  /** L_T. */
  readonly prior: number
  /** L_t for t from 0 to T - 1, each for one sample of x_t. */
  readonly terms: Float64Array
  /** The mean squared error of the noise at each t. */
  readonly noiseError: Float64Array
  /** The mean squared error of the estimate of x_0 at each t. */
  readonly dataError: Float64Array
  /** The sum of all terms. */
  readonly total: number
}

/**
 * The variational bound of one example with one sample of noise at every timestep: an unbiased estimate, since each term
 * is an expectation over its own x_t. `Training.evaluateBound` is the same on an engine, over a dataset.
 *
 * @example
 * const { total } = variationalBound(schedule, x0, {
 *   predictionType: "epsilon",
 *   predict: (xt, t) => ({ prediction: denoiser(xt, t) }),
 *   noise: (t) => draw(Key.fold(key, t), { distribution: Distribution.normal, shape: [x0.length] }).data
 * })
 * bitsPerDimension(total, x0.length)
 */
export const variationalBound = (
  schedule: Schedule,
  x0: ArrayLike<number>,
  options: VariationalBoundOptions
): VariationalBound => {
  const each = Array.from({ length: schedule.steps }, (_, t) => {
    const xt = addNoise(schedule, t, x0, options.noise(t))
    return boundTerm(schedule, t, { x0, xt }, options.predict(xt, t), options)
  })
  const prior = sumOf(priorTerm(schedule, x0))
  const terms = Float64Array.from(each, ({ nats }) => sumOf(nats))
  return {
    prior,
    terms,
    noiseError: Float64Array.from(each, ({ noiseError }) => noiseError),
    dataError: Float64Array.from(each, ({ dataError }) => dataError),
    total: prior + sumOf(terms)
  }
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0)
