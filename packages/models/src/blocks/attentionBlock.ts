/** Self-attention between the positions of an image. */
import { Operations, type Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { zeros } from "../initializers.ts"
import { type Block, union } from "./Block.ts"
import { groupNorm, linear } from "./layers.ts"

/** What an attention block is made of. */
export interface AttentionConfig {
  readonly channels: number
  /** Channels of one head; divides `channels`. The number of heads is `channels / headSize`. */
  readonly headSize: number
  readonly groups: number
  readonly epsilon: number
  /** What the sum of input and residual is divided by. */
  readonly outputScale: number
}

/**
 * Group norm without activation; queries, keys and values by linear layers; softmax(q·kᵀ / √headSize)·v over all
 * positions (Vaswani et al. 2017, eq. 1); a linear layer that begins at zero; plus the input. NHWC in and out.
 *
 * DDPM's reference implementation has one head over all channels. Names as in diffusers' `Attention`: `group_norm`,
 * `to_q`, `to_k`, `to_v`, `to_out.0`.
 */
export const attentionBlock = (path: string, config: AttentionConfig): Block => {
  const { channels, groups, epsilon, headSize } = config
  const heads = channels / headSize
  const norm = groupNorm(`${path}.group_norm`, { channels, groups, epsilon, activation: "none" })
  const square = { inputs: channels, outputs: channels }
  const toQuery = linear(`${path}.to_q`, square)
  const toKey = linear(`${path}.to_k`, square)
  const toValue = linear(`${path}.to_v`, square)
  const toOutput = linear(`${path}.to_out.0`, { ...square, initializer: zeros })
  return {
    ...union([norm, toQuery, toKey, toValue, toOutput]),
    apply: (context, x) => {
      const [batch, height, width] = x.shape as [number, number, number, number]
      const length = height * width
      const rows = tf.reshape(norm.apply(context, x), [batch * length, channels])
      const perHead = (layer: Block) => splitHeads(layer.apply(context, rows), batch, length, heads)
      const attended = Operations.attention(perHead(toQuery), perHead(toKey), perHead(toValue), 1 / Math.sqrt(headSize))
      const residual = tf.reshape(toOutput.apply(context, joinHeads(attended)), [batch, height, width, channels])
      const sum = tf.add(x, residual)
      return config.outputScale === 1 ? sum : tf.div(sum, config.outputScale)
    }
  }
}

/** `[batch · length, channels]` to `[batch, heads, length, headSize]`; heads are neighbouring channels. */
const splitHeads = (rows: Tensor, batch: number, length: number, heads: number): Tensor =>
  heads === 1
    ? tf.reshape(rows, [batch, 1, length, -1])
    : tf.transpose(tf.reshape(rows, [batch, length, heads, -1]), [0, 2, 1, 3])

/** The inverse of {@link splitHeads}. */
const joinHeads = (x: Tensor): Tensor => {
  const [batch, heads, length, headSize] = x.shape as [number, number, number, number]
  return tf.reshape(heads === 1 ? x : tf.transpose(x, [0, 2, 1, 3]), [batch * length, heads * headSize])
}
