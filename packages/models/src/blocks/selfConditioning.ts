/**
 * A denoiser's own earlier estimate of the data, beside what it is shown (Chen, Zhang and Hinton, "Analog Bits:
 * Generating Discrete Data using Diffusion Models with Self-Conditioning", 2023, section 3.2).
 */
import type { Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"

/**
 * What is noised and then the estimate, along the last axis; zeros where there is no estimate yet. Without
 * self-conditioning, what is noised alone.
 */
export const withEstimate = (selfConditions: boolean, x: Tensor, estimate: Tensor | undefined): Tensor =>
  selfConditions ? tf.concat([x, estimate ?? tf.zerosLike(x)], x.rank - 1) : x
