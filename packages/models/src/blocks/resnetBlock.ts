/** The residual block of the DDPM U-Net. */
import type { Tensor } from "@effusion/core/engine"
import type { Shape } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { zeros } from "../initializers.ts"
import { type Block, union } from "./Block.ts"
import { dropout } from "./dropout.ts"
import { conditionedConvolution, convolution, groupNorm, linear } from "./layers.ts"

/** What a residual block is made of. */
export interface ResnetConfig {
  readonly inputs: number
  readonly outputs: number
  /** Features of the time embedding. */
  readonly embedding: number
  /** Height and width of the image at this level: dropout's masks need it. */
  readonly size: Shape
  readonly groups: number
  readonly epsilon: number
  /** Probability that dropout drops an element, in [0, 1). */
  readonly dropout: number
  /** What the sum of input and residual is divided by. */
  readonly outputScale: number
}

/**
 * `apply(context, x, embedding)`: group norm, SiLU, 3x3 convolution, plus the projected time embedding; group norm,
 * SiLU, dropout, 3x3 convolution that begins at zero; plus the input, through a 1x1 convolution where the number of
 * channels changes (Ho et al. 2020, appendix B).
 *
 * `embedding` is the time embedding after SiLU, `[batch, embedding]`. Names as in diffusers' `ResnetBlock2D`.
 */
export const resnetBlock = (path: string, config: ResnetConfig): Block<readonly [x: Tensor, embedding: Tensor]> => {
  const { inputs, outputs, groups, epsilon } = config
  const norm1 = groupNorm(`${path}.norm1`, { channels: inputs, groups, epsilon, activation: "silu" })
  const conv1 = conditionedConvolution(`${path}.conv1`, { inputs, outputs })
  const projection = linear(`${path}.time_emb_proj`, { inputs: config.embedding, outputs })
  const norm2 = groupNorm(`${path}.norm2`, { channels: outputs, groups, epsilon, activation: "silu" })
  const drop = dropout(`${path}.dropout`, [...config.size, outputs], config.dropout)
  const conv2 = convolution(`${path}.conv2`, { inputs: outputs, outputs, initializer: zeros })
  const shortcut = inputs === outputs
    ? undefined
    : convolution(`${path}.conv_shortcut`, { inputs, outputs }, { kernel: 1 })
  return {
    ...union([norm1, conv1, projection, norm2, drop, conv2, ...(shortcut === undefined ? [] : [shortcut])]),
    apply: (context, x, embedding) => {
      const conditioned = conv1.apply(context, norm1.apply(context, x), projection.apply(context, embedding))
      const residual = conv2.apply(context, drop.apply(context, norm2.apply(context, conditioned)))
      const sum = tf.add(shortcut === undefined ? x : shortcut.apply(context, x), residual)
      return config.outputScale === 1 ? sum : tf.div(sum, config.outputScale)
    }
  }
}
