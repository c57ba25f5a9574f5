/** Coordinates as waves. */
import type { Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"

/**
 * x, then sin(2^k·π·x) for each octave k from 0 to `octaves` - 1, then the cosines: `[batch, dimensions]` to
 * `[batch, dimensions · (1 + 2 · octaves)]`.
 *
 * A network on bare coordinates learns high frequencies slowly; on these it does not (Tancik et al. 2020, "Fourier
 * Features Let Networks Learn High Frequency Functions in Low Dimensional Domains"; there "positional encoding").
 */
export const fourierFeatures = (x: Tensor, octaves: number): Tensor => {
  if (octaves === 0) return x
  const angles = Array.from({ length: octaves }, (_, k) => tf.mul(x, 2 ** k * Math.PI))
  return tf.concat([x, ...angles.map((angle) => tf.sin(angle)), ...angles.map((angle) => tf.cos(angle))], 1)
}
