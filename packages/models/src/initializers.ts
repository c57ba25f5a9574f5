/**
 * Initializers: how a parameter is filled before training, as a pure function of a key.
 *
 * The denoisers follow the reference implementation of DDPM (Ho, Jain & Abbeel 2020, "Denoising Diffusion
 * Probabilistic Models"; its `nn.py`): weights are drawn by variance scaling, biases are zero, normalisations begin as
 * the identity, and the last layer of every residual branch begins at zero, so that an untrained branch adds nothing
 * and an untrained network predicts zero.
 */
import type { Initializer } from "@effusion/core/pipeline"
import { Distribution, draw } from "@effusion/core/random"
import { type Shape, sizeOf } from "@effusion/core/tensor"

/** All elements 0. */
export const zeros: Initializer = (_, shape) => new Float32Array(sizeOf(shape))

/** All elements 1. */
export const ones: Initializer = (_, shape) => new Float32Array(sizeOf(shape)).fill(1)

/**
 * Normal with mean 0.
 *
 * @param deviation the standard deviation
 * @example
 * Initializers.normal(0.02)(key, [11, 128])
 */
export const normal = (deviation: number): Initializer => (key, shape) =>
  draw(key, { distribution: Distribution.normal, shape }).data.map((value) => deviation * value) as Float32Array

/**
 * The number of inputs and of outputs that each element of a weight takes part in, for PyTorch's layouts: `[out, in]`
 * of a linear layer, `[out, in, height, width]` of a convolution.
 *
 * @throws RangeError when the shape has fewer than two axes: a bias or a scale has no fans.
 * @example
 * Initializers.fans([64, 32, 3, 3]) // => { fanIn: 288, fanOut: 576 }
 */
export const fans = (shape: Shape): { readonly fanIn: number; readonly fanOut: number } => {
  const [outputs, inputs, ...window] = shape
  if (outputs === undefined || inputs === undefined) {
    throw new RangeError(`a weight of shape [${shape.join(", ")}] has no fans: expected [out, in, ...window]`)
  }
  const receptiveField = sizeOf(window)
  return { fanIn: inputs * receptiveField, fanOut: outputs * receptiveField }
}

/**
 * Variance scaling over the mean of the fans: uniform in ±√(3 · scale / ((fanIn + fanOut) / 2)), which has variance
 * 2 · scale / (fanIn + fanOut). With `scale` 1 this is Glorot & Bengio 2010 ("Understanding the difficulty of training
 * deep feedforward neural networks", eq. 16), the default of the DDPM reference implementation.
 *
 * @param scale a number above 0.
 * @example
 * Initializers.varianceScaling(1)(key, [64, 32, 3, 3]) // 18,432 numbers, each within ±√(3 / 432) = ±0.0833
 */
export const varianceScaling = (scale: number): Initializer => (key, shape) => {
  const { fanIn, fanOut } = fans(shape)
  const limit = Math.sqrt((6 * scale) / (fanIn + fanOut))
  const distribution: Distribution.Uniform = { _tag: "Uniform", minimum: -limit, maximum: limit }
  return draw(key, { distribution, shape }).data
}
