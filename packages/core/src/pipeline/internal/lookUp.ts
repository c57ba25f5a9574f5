import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../../engine/Program.ts"

/** table[t] for each example, shaped to multiply a tensor like `like`: [batch, 1, ...]. */
export const lookUp = (table: Float32Array, t: Tensor, like: Tensor): Tensor =>
  tf.reshape(tf.gather(tf.tensor1d(table), t as tf.Tensor1D), [like.shape[0]!, ...like.shape.slice(1).map(() => 1)])
