/**
 * How far a prediction is from its target, element by element, as a service.
 */
import * as tf from "@tensorflow/tfjs"
import { Context, Effect, Layer } from "effect"
import { type HuberOptions, huberScale, type InvalidObjective } from "../../diffusion/index.ts"
import type { Tensor } from "../../engine/Program.ts"
import { type Schedule, table } from "../../schedule/index.ts"
import { type PerTimestep, perTimestep } from "../internal/perTimestep.ts"

/** A distance. */
export interface DistanceShape {
  readonly name: string
  /**
   * The distance that a difference amounts to, for each element; it is 0 for 0 and never negative.
   *
   * @returns a function of the differences, [batch, ...], and the timesteps, [batch]
   */
  readonly elements: (schedule: Schedule) => (difference: Tensor, t: Tensor) => Tensor
}

/**
 * The distance service.
 *
 * What a weighting says holds for {@link Distance.squared}; with another distance it multiplies that.
 *
 * @example
 * Effect.provide(program, Distance.huber({ c: 0.1, schedule: "snr" }))
 */
export class Distance extends Context.Service<Distance, DistanceShape>()("@effusion/core/pipeline/Distance") {
  /** d^2 (Ho et al. 2020, equation 14). */
  static readonly squared: Layer.Layer<Distance> = Layer.succeed(Distance, {
    name: "squared",
    elements: () => (difference) => tf.square(difference)
  })

  /** |d|. Its gradient at 0 is 0. */
  static readonly absolute: Layer.Layer<Distance> = Layer.succeed(Distance, {
    name: "absolute",
    elements: () => (difference) => tf.mul(difference, tf.sign(difference))
  })

  /**
   * 2 c (sqrt(d^2 + c^2) - c), the pseudo-Huber loss as diffusers has it: d^2 for small errors, 2 c |d| for large ones.
   * See {@link huberScale} for c.
   */
  static huber(options: HuberOptions = {}): Layer.Layer<Distance, InvalidObjective> {
    return pseudoHuber("huber", options, (d, c) => tf.mul(tf.mul(c, 2), rounded(d, c)))
  }

  /**
   * 2 (sqrt(d^2 + c^2) - c), the smooth L1 loss as diffusers has it: d^2 / c for small errors, 2 |d| for large ones. See
   * {@link huberScale} for c.
   */
  static smoothL1(options: HuberOptions = {}): Layer.Layer<Distance, InvalidObjective> {
    return pseudoHuber("smooth-l1", options, (d, c) => tf.mul(rounded(d, c), 2))
  }
}

/** sqrt(d^2 + c^2) - c, in a form that loses no digits where d is small. */
const rounded = (d: Tensor, c: Tensor): Tensor => {
  const squared = tf.square(d)
  return tf.div(squared, tf.add(tf.sqrt(tf.add(squared, tf.square(c))), c))
}

const pseudoHuber = (
  name: string,
  options: HuberOptions,
  distance: (difference: Tensor, c: Tensor) => Tensor
): Layer.Layer<Distance, InvalidObjective> =>
  Layer.effect(
    Distance,
    Effect.map(Effect.fromResult(huberScale(options)), (scale) => ({
      name,
      elements: (schedule) => {
        const c: PerTimestep = perTimestep(table(schedule, scale))
        return (difference, t) => distance(difference, c(t, difference))
      }
    }))
  )
