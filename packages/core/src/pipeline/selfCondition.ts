import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../engine/Program.ts"

/**
 * An estimate of x_0 as a denoiser that self-conditions is shown it, in training and in sampling alike: within [-1, 1],
 * as data is. An estimate from nearly pure noise is far beyond otherwise, and would be what the network sees most of.
 *
 * @example
 * const prediction = denoiser.apply(parameters, { x, t, draws: {}, selfCondition: clippedToData(estimate) })
 */
export const clippedToData = (estimate: Tensor): Tensor => tf.clipByValue(estimate, -1, 1)
