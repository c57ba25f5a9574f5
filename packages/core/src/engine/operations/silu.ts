import * as tf from "@tensorflow/tfjs"
import { hasKernel, kernelNames, runKernel } from "./composite.ts"

/**
 * x * sigmoid(x), elementwise: the sigmoid linear unit, also called swish (Ramachandran et al. 2017, section 4).
 *
 * @example
 * Operations.silu(tf.tensor1d([0, 1])) // => [0, 0.7310586]
 */
export const silu = (x: tf.Tensor): tf.Tensor =>
  hasKernel(kernelNames.silu) ? runKernel(kernelNames.silu, { x }, {}) : siluFallback(x)

/** The specification of {@link silu}. */
export const siluFallback = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.sigmoid(x))

tf.registerGradient({
  kernelName: kernelNames.silu,
  inputsToSave: ["x"],
  outputsToSave: [true],
  gradFunc: (dy, saved) => {
    const [x, y] = saved as [tf.Tensor, tf.Tensor]
    // d/dx = s (1 + x - y), where s = sigmoid(x) and y = x s.
    return { x: () => tf.mul(dy as tf.Tensor, tf.mul(tf.sigmoid(x), tf.add(tf.sub(x, y), 1))) }
  }
})
