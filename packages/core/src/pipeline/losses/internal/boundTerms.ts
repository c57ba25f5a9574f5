/**
 * The terms of the variational bound on tensors, so that float32 is enough for them.
 *
 * Means and variances are never subtracted from one another. With x = log(posterior variance) - log(variance of the step)
 * the term of an element is, for t > 0 (Ho et al. 2020, equation 5; both Gaussians with means that differ by a multiple of
 * the error of the prediction),
 *
 *     KL = (exp(x) - 1 - x + (errorFactor error)^2 exp(x)) / 2
 *
 * and x is a fraction of log(beta_t / posterior variance), which comes from a table, as do all logarithms. At t = 0 the
 * same factors make the distance of the data from the mean in standard deviations.
 */
import * as tf from "@tensorflow/tfjs"
import {
  conversion,
  fixedLogVariance,
  type Parameterization,
  posteriorLogVariance,
  type PredictionType
} from "../../../diffusion/index.ts"
import { stopGradient } from "../../../engine/operations/index.ts"
import type { Tensor } from "../../../engine/Program.ts"
import { beta, posteriorMeanFactorOfX0, type Schedule, table } from "../../../schedule/index.ts"
import { perTimestep } from "../../internal/perTimestep.ts"
import { forEachExample } from "../../perExample.ts"
import type { Predicted } from "../../Stage.ts"

/** How terms of the bound are computed. */
export interface BoundOptions {
  /**
   * The variance of the steps back, where the denoiser learns none: that of the posterior, `fixed-small`, unless given, or
   * beta_t, `fixed-large`. At t = 0 both are that of the posterior at t = 1, as in reference implementations.
   */
  readonly variance?: "fixed-small" | "fixed-large"
  /**
   * The likelihood at t = 0: of bytes, scaled to [-1, 1], with the normal distribution function that published code
   * approximates, `discretized-gaussian-tanh` (this unless given), or the density of continuous data, `gaussian`.
   */
  readonly decoder?: "discretized-gaussian-tanh" | "gaussian"
}

/** What terms are computed from, over all timesteps; float64. */
export interface BoundTables {
  /** What makes an error of the prediction a difference of the means, in standard deviations of the posterior. */
  readonly errorFactor: Float64Array
  /** log(variance) of the posterior; at t = 0 that of t = 1. */
  readonly logPosterior: Float64Array
  /** log(beta_t) - log(variance of the posterior): how far a learned variance can be from the posterior's. */
  readonly range: Float64Array
  /** log(variance of the posterior) - log(variance of the step), where the latter is fixed. */
  readonly fixed: Float64Array
  readonly decoder: "discretized-gaussian-tanh" | "gaussian"
}

export const boundTables = (
  schedule: Schedule,
  predictionType: PredictionType | Parameterization,
  { decoder = "discretized-gaussian-tanh", variance = "fixed-small" }: BoundOptions
): BoundTables => {
  const logPosterior = table(schedule, posteriorLogVariance)
  const toData = (t: number) => conversion(schedule, t, { from: predictionType, to: "sample" }).prediction
  return {
    errorFactor: table(
      schedule,
      (_, t) => posteriorMeanFactorOfX0(schedule, t) * toData(t) * Math.exp(-logPosterior[t]! / 2)
    ),
    logPosterior,
    range: table(schedule, (_, t) => Math.log(beta(schedule, t)) - logPosterior[t]!),
    fixed: table(schedule, (_, t) => logPosterior[t]! - fixedLogVariance(schedule, t, variance)),
    decoder
  }
}

