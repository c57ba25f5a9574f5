/**
 * How a network is told the timestep: a sinusoidal embedding, then a small perceptron.
 */
import { Operations, type Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { type Block, union } from "./Block.ts"
import { linear } from "./layers.ts"

/** The conventions in which sinusoidal embeddings differ; both fields are named as in diffusers. */
export interface SinusoidalConvention {
  /** The number of features. */
  readonly size: number
  /**
   * Whether the cosines come first. `false` in DDPM's reference implementation; `true` in improved-diffusion, and by
   * default in diffusers.
   */
  readonly flipSinToCos: boolean
  /**
   * The frequencies are 10000^(-i / (size/2 - freqShift)). 1 in DDPM's reference implementation, where the last
   * frequency is therefore exactly 1/10000; 0 in improved-diffusion, and by default in diffusers.
   */
  readonly freqShift: number
}

/**
 * The angular frequencies of a sinusoidal embedding, in radians a timestep, in float64 and highest first:
 * 10000^(-i / (half - freqShift)) for i from 0 to half - 1, with half = ⌊size / 2⌋.
 *
 * @example
 * frequencies({ size: 4, flipSinToCos: false, freqShift: 1 }) // => [1, 0.0001]
 */
export const frequencies = ({ size, freqShift }: SinusoidalConvention): ReadonlyArray<number> => {
  const half = Math.floor(size / 2)
  return Array.from({ length: half }, (_, i) => Math.exp((-Math.log(10_000) * i) / (half - freqShift)))
}

/**
 * Sinusoidal features of timesteps: `[batch]` int32 to `[batch, size]` float32. The features are sin(t·ω) and cos(t·ω)
 * for each frequency ω, in the order that the convention says, and a zero after them when `size` is odd.
 *
 * As in Vaswani et al. 2017 ("Attention Is All You Need", section 3.5), with sines and cosines in two halves in place of
 * alternating; the two free conventions are those of diffusers' `get_timestep_embedding`.
 */
export const sinusoidalEmbedding = (t: Tensor, convention: SinusoidalConvention): Tensor => {
  const omega = tf.tensor2d([...frequencies(convention)], [1, Math.floor(convention.size / 2)], "float32")
  const angles = tf.mul(tf.reshape(tf.cast(t, "float32"), [-1, 1]), omega)
  const halves = [tf.sin(angles), tf.cos(angles)]
  const features = tf.concat(convention.flipSinToCos ? halves.toReversed() : halves, 1)
  return convention.size % 2 === 0 ? features : tf.pad(features, [[0, 0], [0, 1]])
}

/**
 * Sinusoidal features, linear, SiLU, linear: `[batch]` timesteps to `[batch, outputs]`.
 *
 * Parameters `linear_1` and `linear_2`, as in diffusers' `TimestepEmbedding`.
 */
export const timeEmbedding = (path: string, convention: SinusoidalConvention, outputs: number): Block => {
  const first = linear(`${path}.linear_1`, { inputs: convention.size, outputs })
  const second = linear(`${path}.linear_2`, { inputs: outputs, outputs })
  return {
    ...union([first, second]),
    apply: (context, t) => {
      const hidden = Operations.silu(first.apply(context, sinusoidalEmbedding(t, convention)))
      return second.apply(context, hidden)
    }
  }
}
