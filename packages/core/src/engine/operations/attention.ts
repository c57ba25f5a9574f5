import * as tf from "@tensorflow/tfjs"
import { hasKernel, kernelNames, runKernel, runKernelMany } from "./composite.ts"

/**
 * Scaled dot-product attention (Vaswani et al. 2017, equation 1): softmax(scale q k^T) v, for each head.
 *
 * @param q queries, [batch, heads, length, depth], float32
 * @param k keys, [batch, heads, positions, depth]
 * @param v values, [batch, heads, positions, depth]
 * @param scale multiplies the products; the paper's is 1 / sqrt(depth)
 * @returns [batch, heads, length, depth]
 * @example
 * const h = Operations.attention(q, k, v, 1 / Math.sqrt(depth))
 */
export const attention = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, scale: number): tf.Tensor =>
  hasKernel(kernelNames.attention)
    ? runKernel(kernelNames.attention, { q, k, v }, { scale })
    : attentionFallback(q, k, v, scale)

/** The specification of {@link attention}. */
export const attentionFallback = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, scale: number): tf.Tensor =>
  tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), scale)), v)

tf.registerGradient({
  kernelName: kernelNames.attention,
  inputsToSave: ["q", "k", "v"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attributes) => {
    const [q, k, v, result] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
    const [dq, dk, dv] = runKernelMany(
      kernelNames.attentionGradient,
      { dy: dy as tf.Tensor, q, k, v, result },
      attributes
    )
    return { q: () => dq!, k: () => dk!, v: () => dv! }
  }
})
