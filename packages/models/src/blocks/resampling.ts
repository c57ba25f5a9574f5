/** Halving and doubling an image between the levels of a U-Net. Names as in diffusers' `Downsample2D`, `Upsample2D`. */
import { Operations } from "@effusion/core/engine"
import type { Block } from "./Block.ts"
import { convolution } from "./layers.ts"

/**
 * Half the height and width (both even), by a 3x3 convolution with stride 2.
 *
 * Frameworks differ in where they put the zeros, and weights trained with one convention are wrong in the other:
 *
 * @param padding 0 pads one row and column at the bottom and at the right, as TensorFlow's "same" does and so DDPM's
 * reference implementation; 1 pads one on every side, as PyTorch users mostly do. The numbers are diffusers'
 * `downsample_padding`.
 */
export const downsample = (path: string, channels: number, padding: 0 | 1): Block =>
  convolution(`${path}.conv`, { inputs: channels, outputs: channels }, {
    kernel: 3,
    stride: 2,
    padding: padding === 0 ? "same" : 1
  })

/** Twice the height and width: every pixel becomes a square of four, then a 3x3 convolution. */
export const upsample = (path: string, channels: number): Block => {
  const smooth = convolution(`${path}.conv`, { inputs: channels, outputs: channels })
  return { ...smooth, apply: (context, x) => smooth.apply(context, Operations.upsampleNearest(x, 2)) }
}
