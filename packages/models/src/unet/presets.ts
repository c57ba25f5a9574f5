/** Configurations with a name, each with the number of its parameters. */
import { Config } from "./Config.ts"

/** The conventions of DDPM's reference implementation, where they differ from diffusers' defaults. */
const ddpm = {
  freq_shift: 1,
  flip_sin_to_cos: false,
  downsample_padding: 0,
  attention_head_dim: null,
  norm_eps: 1e-6
} as const

/**
 * DDPM's network for CIFAR-10 (Ho et al. 2020, appendix B), with its dropout of 0.1: 32x32 pixels, attention at 16x16.
 * 35,746,307 parameters. The configuration of `google/ddpm-cifar10-32`, but for the dropout, which does not outlast
 * training.
 */
export const ddpmCifar10: Config = Config.make({
  ...ddpm,
  sample_size: 32,
  block_out_channels: [128, 256, 256, 256],
  down_block_types: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
  dropout: 0.1
})

/**
 * DDPM's network for 256x256 pixels (Ho et al. 2020, appendix B), with attention at 16x16. 113,673,219 parameters.
 * The configuration of `google/ddpm-celebahq-256` and its siblings.
 */
export const ddpm256: Config = Config.make({
  ...ddpm,
  sample_size: 256,
  block_out_channels: [128, 128, 256, 256, 512, 512],
  down_block_types: ["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"]
})

/** A small network for 28x28 pixels in one channel (handwritten digits), with attention at 7x7. 1,112,801 parameters. */
export const small: Config = Config.make({
  ...ddpm,
  sample_size: 28,
  in_channels: 1,
  out_channels: 1,
  block_out_channels: [32, 64, 64],
  down_block_types: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
  layers_per_block: 1,
  norm_num_groups: 8
})

/** A mid-sized network for 32x32 pixels in colour, with attention at 16x16. 6,472,195 parameters. */
export const cifar32: Config = Config.make({
  ...ddpm,
  sample_size: 32,
  block_out_channels: [64, 128, 128],
  down_block_types: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"]
})