/** The term of each element in nats, shaped as the prediction. */
export const boundTerms = (tables: BoundTables, { prediction, t, target, variance, x0 }: Predicted): Tensor => {
  const at = (values: Float64Array) => perTimestep(values)(t, prediction)
  const x = variance === undefined
    ? at(tables.fixed)
    // The fraction of the range that the variance is above the posterior's (Nichol and Dhariwal 2021, equation 15).
    : tf.mul(tf.mul(tf.add(variance, 1), 0.5), tf.neg(at(tables.range)))
  // The mean is ahead of that of the posterior by so many standard deviations of the step.
  const ahead = tf.mul(tf.mul(tf.sub(prediction, target), at(tables.errorFactor)), tf.exp(tf.mul(x, 0.5)))
  const divergence = tf.mul(tf.add(beyondLinear(x), tf.square(ahead)), 0.5)
  const logVariance = tf.sub(at(tables.logPosterior), x)
  const likelihood = tables.decoder === "gaussian"
    ? tf.mul(tf.add(tf.add(tf.square(ahead), logVariance), Math.log(2 * Math.PI)), 0.5)
    : negativeLogLikelihood(x0, tf.neg(ahead), tf.exp(tf.clipByValue(tf.mul(logVariance, -0.5), -far, far)))
  const isFirst = tf.equal(forEachExample(t, prediction), 0)
  return tf.where(isFirst, likelihood, divergence)
}

/** exp(x) - 1 - x, with the gradient exp(x) - 1; both accurate near 0, where their terms cancel. */
const beyondLinear = (x: Tensor): Tensor =>
  tf.customGrad((given, save) => {
    const y = given as tf.Tensor
    ;(save as tf.GradSaveFunc)([y])
    // x^2 / 2 (1 + x / 3 (1 + x / 4 (1 + ...))): the exponential series from its third term on, for |x| < 1/2.
    const near = tf.clipByValue(y, -0.5, 0.5)
    let sum: Tensor = tf.onesLike(y)
    for (let n = 9; n >= 3; n--) sum = tf.add(tf.mul(tf.div(near, n), sum), 1)
    const series = tf.mul(tf.mul(tf.square(near), 0.5), sum)
    return {
      value: tf.where(tf.lessEqual(tf.abs(y), 0.5), series, tf.sub(tf.expm1(y), y)),
      gradFunc: (dy: tf.Tensor, saved: Array<tf.Tensor>) => tf.mul(dy, tf.expm1(saved[0]!))
    }
  })(x)

/** What the least probable byte is given, as in reference implementations. */
const least = 1e-12

/**
 * The negative log-likelihood of bytes, scaled to [-1, 1], under Gaussians that are cut into bins (Ho et al. 2020,
 * equation 13): `above` is how many standard deviations the data is above the mean, `precision` is 1 / deviation.
 *
 * Everything is evaluated in the left tail, where the distribution function does not round to 1.
 */
const negativeLogLikelihood = (x0: Tensor, above: Tensor, precision: Tensor): Tensor => {
  const halfBin = tf.mul(precision, 1 / 255)
  const lower = tf.sub(above, halfBin)
  const upper = tf.add(above, halfBin)
  const isLeft = tf.lessEqual(stopGradient(above), 0)
  // ln(p - q) = ln p + ln(1 - q / p), which keeps its digits however small both are.
  const whole = logSigmoid(logit(tf.where(isLeft, upper, tf.neg(lower))))
  const beyond = logSigmoid(logit(tf.where(isLeft, lower, tf.neg(upper))))
  const part = tf.neg(tf.expm1(tf.sub(beyond, whole)))
  const atLeast = (logProbability: Tensor) => tf.maximum(logProbability, Math.log(least))
  const lowest = atLeast(logSigmoid(logit(upper)))
  const highest = atLeast(logSigmoid(tf.neg(logit(lower))))
  const between = atLeast(tf.add(whole, tf.log(tf.maximum(part, least))))
  return tf.neg(tf.where(tf.less(x0, -0.999), lowest, tf.where(tf.greater(x0, 0.999), highest, between)))
}

/**
 * How far from the mean, in standard deviations, is as good as infinitely far. Nothing changes there any more, and numbers
 * that overflow would have gradients that are none, at timesteps too whose term is another one.
 */
const far = 40

/** ln(1 / (1 + e^-x)). (`tf.logSigmoid` does not save x for its gradient, which finds it gone.) */
const logSigmoid = (x: Tensor): Tensor => tf.neg(tf.softplus(tf.neg(x)))

/** The logit of the normal distribution function as Page (1977) approximates it: (1 + tanh(u)) / 2 is sigmoid(2 u). */
const logit = (distance: Tensor): Tensor => {
  const z = tf.clipByValue(distance, -far, far)
  return tf.mul(tf.add(z, tf.mul(tf.mul(tf.square(z), z), 0.044715)), 2 * Math.sqrt(2 / Math.PI))
}
