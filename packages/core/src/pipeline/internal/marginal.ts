import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../../engine/Program.ts"
import { type Schedule, sqrtAlphaBar, sqrtOneMinusAlphaBar, table } from "../../schedule/index.ts"

/**
 * How much of x_0 and of the noise x_t is made of: sqrt(alphaBar_t) and sqrt(1 - alphaBar_t) (Ho et al. 2020, equation 4)
 * for each example, shaped to multiply a tensor like `like`: [batch, 1, ...].
 */
export const marginalOf = (schedule: Schedule) => {
  const signal = Float32Array.from(table(schedule, sqrtAlphaBar))
  const spread = Float32Array.from(table(schedule, sqrtOneMinusAlphaBar))
  return {
    signal: (t: Tensor, like: Tensor): Tensor => perExample(signal, t, like),
    spread: (t: Tensor, like: Tensor): Tensor => perExample(spread, t, like)
  }
}

/** The value of a table at each example's t, shaped to multiply a tensor like `like`: [batch, 1, ...]. */
export const perExample = (values: Float32Array, t: Tensor, like: Tensor): Tensor =>
  tf.reshape(tf.gather(tf.tensor1d(values), t as tf.Tensor1D), [like.shape[0]!, ...like.shape.slice(1).map(() => 1)])
