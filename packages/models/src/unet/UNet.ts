/**
 * The U-Net of DDPM (Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models", appendix B), as diffusers'
 * `UNet2DModel` generalises it.
 *
 * The way down keeps the output of every step; the way up takes them back, last in, first out, and concatenates each
 * to what it has. Parameters are named, shaped and laid out as in the `state_dict` of `UNet2DModel`.
 */
import type { Tensor } from "@effusion/core/engine"
import { Denoiser, type DenoiserShape } from "@effusion/core/pipeline"
import * as tf from "@tensorflow/tfjs"
import { Layer } from "effect"
import { attentionBlock } from "../blocks/attentionBlock.ts"
import { type Block, type Context, countParameters, union } from "../blocks/Block.ts"
import { classesOf, conditionEmbedding } from "../blocks/conditionEmbedding.ts"
import { convolution, groupNorm } from "../blocks/layers.ts"
import { downsample, upsample } from "../blocks/resampling.ts"
import { resnetBlock } from "../blocks/resnetBlock.ts"
import { withEstimate } from "../blocks/selfConditioning.ts"
import { zeros } from "../initializers.ts"
import { type Config, embeddingSize, imageSize } from "./Config.ts"

/**
 * The denoiser of a configuration. With draws it trains (dropout on), without it evaluates.
 *
 * @example
 * const { parameters, apply } = UNet.make(UNet.small)
 * parameters["down_blocks.0.resnets.0.conv1.weight"]?.shape // => [32, 32, 3, 3]
 */
export const make = (config: Config): DenoiserShape => {
  const finest = config.block_out_channels[0]
  const condition = conditionEmbedding({
    convention: { size: finest, flipSinToCos: config.flip_sin_to_cos, freqShift: config.freq_shift },
    outputs: embeddingSize(config),
    classEmbeddings: config.num_class_embeds
  })
  const inputs = config.in_channels * (config.self_condition ? 2 : 1)
  const convIn = convolution("conv_in", { inputs, outputs: finest })
  const down = wayDown(config)
  const middle = middleSteps(config)
  const up = wayUp(config, [finest, ...down.map(({ outputs }) => outputs)])
  const normOut = groupNorm("conv_norm_out", {
    channels: finest,
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
    activation: "silu"
  })
  const convOut = convolution("conv_out", { inputs: finest, outputs: config.out_channels, initializer: zeros })
  return {
    name: "UNet",
    exampleShape: [...imageSize(config), config.in_channels],
    learnsVariance: config.out_channels === 2 * config.in_channels,
    ...classesOf(config.num_class_embeds),
    selfConditions: config.self_condition,
    ...union([convIn, condition, ...down, ...middle, ...up, normOut, convOut]),
    apply: (parameters, { x, t, draws, ...given }) => {
      const context: Context = { parameters, draws }
      const embedding = condition.apply(context, t, given.condition)
      const shown = withEstimate(config.self_condition, x, given.selfCondition)
      const image = config.center_input_sample ? tf.sub(tf.mul(shown, 2), 1) : shown
      const skips = [convIn.apply(context, image)]
      for (const step of down) skips.push(step.apply(context, skips.at(-1) as Tensor, embedding))
      let hidden = skips.at(-1) as Tensor
      for (const step of middle) hidden = step.apply(context, hidden, embedding)
      for (const step of up) {
        const input = step.takesSkip ? tf.concat([hidden, skips.pop() as Tensor], 3) : hidden
        hidden = step.apply(context, input, embedding)
      }
      return convOut.apply(context, normOut.apply(context, hidden))
    }
  }
}

/** The denoiser of a configuration, as the service that a pipeline asks for. */
export const layer = (config: Config): Layer.Layer<Denoiser> => Layer.succeed(Denoiser, make(config))

/**
 * The number of trainable numbers.
 *
 * @example
 * UNet.parameterCount(UNet.ddpmCifar10) // => 35_746_307
 */
export const parameterCount = (config: Config): number => countParameters(make(config))

/** A step on the way through the network, after which the image has `outputs` channels. */
interface Step extends Block<readonly [x: Tensor, embedding: Tensor]> {
  readonly outputs: number
}

