import * as tf from "@tensorflow/tfjs"
import { hasKernel, kernelNames, runKernel, runKernelMany } from "./composite.ts"
import { siluFallback } from "./silu.ts"

/** How {@link groupNorm} normalizes. */
export interface GroupNormOptions {
  /** The number of groups of neighbouring channels; divides the number of channels. */
  readonly groups: number
  /** Added to the variance. */
  readonly epsilon: number
  /** Applied to the result. Default `"none"`. */
  readonly activation?: "none" | "silu"
}

/**
 * Group normalization (Wu & He 2018, equations 1 to 6): each example's channels are standardized in groups over all
 * positions, then scaled and offset by channel; followed by an activation.
 *
 * @param x [batch, ...positions, channels], float32
 * @param scale [channels]
 * @param offset [channels]
 * @returns shaped as `x`
 * @throws RangeError when the groups do not divide the channels
 * @example
 * const h = Operations.groupNorm(x, scale, offset, { groups: 8, epsilon: 1e-6, activation: "silu" })
 */
export const groupNorm = (x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, options: GroupNormOptions): tf.Tensor => {
  const channels = x.shape.at(-1)!
  if (!Number.isInteger(channels / options.groups)) {
    throw new RangeError(`groupNorm: ${channels} channels cannot be divided into ${options.groups} groups`)
  }
  const attributes = { ...options, activation: options.activation ?? "none" }
  return hasKernel(kernelNames.groupNorm)
    ? runKernel(kernelNames.groupNorm, { x, scale, offset }, attributes)
    : groupNormFallback(x, scale, offset, options)
}

/** The specification of {@link groupNorm}. */
export const groupNormFallback = (
  x: tf.Tensor,
  scale: tf.Tensor,
  offset: tf.Tensor,
  { activation = "none", epsilon, groups }: GroupNormOptions
): tf.Tensor => {
  const batch = x.shape[0]!
  const channels = x.shape.at(-1)!
  const grouped = tf.reshape(x, [batch, -1, groups, channels / groups])
  const mean = tf.mean(grouped, [1, 3], true)
  const centered = tf.sub(grouped, mean)
  const variance = tf.mean(tf.square(centered), [1, 3], true)
  const standardized = tf.reshape(tf.mul(centered, tf.rsqrt(tf.add(variance, epsilon))), x.shape)
  const result = tf.add(tf.mul(standardized, scale), offset)
  return activation === "silu" ? siluFallback(result) : result
}

tf.registerGradient({
  kernelName: kernelNames.groupNorm,
  inputsToSave: ["scale"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attributes) => {
    const [scale, result] = saved as [tf.Tensor, tf.Tensor]
    // The engine knows the operation that made the result, and reuses its statistics.
    const [dx, dScale, dOffset] = runKernelMany(
      kernelNames.groupNormGradient,
      { dy: dy as tf.Tensor, scale, result },
      attributes
    )
    return { x: () => dx!, scale: () => dScale!, offset: () => dOffset! }
  }
})
