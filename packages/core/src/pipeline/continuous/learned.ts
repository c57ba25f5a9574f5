/**
 * The learned noise schedule of Kingma, Salimans, Poole and Ho, "Variational Diffusion Models" (2021), section 3.2 and
 * appendix H: a small network of time that can only fall.
 */
import * as tf from "@tensorflow/tfjs"
import { Result } from "effect"
import { stopGradient } from "../../engine/operations/index.ts"
import type { Tensor, Tensors } from "../../engine/Program.ts"
import { Distribution, draw } from "../../random/index.ts"
import { Continuous, type ContinuousSchedule, InvalidSchedule } from "../../schedule/index.ts"
import type { Initializer, ParameterSpecs } from "../Parameter.ts"
import type { HostTensors } from "../Pipeline.ts"
import type { ContinuousNoiseShape, LogSnr } from "./ContinuousNoise.ts"

/** Options of {@link learned}. */
export interface LearnedOptions {
  /** The features of the hidden layer, a positive integer; 64 unless given (1024 in the paper). */
  readonly features?: number | undefined
  /** ln(SNR) at u = 0, where training begins or for good; at most 30, 13.3 unless given. */
  readonly logSnrMax?: number | undefined
  /** ln(SNR) at u = 1, where training begins or for good; at least -30, -5 unless given. */
  readonly logSnrMin?: number | undefined
  /** Whether the ends are learned with everything in between, or stay; `"learned"` unless given. */
  readonly ends?: "learned" | "fixed" | undefined
}

/** How its parameters are named. */
const names = {
  line: "noise_schedule.line.weight",
  hiddenWeight: "noise_schedule.hidden.weight",
  hiddenBias: "noise_schedule.hidden.bias",
  out: "noise_schedule.out.weight",
  max: "noise_schedule.log_snr_max",
  range: "noise_schedule.log_snr_range"
} as const

/**
 * A learned schedule. With all weights w positive, made so by softplus of what is trained,
 *
 *     g(u) = w_1 u + mean over k of w_3k sigmoid(w_2k (2 u - 1) + b_k)
 *     logSnr(u) = logSnrMax - (logSnrMax - logSnrMin) (g(u) - g(0)) / (g(1) - g(0))
 *
 * falls strictly whatever is trained, from one end to the other exactly (Kingma et al. 2021, equation 74). The network is
 * that of the paper's appendix H but for the positive weights, which its code takes the absolute values of, and for the
 * range 2 u - 1 that the hidden layer sees. It begins close to the line; `logSnrMax` and, by softplus again, the range
 * are parameters where the ends are learned.
 *
 * With finitely many timesteps the bound depends on all of the schedule, and all of it is trained for the bound. In
 * continuous time the bound depends on the ends alone (Kingma et al. 2021, section 5.1), and the inside is trained for low
 * variance of the loss; see `timing`.
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * const schedule = Result.getOrThrow(ContinuousTime.learned({ features: 64, ends: "fixed" }))
 */
export const learned = (
  { ends = "learned", features = 64, logSnrMax = 13.3, logSnrMin = -5 }: LearnedOptions = {}
): Result.Result<ContinuousNoiseShape, InvalidSchedule> =>
  Result.gen(function*() {
    yield* Continuous.linear({ logSnrMax, logSnrMin })
    if (!(Number.isSafeInteger(features) && features >= 1)) {
      const reason = `"features" is ${features}; it is a positive integer, such as 64`
      return yield* Result.fail(new InvalidSchedule({ schedule: "learned", reason }))
    }
    const told = { logSnrMax, logSnrMin }
    const range = logSnrMax - logSnrMin
    const parameters: ParameterSpecs = {
      [names.line]: { shape: [], initializer: () => Float32Array.of(inverseSoftplus(1)) },
      [names.hiddenWeight]: { shape: [features], initializer: slopes },
      [names.hiddenBias]: { shape: [features], initializer: offsets },
      [names.out]: { shape: [features], initializer: () => new Float32Array(features).fill(inverseSoftplus(0.1)) },
      ...(ends === "learned"
        ? {
          [names.max]: { shape: [], initializer: () => Float32Array.of(logSnrMax) },
          [names.range]: { shape: [], initializer: () => Float32Array.of(inverseSoftplus(range)) }
        }
        : {})
    }
    return {
      name: "learned",
      parameters,
      at: (values, u) => between(endsOf(values, told), shapeOf(values)(u)),
      forVariance: (values, u) => forVariance(endsOf(values, told), shapeOf(values), u),
      continuous: (values) => onHost(values, told),
      told
    }
  })

/** The trained number whose softplus is a positive one. */
const inverseSoftplus = (y: number): number => y + Math.log(-Math.expm1(-y))

