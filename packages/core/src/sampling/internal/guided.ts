/**
 * Two networks that denoise as one.
 */
import * as tf from "@tensorflow/tfjs"
import { qualify, unqualify } from "../../engine/names.ts"
import type { DenoiserShape } from "../../pipeline/Denoiser.ts"
import type { HostTensors } from "../../pipeline/Pipeline.ts"
import type { Guide } from "../Sampling.ts"

const trained = "trained"
const guide = "guide"

/**
 * guide + scale * (trained - guide), of the predictions of one network with two sets of parameters (Karras et al. 2024,
 * equation 3).
 *
 * The factors add up to 1, and at a given x_t the noise, x_0 and v are affine functions of one another: guided in any of
 * them, the result is the same.
 */
export const guidedDenoiser = (denoiser: DenoiserShape, scale: number): DenoiserShape => ({
  ...denoiser,
  name: `${denoiser.name}, guided`,
  parameters: { ...qualify(trained, denoiser.parameters), ...qualify(guide, denoiser.parameters) },
  apply: (parameters, input) => {
    const [good, bad] = [trained, guide].map((role) => denoiser.apply(unqualify(role, parameters), input))
    return tf.add(bad!, tf.mul(tf.sub(good!, bad!), scale))
  }
})

/** The parameters of {@link guidedDenoiser}. */
export const guidedParameters = (parameters: HostTensors, { parameters: others }: Guide): HostTensors => ({
  ...qualify(trained, parameters),
  ...qualify(guide, others)
})
