/**
 * The stages of training in continuous time, on the variational bound itself (Kingma et al., "Variational Diffusion
 * Models", 2021, sections 3 and 4).
 *
 * Each is an Effect that asks for the services it depends on and yields a stage:
 *
 *     Pipeline.make(timing(), noising, predicting(), variationalBound())
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { stopGradient } from "../../engine/operations/index.ts"
import type { Tensor } from "../../engine/Program.ts"
import { Distribution } from "../../random/index.ts"
import { Denoiser, ownDraws } from "../Denoiser.ts"
import { refusedBy } from "../fit.ts"
import { axesAfterBatch, forEachExample } from "../perExample.ts"
import type { Clean, Loss, Noised, Predicted, Stage, Timed } from "../Stage.ts"
import { ContinuousNoise, type ContinuousNoiseShape, type LogSnr } from "./ContinuousNoise.ts"

/** What the stages of continuous time know of the schedule, besides the fields of every pipeline. */
type OnSchedule = {
  /** ln(SNR) of each example: [batch]. */
  readonly logSnr: Tensor
  /** The factor of the squared error of the noise, summed over elements, in the bound in nats: [batch]. */
  readonly boundWeight: Tensor
  /** -logSnr' as a function of log-SNR, where the inside of the schedule is trained for low variance: [batch]. */
  readonly varianceSlope?: Tensor
  /** ln(SNR) at the ends of the schedule, u = 0 and u = 1: scalars. */
  readonly logSnrMax: Tensor
  readonly logSnrMin: Tensor
}

/** ... with a time for each example; `t`, float32, is what the denoiser is told, see {@link toldTimestep}. */
export type ContinuouslyTimed = Timed & OnSchedule

/** ... with the noise that was added, and the noised data. */
export type ContinuouslyNoised = Noised & OnSchedule

/** ... with the prediction, stated as noise, whatever the denoiser predicts. */
export type ContinuouslyPredicted = Predicted & OnSchedule

/** ... with the loss, and the terms that are its sum, [batch] each, in nats per element of x0. */
export type Bound = Loss & {
  readonly diffusionLoss: Tensor
  readonly priorLoss: Tensor
  readonly reconstructionLoss: Tensor
}

/** Options of {@link timing}. */
export interface TimingOptions {
  /**
   * The number of timesteps T of the bound, a positive integer: time is 1/T, 2/T, ..., 1. Or `"continuous"`, unless
   * given: the bound for T to infinity, which is the tightest (Kingma et al. 2021, section 4.1).
   */
  readonly steps?: number | "continuous" | undefined
  /**
   * How the times of a batch are drawn: `"stratified"`, unless given, is spread evenly over all micro-batches of an
   * optimiser step, (u + i / B) mod 1 with one u (Kingma et al. 2021, appendix I.1); `"uniform"` is each by itself.
   */
  readonly sampling?: "stratified" | "uniform" | undefined
  /**
   * What the inside of a learned schedule is trained for in continuous time: `"variance"`, unless given, a low variance of
   * the loss over time, since the bound itself does not depend on it (Kingma et al. 2021, section 5.1 and appendix I); or
   * `"bound"`, whose gradient is noise about 0 there. With finitely many timesteps it is always the bound.
   */
  readonly inside?: "variance" | "bound" | undefined
}

/**
 * The timestep that a denoiser is told at a log-SNR: 1000 (logSnrMax - logSnr) / (logSnrMax - logSnrMin), a fraction from
 * 0 to about 1000, for networks that are made for a thousand timesteps. The ends are those that the schedule began with,
 * so that a network is told the level of noise, and goes on meaning the same by it, whatever becomes of the schedule.
 *
 * @example
 * ContinuousTime.toldTimestep({ logSnrMax: 13.3, logSnrMin: -5 }, 4.15) // => 500
 */
export const toldTimestep = (
  { logSnrMax, logSnrMin }: ContinuousNoiseShape["told"],
  logSnr: number
): number => 1000 * (logSnrMax - logSnr) / (logSnrMax - logSnrMin)

