/**
 * Weight averaging: a second set of weights that follows the trained ones slowly. Samples are drawn with it; it is never
 * trained on.
 */
import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../engine/Program.ts"

/** A rule by which the average follows the parameters. */
export interface WeightAverage {
  readonly name: string
  /**
   * How much of the average stays at an optimiser step, in [0, 1], computed in float64. `step` counts from 0: 0 is the
   * average's first update.
   */
  readonly decay: (step: number) => number
}

export interface EmaOptions {
  /** The share of the average that stays at a step, in [0, 1]: 0.9999 averages over about the last 10,000 steps. */
  readonly decay: number
  /**
   * How the decay rises to `decay`, so that the first weights do not linger. With n the step, counted from 0:
   *
   * - `"none"` (default): it is `decay` from the beginning;
   * - `"ratio"`: min(decay, (1 + n) / (10 + n)), as TensorFlow, score_sde and diffusers have it;
   * - `{ power }`: min(decay, 1 - (1 + n)^-power), as k-diffusion (2/3) and diffusers' `use_ema_warmup` (3/4) have it.
   *
   * With a warm-up the decay at step 0 is 0: the average begins as the parameters after the first step.
   */
  readonly warmUp?: "none" | "ratio" | { readonly power: number }
}

/**
 * The exponential moving average of the weights (Ho et al. 2020, appendix B).
 *
 * @throws RangeError when the decay is not in [0, 1], or the power is not positive.
 * @example
 * ema({ decay: 0.9999, warmUp: { power: 0.75 } }).decay(10) // => 0.83443997
 */
export const ema = ({ decay, warmUp = "none" }: EmaOptions): WeightAverage => {
  if (!(decay >= 0 && decay <= 1)) throw new RangeError(`the decay of an average is in [0, 1], not ${decay}`)
  if (warmUp === "none") return { name: `ema(${decay})`, decay: () => decay }
  if (warmUp === "ratio") {
    return { name: `ema(${decay}, ratio)`, decay: (n) => n === 0 ? 0 : Math.min(decay, (1 + n) / (10 + n)) }
  }
  const { power } = warmUp
  if (!(power > 0 && power < Infinity)) throw new RangeError(`the power of a warm-up is positive, not ${power}`)
  return { name: `ema(${decay}, power ${power})`, decay: (n) => Math.min(decay, 1 - (1 + n) ** -power) }
}

/**
 * One step of an average: average + (1 - decay) * (parameters - average).
 *
 * In float32 a step that is less than half the distance to the next number is rounded off. Where the parameters rest, the
 * average comes to within 2^-24 / (1 - decay) of them, relative to their size: 6e-4 with a decay of 0.9999. Where they are
 * trained, it is as near to that in float64 as makes no difference: over 16,000 steps at most 7e-5 of its distance from
 * the parameters with a decay of 0.9999, and 4e-4 with one of 0.99999 (`docs/decisions/0013-*.md`).
 *
 * @param average [P]
 * @param parameters the parameters after this step, [P]
 * @param share 1 - decay, a scalar
 */
export const follow = (average: Tensor, parameters: Tensor, share: Tensor): Tensor =>
  tf.add(average, tf.mul(tf.sub(parameters, average), share))