// Hidden sigmoids with slopes from 1 to 20, evenly by their logarithms, and biases from -8 to 8: gentle and steep ones, all
// along time.
const slopes: Initializer = (key, shape) =>
  draw(key, { distribution: Distribution.uniform(0, Math.log(20)), shape })
    .data.map((logarithm) => inverseSoftplus(Math.exp(logarithm)))

const offsets: Initializer = (key, shape) => draw(key, { distribution: Distribution.uniform(-8, 8), shape }).data

/** How far the schedule has gone from its one end to the other, from 0 to 1, and the derivative of that. */
interface Progress {
  readonly part: Tensor
  readonly derivative: Tensor
}

/** The ends of a schedule: its greatest log-SNR, and how far down the least is. */
interface Ends {
  readonly max: Tensor
  readonly range: Tensor
}

const endsOf = (parameters: Tensors, told: ContinuousNoiseShape["told"]): Ends => ({
  max: parameters[names.max] ?? tf.scalar(told.logSnrMax),
  range: parameters[names.range] === undefined
    ? tf.scalar(told.logSnrMax - told.logSnrMin)
    : tf.softplus(parameters[names.range]!)
})

const shapeOf = (parameters: Tensors) => {
  const line = tf.softplus(parameters[names.line]!)
  const slope = tf.softplus(parameters[names.hiddenWeight]!)
  const bias = parameters[names.hiddenBias]!
  const out = tf.softplus(parameters[names.out]!)
  const bent = (u: Tensor) => tf.sigmoid(tf.add(tf.mul(tf.sub(tf.mul(tf.reshape(u, [-1, 1]), 2), 1), slope), bias))
  const g = (u: Tensor, bent: Tensor) => tf.add(tf.mul(u, line), tf.mean(tf.mul(bent, out), 1))
  const ends = tf.tensor1d([0, 1])
  const [start, end] = tf.split(g(ends, bent(ends)), 2)
  const whole = tf.sub(end!, start!)
  return (u: Tensor): Progress => {
    const y = bent(u)
    const steepness = tf.mean(tf.mul(tf.mul(y, tf.sub(1, y)), tf.mul(out, tf.mul(slope, 2))), 1)
    return { part: tf.div(tf.sub(g(u, y), start!), whole), derivative: tf.div(tf.add(steepness, line), whole) }
  }
}

const between = ({ max, range }: Ends, { derivative, part }: Progress): LogSnr => ({
  logSnr: tf.sub(max, tf.mul(range, part)),
  derivative: tf.neg(tf.mul(range, derivative))
})

const forVariance = (ends: Ends, shape: (u: Tensor) => Progress, u: Tensor) => {
  const { derivative, part } = shape(u)
  const held = { derivative: stopGradient(derivative), part: stopGradient(part) }
  // The time at which this part of the way is done: it is u, and moves as the shape does, by the implicit function theorem.
  const moved = tf.sub(u, tf.div(tf.sub(part, held.part), held.derivative))
  return { ...between(ends, held), slope: tf.mul(stopGradient(ends.range), shape(moved).derivative) }
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

const onHost = (
  parameters: HostTensors,
  told: { readonly logSnrMax: number; readonly logSnrMin: number }
): ContinuousSchedule => {
  const [line, slopes, biases, outs, max, range] = [
    names.line,
    names.hiddenWeight,
    names.hiddenBias,
    names.out,
    names.max,
    names.range
  ].map((name) => parameters[name] === undefined ? undefined : Array.from(parameters[name].data))
  const units = slopes!.map((slope, k) => ({ slope: softplus(slope), bias: biases![k]!, out: softplus(outs![k]!) }))
  const weight = softplus(line![0]!)
  const bent = (u: number, { bias, slope }: typeof units[number]) => 1 / (1 + Math.exp(-(slope * (2 * u - 1) + bias)))
  const shape = (u: number) =>
    weight * u + units.reduce((sum, unit) => sum + unit.out * bent(u, unit), 0) / units.length
  const steepness = (u: number) =>
    weight + units.reduce((sum, unit) => {
        const y = bent(u, unit)
        return sum + 2 * unit.out * unit.slope * y * (1 - y)
      }, 0) / units.length
  const first = max === undefined ? told.logSnrMax : max[0]!
  const fall = range === undefined ? told.logSnrMax - told.logSnrMin : softplus(range[0]!)
  const [start, end] = [shape(0), shape(1)]
  const inTime = (f: (u: number) => number) => (u: number) => {
    if (!(u >= 0 && u <= 1)) throw new RangeError(`continuous time goes from 0 to 1, and ${u} is not in between`)
    return f(u)
  }
  return {
    name: "learned",
    config: undefined,
    logSnr: inTime((u) => first - fall * (shape(u) - start) / (end - start)),
    derivative: inTime((u) => -fall * steepness(u) / (end - start))
  }
}