/**
 * Draws a time for each example, and looks up what the schedule says of it. This stage owns the schedule's parameters.
 *
 * `boundWeight` is -logSnr'(u) / 2 in continuous time (Kingma et al. 2021, equation 17) and T (exp(logSnr(u - 1/T) -
 * logSnr(u)) - 1) / 2 with T timesteps (equation 14).
 *
 * @throws RangeError when `steps` is not a positive integer: a mistake of the program, not of its input.
 */
export const timing = (
  { inside = "variance", sampling = "stratified", steps = "continuous" }: TimingOptions = {}
): Effect.Effect<Stage<Clean, ContinuouslyTimed>, never, ContinuousNoise> => {
  if (steps !== "continuous" && !(Number.isSafeInteger(steps) && steps >= 1)) {
    throw new RangeError(`a bound has a positive integer of steps, or is "continuous", not ${steps}`)
  }
  return Effect.map(ContinuousNoise, (schedule): Stage<Clean, ContinuouslyTimed> => {
    const forVariance = steps === "continuous" && inside === "variance" ? schedule.forVariance : undefined
    return {
      name: "timing",
      parameters: schedule.parameters,
      draws: ({ x0 }) => ({
        time: sampling === "uniform"
          ? { distribution: Distribution.uniform(0, 1), shape: [x0.shape[0]!] }
          : { distribution: Distribution.stratified, shape: [x0.shape[0]!], over: "step" }
      }),
      specs: (input) => {
        const batch = { shape: [input.x0.shape[0]!], dtype: "float32" as const }
        const scalar = { shape: [], dtype: "float32" as const }
        return {
          ...input,
          t: batch,
          logSnr: batch,
          boundWeight: batch,
          logSnrMax: scalar,
          logSnrMin: scalar,
          ...(forVariance === undefined ? {} : { varianceSlope: batch })
        }
      },
      apply: (input, { draws, parameters }) => {
        const drawn = draws["time"]!
        const { boundWeight, logSnr, ...others } = forVariance !== undefined
          ? continuously(forVariance(parameters, drawn))
          : steps === "continuous"
          ? continuously(schedule.at(parameters, drawn))
          : stepwise(schedule, parameters, drawn, steps)
        const [logSnrMax, logSnrMin] = tf.split(schedule.at(parameters, tf.tensor1d([0, 1])).logSnr, 2)
        const { told } = schedule
        const t = tf.div(tf.sub(told.logSnrMax, logSnr), (told.logSnrMax - told.logSnrMin) / 1000)
        return {
          ...input,
          t,
          logSnr,
          boundWeight,
          ...others,
          logSnrMax: tf.reshape(logSnrMax!, []),
          logSnrMin: tf.reshape(logSnrMin!, [])
        }
      }
    }
  })
}

const continuously = ({ derivative, logSnr, slope }: LogSnr & { readonly slope?: Tensor }) => ({
  logSnr,
  boundWeight: tf.mul(derivative, -0.5),
  ...(slope === undefined ? {} : { varianceSlope: slope })
})

const stepwise = (
  schedule: ContinuousNoiseShape,
  parameters: Parameters<ContinuousNoiseShape["at"]>[0],
  drawn: Tensor,
  steps: number
) => {
  // A time just below 1 may be rounded up to T.
  const before = tf.minimum(tf.floor(tf.mul(drawn, steps)), steps - 1)
  const { logSnr } = schedule.at(parameters, tf.div(tf.add(before, 1), steps))
  const { logSnr: previous } = schedule.at(parameters, tf.div(before, steps))
  return { logSnr, boundWeight: tf.mul(tf.expm1(tf.sub(previous, logSnr)), steps / 2) }
}

/**
 * Noises each example: x = sqrt(sigmoid(logSnr)) x_0 + sqrt(sigmoid(-logSnr)) noise (Kingma et al. 2021, section 3.1), in
 * a way that gradients go through to the schedule.
 */
