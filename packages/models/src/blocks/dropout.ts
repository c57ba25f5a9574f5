/**
 * Dropout from masks that are given: the randomness is drawn on the host from the run's key, so that a run is the same
 * on every engine.
 */
import { Distribution } from "@effusion/core/random"
import type { Shape } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { type Block, required } from "./Block.ts"

/**
 * Inverted dropout (Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
 * section 10): each element is kept with probability 1 - p and then divided by 1 - p, which keeps its expectation.
 *
 * The mask is the draw named `path`, of shape `[batch, ...shape]`, 1 where an element is kept. Without any draws the
 * block evaluates: x passes as it is.
 *
 * @param shape the shape of one example's activation.
 * @param probability p: the share of elements dropped, in [0, 1). With 0 there is no mask.
 */
export const dropout = (path: string, shape: Shape, probability: number): Block => ({
  parameters: {},
  draws: (batch) =>
    probability === 0
      ? {}
      : { [path]: { distribution: Distribution.bernoulli(1 - probability), shape: [batch, ...shape] } },
  apply: ({ draws }, x) => {
    if (probability === 0 || Object.keys(draws).length === 0) return x
    return tf.mul(x, tf.mul(required(draws, "draw", path), 1 / (1 - probability)))
  }
})
