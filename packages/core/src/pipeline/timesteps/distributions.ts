/**
 * The uneven distributions over timesteps, each as a timestep sampler.
 */
import { Result } from "effect"
import { normalCdf } from "../../diffusion/index.ts"
import type { Schedule } from "../../schedule/index.ts"
import { sigma } from "../../schedule/index.ts"
import { float32, int32 } from "../../tensor/HostTensor.ts"
import { InvalidTimestepSampler } from "./InvalidTimestepSampler.ts"
import type { Learning, Spread, TimestepSamplerShape } from "./TimestepSampler.ts"

/** A normal distribution along some scale of timesteps. */
export interface NormalOptions {
  readonly mean?: number
  /** Above 0. */
  readonly standardDeviation?: number
  /** Default `"independent"`. */
  readonly spread?: Spread
}

/**
 * Timesteps for which ln sigma is nearly normal, where sigma^2 = (1 - alphaBar) / alphaBar (Karras et al., "Elucidating the
 * Design Space of Diffusion-Based Generative Models", 2022, table 1, ln sigma ~ N(P_mean, P_std^2)).
 *
 * The continuous distribution is cut at the midpoints between the ln sigma_t of the schedule, and the first and the last
 * timestep have what lies beyond them; but a last one without any signal, whose sigma is infinite, is never drawn. Defaults:
 * mean -1.2, standard deviation 1.2, those of the paper.
 *
 * The loss is not corrected for it: which noise levels are trained on most is what this distribution is for. The
 * paper weights the loss besides, by lambda(sigma), which is another choice.
 *
 * Fails with `InvalidTimestepSampler`.
 *
 * @example
 * const sampler = Result.getOrThrow(logNormalTimesteps({ mean: -1.2, standardDeviation: 1.2, spread: "stratified" }))
 */
export const logNormalTimesteps = (
  { mean = -1.2, spread = "independent", standardDeviation = 1.2 }: NormalOptions = {}
): Result.Result<TimestepSamplerShape, InvalidTimestepSampler> =>
  Result.map(requireNormal("log-normal", mean, standardDeviation), () => ({
    name: "log-normal",
    distribution: {
      _tag: "Fixed",
      probabilities: (schedule) => {
        const logSigma = (t: number) => Math.log(sigma(schedule, t))
        const boundary = (t: number) => (logSigma(t - 1) + logSigma(t)) / 2
        return between(schedule, (t) => normalCdf((boundary(t) - mean) / standardDeviation))
      },
      corrects: false
    },
    spread
  }))

/**
 * Timesteps for which the logit of t / T, ln(t / (T - t)), is normal (Esser et al., "Scaling Rectified Flow Transformers for
 * High-Resolution Image Synthesis", 2024, section 3.1): those in the middle are likelier than those at the ends.
 *
 * Timestep t has the probability of the interval from t / T to (t + 1) / T. Defaults: mean 0, standard deviation 1, those
 * that the paper found good. A mean above 0 prefers late timesteps, those with more noise.
 *
 * The loss is not corrected for it: which timesteps are trained on most is what this distribution is for.
 *
 * Fails with `InvalidTimestepSampler`.
 *
 * @example
 * const sampler = Result.getOrThrow(logitNormalTimesteps({ spread: "stratified" }))
 */
export const logitNormalTimesteps = (
  { mean = 0, spread = "independent", standardDeviation = 1 }: NormalOptions = {}
): Result.Result<TimestepSamplerShape, InvalidTimestepSampler> =>
  Result.map(requireNormal("logit-normal", mean, standardDeviation), () => ({
    name: "logit-normal",
    distribution: {
      _tag: "Fixed",
      probabilities: (schedule) =>
        between(schedule, (t) => normalCdf((Math.log(t / (schedule.steps - t)) - mean) / standardDeviation)),
      corrects: false
    },
    spread
  }))

/** How {@link lossSecondMomentTimesteps} learns. */
export interface LossSecondMomentOptions {
  /** How many of the latest losses of each timestep are remembered; at least 1. Default 10. */
  readonly history?: number
  /** The part of all draws that is uniform, above 0 and at most 1. Default 0.001. */
  readonly uniform?: number
  /** Default `"independent"`. */
  readonly spread?: Spread
}