export const noising: Effect.Effect<Stage<ContinuouslyTimed, ContinuouslyNoised>> = Effect.succeed({
  name: "noising",
  parameters: {},
  draws: ({ x0 }) => ({ noise: { distribution: Distribution.normal, shape: x0.shape } }),
  specs: (input) => ({ ...input, noise: input.x0, xt: input.x0 }),
  apply: (input, { draws }) => {
    const noise = draws["noise"]!
    const { signal, spread } = factors(input)
    return { ...input, noise, xt: tf.add(tf.mul(input.x0, signal), tf.mul(noise, spread)) }
  }
})

/** sqrt(alphaBar) and sqrt(1 - alphaBar), shaped to multiply x0. */
const factors = ({ logSnr, x0 }: ContinuouslyTimed) => {
  const shaped = forEachExample(logSnr, x0)
  return { signal: tf.sqrt(tf.sigmoid(shaped)), spread: tf.sqrt(tf.sigmoid(tf.neg(shaped))) }
}

/**
 * Lets the denoiser predict, and states its prediction as noise, which the bound is a matter of.
 *
 * @param options.predictionType what the denoiser predicts; `"epsilon"`, the noise, unless given
 */
export const predicting = (
  { predictionType = "epsilon" }: {
    readonly predictionType?: "epsilon" | "sample" | "v_prediction" | undefined
  } = {}
): Effect.Effect<Stage<ContinuouslyNoised, ContinuouslyPredicted>, never, Denoiser> =>
  Effect.map(Denoiser, (denoiser): Stage<ContinuouslyNoised, ContinuouslyPredicted> => ({
    name: "predicting",
    parameters: denoiser.parameters,
    draws: ({ x0 }, mode) => mode === "training" ? denoiser.draws(x0.shape[0]!) : {},
    specs: (input) => ({ ...input, prediction: input.x0, target: input.x0 }),
    refuses: refusedBy("predicting", denoiser),
    apply: (input, { draws, parameters }) => {
      const { condition, t, x0, xt } = input
      const masks = ownDraws(denoiser, draws, x0.shape[0]!)
      const given = { x: xt, t, draws: masks, ...(condition === undefined ? {} : { condition }) }
      const prediction = denoiser.apply(parameters, given)
      return { ...input, prediction: noiseOf[predictionType](prediction, input), target: input.noise }
    }
  }))

const noiseOf = {
  epsilon: (prediction: Tensor) => prediction,
  sample: (prediction: Tensor, input: ContinuouslyNoised) => {
    const { signal, spread } = factors(input)
    return tf.div(tf.sub(input.xt, tf.mul(prediction, signal)), spread)
  },
  v_prediction: (prediction: Tensor, input: ContinuouslyNoised) => {
    const { signal, spread } = factors(input)
    return tf.add(tf.mul(prediction, signal), tf.mul(input.xt, spread))
  }
}

/** Options of {@link variationalBound}. */
export interface VariationalBoundOptions {
  /**
   * What the data is: `"density"`, unless given, numbers of any value, whose density is bounded; or `{ levels }`, so many
   * evenly spaced values from -1 to 1 (256 for bytes), whose probability is bounded.
   */
  readonly data?: "density" | { readonly levels: number } | undefined
}

/**
 * The variational bound on -ln p(x_0), in nats per element of x0 (Kingma et al. 2021, equation 11): the loss of each
 * example and the mean over the batch. Its three terms are
 *
 *     diffusion       boundWeight ||noise - prediction||^2                                    (equations 14 and 17)
 *     prior           KL(q(x_1 | x_0) || N(0, I))
 *     reconstruction  E[-ln p(x_0 | x_{u=0})]: of a density, for a Gaussian about x_{u=0} / signal as wide as its noise,
 *                     (ln 2 pi + 1 - logSnrMax) / 2 per element; of levels, for that Gaussian over the levels only
 *                     (appendix G.1), at one draw of the noise
 *
 * The bound is in expectation over time and noise; a batch has one draw of them for each example.
 *
 * Where the inside of the schedule is trained for low variance, `loss` has a gradient there besides: that of the second
 * moment of the diffusion term, E[L^2], with the network's error held at each log-SNR. Its value is the bound.
 *
 * @throws RangeError when `levels` is not an integer of at least 2: a mistake of the program, not of its input.
 */
