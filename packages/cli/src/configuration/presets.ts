/**
 * Configurations with a name. A preset is a whole configuration; a file and flags override its fields.
 */
import { MLP, UNet } from "@effusion/models"
import type { RunConfig } from "./config.ts"
import { simplest } from "./learning.ts"

/**
 * Handwritten digits to order, in about three minutes on two cores: the network is told which digit it is to draw
 * (docs/decisions/0009-digits-to-order.md).
 */
const digits: RunConfig = {
  preset: "digits",
  data: "digits",
  model: { type: "unet", ...UNet.small, num_class_embeds: 11 },
  schedule: { type: "cosine", steps: 1000 },
  objective: "velocity",
  ...simplest,
  timesteps: "stratified",
  optimizer: {
    algorithm: "adam",
    learningRate: 2e-3,
    warmUp: 0.03,
    decay: "cosine",
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    weightDecay: 0,
    clipNorm: 1
  },
  averaging: { decay: 0.997, warmUp: "ratio" },
  steps: 1600,
  batchSize: 16,
  accumulate: 1,
  seed: 0,
  checkpoints: { every: 500, keep: 2 },
  previews: { every: 400, count: 20, steps: 25 },
  sampling: { sampler: "ddpm", steps: 50, eta: 0, count: 80 },
  guidance: null,
  conditioning: { dropout: 0.1 },
  classGuidance: { scale: 2, rescale: 0, interval: null }
}

/** A network that is told nothing. */
const unconditional = { conditioning: null, classGuidance: null }

/** Handwritten digits in less than a minute: strokes, not yet digits. For trying things out. */
const digitsSmall: RunConfig = {
  ...digits,
  preset: "digits-small",
  model: { type: "unet", ...UNet.small, block_out_channels: [16, 32, 32] },
  steps: 300,
  checkpoints: { every: 100, keep: 2 },
  previews: { every: 100, count: 16, steps: 20 },
  sampling: { ...digits.sampling, count: 64 },
  ...unconditional
}

/** Clothes: the 60,000 images of Fashion-MNIST, where Debian's package dataset-fashion-mnist puts them. */
const fashion: RunConfig = {
  ...digits,
  preset: "fashion",
  data: "idx:/usr/share/datasets/fashion-mnist",
  model: { type: "unet", ...UNet.small },
  steps: 4000,
  checkpoints: { every: 500, keep: 2 },
  previews: { every: 500, count: 16, steps: 25 },
  sampling: { ...digits.sampling, count: 64 },
  ...unconditional,
  // Grey is lost to black and white by more.
  guidance: { step: 200, scale: 1.5 }
}

/** Points in the plane that lie on a spiral, in seconds. */
const points: RunConfig = {
  preset: "points",
  data: "points:swiss-roll",
  model: { type: "mlp", ...MLP.Config.make({ width: 128 }) },
  schedule: { type: "cosine", steps: 200 },
  objective: "noise",
  ...simplest,
  timesteps: "uniform",
  optimizer: { ...digits.optimizer, learningRate: 1e-3, warmUp: 0.05, beta2: 0.999 },
  averaging: { decay: 0.995, warmUp: "ratio" },
  steps: 2000,
  batchSize: 256,
  accumulate: 1,
  seed: 0,
  checkpoints: { every: 500, keep: 2 },
  previews: { every: 1000, count: 500, steps: 50 },
  sampling: { sampler: "ddim", steps: 100, eta: 0, count: 2000 },
  guidance: null,
  ...unconditional
}

/**
 * Colour images of 32x32 pixels as in Ho et al. 2020 (appendix B), without its random flips: 800,000 steps of 128, for a
 * machine with days to spend. The pictures of CIFAR-10 are looked for in a folder `cifar10`; docs/configuration.md says how to come
 * by it.
 */
const ddpmCifar10: RunConfig = {
  preset: "ddpm-cifar10",
  data: "images:cifar10",
  model: { type: "unet", ...UNet.ddpmCifar10 },
  schedule: { type: "linear", steps: 1000, betaStart: 1e-4, betaEnd: 0.02 },
  objective: "noise",
  ...simplest,
  timesteps: "uniform",
  optimizer: { ...digits.optimizer, learningRate: 2e-4, warmUp: 1 / 160, decay: "constant", beta2: 0.999 },
  averaging: { decay: 0.9999, warmUp: "none" },
  steps: 800_000,
  batchSize: 128,
  accumulate: 1,
  seed: 0,
  checkpoints: { every: 5000, keep: 3 },
  previews: { every: 10_000, count: 16, steps: 50 },
  sampling: { sampler: "ddpm", steps: 1000, eta: 0, count: 64 },
  guidance: null,
  ...unconditional
}

/**
 * The presets by name.
 *
 * @example
 * presets["digits"]?.batchSize // => 16
 */
export const presets: { readonly [name: string]: RunConfig } = {
  digits,
  "digits-small": digitsSmall,
  fashion,
  points,
  "ddpm-cifar10": ddpmCifar10
}