/**
 * Timesteps in proportion to the root mean square of their latest losses, p_t ~ sqrt(E[L_t^2]), with each loss counting
 * 1 / (T p_t) times: the expected loss is that of uniform timesteps, and its variance the least (Nichol & Dhariwal,
 * "Improved Denoising Diffusion Probabilistic Models", 2021, section 3.3 and equation 18). It is made for L_vlb, whose terms
 * are of very different sizes.
 *
 * Timesteps are uniform until each has as many losses as are remembered, and a small part of them always is, so that none
 * is forgotten. (Were all losses 0, they would be uniform too.)
 *
 * The state is the losses, oldest first, [T, history], and how many of them there are, [T]. It learns after an optimiser
 * step, from the examples of all its micro-batches in order.
 *
 * Fails with `InvalidTimestepSampler`.
 *
 * @example
 * const sampler = Result.getOrThrow(lossSecondMomentTimesteps({ spread: "stratified" }))
 */
export const lossSecondMomentTimesteps = (
  { history = 10, spread = "independent", uniform = 0.001 }: LossSecondMomentOptions = {}
): Result.Result<TimestepSamplerShape, InvalidTimestepSampler> => {
  const invalid = (option: string, value: number, expected: string) =>
    Result.fail(new InvalidTimestepSampler({ sampler: "loss-second-moment", option, value, expected }))
  if (!(Number.isSafeInteger(history) && history >= 1)) {
    return invalid("history", history, "a whole number of at least 1")
  }
  if (!(uniform > 0 && uniform <= 1)) return invalid("uniform", uniform, "a number above 0 and at most 1")
  return Result.succeed({
    name: "loss-second-moment",
    distribution: { _tag: "Learned", learning: (steps) => secondMoments(steps, history, uniform) },
    spread
  })
}

const losses = "timesteps.losses"
const counts = "timesteps.counts"

const secondMoments = (steps: number, history: number, uniform: number): Learning => ({
  initial: {
    [losses]: float32([steps, history], new Float32Array(steps * history)),
    [counts]: int32([steps], new Int32Array(steps))
  },
  probabilities: (state) => {
    const even = new Float64Array(steps).fill(1 / steps)
    if (state[counts]!.data.some((count) => count < history)) return even
    const rows = state[losses]!.data
    const rms = Float64Array.from({ length: steps }, (_, t) => {
      let sum = 0
      for (let i = t * history; i < (t + 1) * history; i++) sum += rows[i]! * rows[i]!
      return Math.sqrt(sum / history)
    })
    const total = rms.reduce((sum, value) => sum + value, 0)
    return total === 0 ? even : rms.map((value) => (1 - uniform) * value / total + uniform / steps)
  },
  observe: (state, { perExample, timesteps }) => {
    const rows = Float32Array.from(state[losses]!.data)
    const filled = Int32Array.from(state[counts]!.data)
    timesteps?.forEach((t, example) => {
      const begin = t * history
      if (filled[t] === history) {
        rows.copyWithin(begin, begin + 1, begin + history)
        rows[begin + history - 1] = perExample[example]!
      } else {
        rows[begin + filled[t]!] = perExample[example]!
        filled[t]!++
      }
    })
    return { [losses]: float32([steps, history], rows), [counts]: int32([steps], filled) }
  }
})

/** The probability of each timestep, from that of all before timestep t, for t from 1 to T - 1. */
const between = ({ steps }: Schedule, below: (t: number) => number): Float64Array => {
  const cumulative = Float64Array.from({ length: steps + 1 }, (_, t) => t === 0 ? 0 : t === steps ? 1 : below(t))
  // Rounding may make of two equal numbers a falling pair.
  return Float64Array.from({ length: steps }, (_, t) => Math.max(0, cumulative[t + 1]! - cumulative[t]!))
}

const requireNormal = (
  sampler: string,
  mean: number,
  standardDeviation: number
): Result.Result<void, InvalidTimestepSampler> => {
  if (!Number.isFinite(mean)) {
    return Result.fail(new InvalidTimestepSampler({ sampler, option: "mean", value: mean, expected: "a number" }))
  }
  if (Number.isFinite(standardDeviation) && standardDeviation > 0) return Result.succeed(undefined)
  return Result.fail(
    new InvalidTimestepSampler({
      sampler,
      option: "standardDeviation",
      value: standardDeviation,
      expected: "a number above 0"
    })
  )
}