export const variationalBound = (
  { data = "density" }: VariationalBoundOptions = {}
): Effect.Effect<Stage<ContinuouslyPredicted, Bound>> => {
  if (data !== "density" && !(Number.isSafeInteger(data.levels) && data.levels >= 2)) {
    throw new RangeError(`data has at least 2 levels, not ${data.levels}`)
  }
  return Effect.succeed({
    name: "variationalBound",
    parameters: {},
    draws: ({ x0 }) =>
      data === "density" ? {} : { decoderNoise: { distribution: Distribution.normal, shape: x0.shape } },
    specs: (input) => {
      const perExample = { shape: [input.x0.shape[0]!], dtype: "float32" as const }
      return {
        ...input,
        diffusionLoss: perExample,
        priorLoss: perExample,
        reconstructionLoss: perExample,
        perExample,
        loss: { shape: [], dtype: "float32" }
      }
    },
    apply: (input, { draws }) => {
      const { boundWeight, logSnrMax, logSnrMin, prediction, target, x0 } = input
      const axes = axesAfterBatch(x0)
      const diffusionLoss = tf.mul(boundWeight, tf.mean(tf.squaredDifference(prediction, target), axes))
      // KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1 - ln s^2) / 2, with 1 - s^2 = alphaBar and -ln s^2 = softplus(logSnr).
      const left = tf.sigmoid(logSnrMin)
      const priorLoss = tf.mul(
        tf.add(tf.mul(tf.mean(tf.square(x0), axes), left), tf.sub(tf.softplus(logSnrMin), left)),
        0.5
      )
      const reconstructionLoss = data === "density"
        ? tf.mul(tf.onesLike(priorLoss), tf.mul(tf.sub(Math.log(2 * Math.PI) + 1, logSnrMax), 0.5))
        : tf.mean(ofLevels(x0, draws["decoderNoise"]!, logSnrMax, data.levels), axes)
      const perExample = tf.add(tf.add(diffusionLoss, priorLoss), reconstructionLoss)
      const loss = tf.add(tf.mean(perExample), varianceGradient(input, diffusionLoss))
      return { ...input, diffusionLoss, priorLoss, reconstructionLoss, perExample, loss }
    }
  })
}

/**
 * 0, with the gradient of E[L^2] of the diffusion loss L with respect to the inside of the schedule. L is half the slope
 * of log-SNR times the error e at that log-SNR, so that over time E[L^2] = integral of (slope / 2)^2 e^2 du, and over
 * log-SNR the integral of slope / 4 e^2: linear in the slope at each log-SNR, which stays. With du = d logSnr / slope an
 * example's share is (slope' / slope) L^2, where slope' alone is differentiated.
 */
const varianceGradient = ({ boundWeight, varianceSlope }: ContinuouslyPredicted, diffusionLoss: Tensor): Tensor => {
  if (varianceSlope === undefined) return tf.scalar(0)
  const factor = stopGradient(tf.div(tf.square(diffusionLoss), tf.mul(boundWeight, 2)))
  const moment = tf.mean(tf.mul(factor, varianceSlope))
  return tf.sub(moment, stopGradient(moment))
}

/** -ln p(x_0 | x_{u=0}) of each element, for data of so many levels. */
const ofLevels = (x0: Tensor, noise: Tensor, logSnrMax: Tensor, levels: number): Tensor => {
  // x_{u=0} / signal = x_0 + exp(-logSnrMax / 2) noise
  const rescaled = tf.add(x0, tf.mul(noise, tf.exp(tf.mul(logSnrMax, -0.5))))
  // Not tf.squaredDifference, whose gradient does not know of broadcasting.
  const logit = (value: Tensor, seen: Tensor) => tf.mul(tf.mul(tf.square(tf.sub(seen, value)), tf.exp(logSnrMax)), -0.5)
  const values = tf.linspace(-1, 1, levels)
  const all = logit(values, tf.expandDims(rescaled, -1))
  return tf.sub(tf.logSumExp(all, -1), logit(x0, rescaled))
}
