/**
 * The layers that hold weights: linear, convolution and group normalisation.
 *
 * Weights are named and laid out as PyTorch does (`weight`, `bias`; linear `[out, in]`, convolution
 * `[out, in, height, width]`), so that a checkpoint's tensors are used as they are. Activations are NHWC.
 */
import { Operations, type Tensor } from "@effusion/core/engine"
import type { Initializer } from "@effusion/core/pipeline"
import * as tf from "@tensorflow/tfjs"
import { ones, varianceScaling, zeros } from "../initializers.ts"
import { type Block, type Context, noDraws, required, type Requirements } from "./Block.ts"

/** How many channels go in and come out, and how the weight begins; by default by variance scaling with scale 1. */
export interface Channels {
  readonly inputs: number
  readonly outputs: number
  readonly initializer?: Initializer
}

/** A convolution's geometry. */
export interface Window {
  /** Height and width of the kernel. */
  readonly kernel: number
  readonly stride?: number
  /**
   * Rows and columns of zeros on every side; or "same" as TensorFlow has it, which with stride 2 and an even size pads
   * the far side only.
   */
  readonly padding?: number | "same"
}

const bias = (context: Context, path: string): Tensor => required(context.parameters, "parameter", `${path}.bias`)
const weight = (context: Context, path: string): Tensor => required(context.parameters, "parameter", `${path}.weight`)

/** x·Wᵀ + b on `[rows, inputs]`, with `weight` `[outputs, inputs]` and `bias` `[outputs]`: PyTorch's `nn.Linear`. */
export const linear = (path: string, { inputs, outputs, initializer = varianceScaling(1) }: Channels): Block => ({
  parameters: {
    [`${path}.weight`]: { shape: [outputs, inputs], initializer },
    [`${path}.bias`]: { shape: [outputs], initializer: zeros }
  },
  draws: noDraws,
  apply: (context, x) => tf.add(tf.matMul(x, weight(context, path), false, true), bias(context, path))
})

/** A convolution without dilation or groups: PyTorch's `nn.Conv2d`. Kernel 3, stride 1 and "same" padding if not told. */
export const convolution = (path: string, channels: Channels, window: Window = { kernel: 3 }): Block => ({
  ...convolutionParameters(path, channels, window),
  apply: (context, x) => tf.add(convolve(context, path, x, window), bias(context, path))
})

/**
 * A convolution, and an offset `[batch, outputs]` added to every pixel: `apply(context, x, offset)`. The offset joins
 * the bias before it meets the image, which makes one pass over the image instead of two, forward and backward.
 */
export const conditionedConvolution = (
  path: string,
  channels: Channels,
  window: Window = { kernel: 3 }
): Block<readonly [x: Tensor, offset: Tensor]> => ({
  ...convolutionParameters(path, channels, window),
  apply: (context, x, offset) => {
    const shift = tf.add(offset, bias(context, path))
    return tf.add(convolve(context, path, x, window), tf.reshape(shift, [-1, 1, 1, channels.outputs]))
  }
})

const convolutionParameters = (
  path: string,
  { inputs, outputs, initializer = varianceScaling(1) }: Channels,
  { kernel }: Window
): Requirements => ({
  parameters: {
    [`${path}.weight`]: { shape: [outputs, inputs, kernel, kernel], initializer },
    [`${path}.bias`]: { shape: [outputs], initializer: zeros }
  },
  draws: noDraws
})

const convolve = (context: Context, path: string, x: Tensor, { padding = "same", stride = 1 }: Window): Tensor => {
  // tfjs wants [height, width, in, out]; an engine that keeps PyTorch's layout cancels this transpose.
  const filter = tf.transpose(weight(context, path), [2, 3, 1, 0])
  return tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, padding)
}

/** What a group normalisation is made of. */
export interface Normalization {
  readonly channels: number
  /** Neighbouring channels are normalised together; divides `channels`. */
  readonly groups: number
  /** Added to the variance. */
  readonly epsilon: number
  readonly activation: "none" | "silu"
}

/**
 * Group normalisation over `[batch, ...positions, channels]` (Wu & He 2018, "Group Normalization"), and SiLU
 * (x · sigmoid(x)) after it where the network has one: PyTorch's `nn.GroupNorm`.
 */
export const groupNorm = (path: string, { channels, groups, epsilon, activation }: Normalization): Block => ({
  parameters: {
    [`${path}.weight`]: { shape: [channels], initializer: ones },
    [`${path}.bias`]: { shape: [channels], initializer: zeros }
  },
  draws: noDraws,
  apply: (context, x) =>
    Operations.groupNorm(x, weight(context, path), bias(context, path), { groups, epsilon, activation })
})