/** Each level's layers, then half the size; the coarsest level is not halved. */
const wayDown = (config: Config): ReadonlyArray<Step> =>
  config.block_out_channels.flatMap((outputs, level, channels) => {
    const path = `down_blocks.${level}`
    const attends = config.down_block_types[level] === "AttnDownBlock2D"
    const layers = range(config.layers_per_block).map((index) => {
      const inputs = index === 0 ? channels[Math.max(level - 1, 0)] as number : outputs
      return residualLayer(config, { path, index, level, inputs, outputs, attends })
    })
    const shrink = downsample(`${path}.downsamplers.0`, outputs, config.downsample_padding)
    return level === channels.length - 1 ? layers : [...layers, { ...shrink, outputs }]
  })

/** Residual block, attention, residual block, at the coarsest level. */
const middleSteps = (config: Config): ReadonlyArray<Block<readonly [x: Tensor, embedding: Tensor]>> => {
  const level = config.block_out_channels.length - 1
  const channels = config.block_out_channels[level] as number
  const outputScale = config.mid_block_scale_factor
  const resnet = (index: number) =>
    resnetBlock(`mid_block.resnets.${index}`, resnetConfig(config, level, channels, channels, outputScale))
  const attention = attentionBlock("mid_block.attentions.0", {
    channels,
    headSize: config.attention_head_dim ?? channels,
    groups: config.attn_norm_num_groups ?? config.norm_num_groups,
    epsilon: config.norm_eps,
    outputScale
  })
  return config.add_attention ? [resnet(0), attention, resnet(1)] : [resnet(0), resnet(1)]
}

/**
 * Each level's layers, one more than on the way down, then twice the size; the finest level is not doubled.
 *
 * @param skips the channels of what the way down kept, first in, first out; each layer takes the last that is left.
 */
const wayUp = (config: Config, skips: ReadonlyArray<number>) =>
  config.up_block_types.flatMap((type, stage): ReadonlyArray<Step & { readonly takesSkip: boolean }> => {
    const path = `up_blocks.${stage}`
    const channels = config.block_out_channels
    const level = channels.length - 1 - stage
    const outputs = channels[level] as number
    const layersOfLevel = config.layers_per_block + 1
    const layers = range(layersOfLevel).map((index) => {
      const hidden = index === 0 ? channels[Math.min(level + 1, channels.length - 1)] as number : outputs
      const skip = skips[skips.length - 1 - stage * layersOfLevel - index] as number
      const shape = { path, index, level, inputs: hidden + skip, outputs, attends: type === "AttnUpBlock2D" }
      return { ...residualLayer(config, shape), takesSkip: true }
    })
    const grow = upsample(`${path}.upsamplers.0`, outputs)
    return level === 0 ? layers : [...layers, { ...grow, outputs, takesSkip: false }]
  })

/** Where a layer stands, and what goes through it. */
interface LayerShape {
  readonly path: string
  readonly index: number
  readonly level: number
  readonly inputs: number
  readonly outputs: number
  readonly attends: boolean
}

/** A residual block, and attention after it at the levels that have it. */
const residualLayer = (config: Config, { path, index, level, inputs, outputs, attends }: LayerShape): Step => {
  const resnet = resnetBlock(`${path}.resnets.${index}`, resnetConfig(config, level, inputs, outputs, 1))
  if (!attends) return { ...resnet, outputs }
  const attention = attentionBlock(`${path}.attentions.${index}`, {
    channels: outputs,
    headSize: config.attention_head_dim ?? outputs,
    groups: config.norm_num_groups,
    epsilon: config.norm_eps,
    outputScale: 1
  })
  return {
    ...union([resnet, attention]),
    outputs,
    apply: (context, x, embedding) => attention.apply(context, resnet.apply(context, x, embedding))
  }
}

const resnetConfig = (config: Config, level: number, inputs: number, outputs: number, outputScale: number) => ({
  inputs,
  outputs,
  embedding: embeddingSize(config),
  size: imageSize(config).map((pixels) => pixels / 2 ** level),
  groups: config.norm_num_groups,
  epsilon: config.norm_eps,
  dropout: config.dropout,
  outputScale
})

const range = (length: number): ReadonlyArray<number> => Array.from({ length }, (_, i) => i)
