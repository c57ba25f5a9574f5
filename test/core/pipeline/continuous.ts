/**
 * What tests of training in continuous time share: Gaussian data, whose best prediction is known, and a small network.
 */
import { Denoiser, type Initializer } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Layer } from "effect"

/** The ends of log-SNR that timesteps are counted between, and back from a timestep. */
export interface Told {
  readonly logSnrMax: number
  readonly logSnrMin: number
}

/**
 * The best prediction of the noise for data N(0, deviation^2) in every coordinate, E[noise | x] =
 * spread x / (alphaBar deviation^2 + 1 - alphaBar), plus a multiple of x that is wrong.
 */
export const gaussianDenoiser = (deviation: number, told: Told, wrong = 0): Layer.Layer<Denoiser> =>
  Layer.succeed(Denoiser, {
    name: "gaussian",
    exampleShape: [2],
    parameters: {},
    draws: () => ({}),
    apply: (_, { t, x }) => {
      const logSnr = tf.sub(told.logSnrMax, tf.mul(t, (told.logSnrMax - told.logSnrMin) / 1000))
      const alphaBar = tf.reshape(tf.sigmoid(logSnr), [-1, 1])
      const rest = tf.reshape(tf.sigmoid(tf.neg(logSnr)), [-1, 1])
      const factor = tf.div(tf.sqrt(rest), tf.add(tf.mul(alphaBar, deviation ** 2), rest))
      return tf.mul(x, tf.add(factor, wrong))
    }
  })

/** Gaussian data: [count, 2]. */
export const gaussianData = (seed: number, count: number, deviation: number) => {
  const { data } = draw(Key.make(seed), { distribution: Distribution.normal, shape: [count, 2] })
  return { x0: float32([count, 2], data.map((z) => deviation * z)) }
}

/** ln of the density's inverse, in expectation, in nats per coordinate: the entropy of N(0, deviation^2). */
export const gaussianEntropy = (deviation: number): number => 0.5 * Math.log(2 * Math.PI * Math.E * deviation ** 2)

/** Numbers near 0.6 and -0.6, as often: [count, 1]. */
export const twoHills = (seed: number, count: number) => {
  const noise = draw(Key.make(seed), { distribution: Distribution.normal, shape: [count] }).data
  return { x0: float32([count, 1], noise.map((z, i) => (i % 2 === 0 ? 0.6 : -0.6) + 0.1 * z)) }
}

/** The entropy of {@link twoHills} in nats: the hills do not meet. */
export const entropyOfTwoHills = gaussianEntropy(0.1) + Math.log(2)

const scaled = (fanIn: number): Initializer => (key, shape) =>
  draw(key, { distribution: Distribution.normal, shape }).data.map((z) => z / Math.sqrt(fanIn)) as Float32Array

const zeros: Initializer = (_, shape) => new Float32Array(shape.reduce((size, n) => size * n, 1))

/** A network of two hidden layers for numbers, told the log-SNR as sines and cosines of its timestep. */
export const network = (width: number): Layer.Layer<Denoiser> => {
  const inputs = 1 + 8
  return Layer.succeed(Denoiser, {
    name: "small network",
    exampleShape: [1],
    parameters: {
      "in.weight": { shape: [inputs, width], initializer: scaled(inputs) },
      "in.bias": { shape: [width], initializer: zeros },
      "hidden.weight": { shape: [width, width], initializer: scaled(width) },
      "hidden.bias": { shape: [width], initializer: zeros },
      "out.weight": { shape: [width, 1], initializer: zeros }
    },
    draws: () => ({}),
    apply: (parameters, { t, x }) => {
      const angles = tf.mul(
        tf.reshape(tf.div(t, 1000), [-1, 1]),
        tf.tensor2d([1, 2, 4, 8].map((k) => k * Math.PI / 2), [1, 4])
      )
      const features = tf.concat([x, tf.sin(angles), tf.cos(angles)], 1)
      const layer = (input: tf.Tensor, name: string) =>
        tf.tanh(tf.add(tf.matMul(input, parameters[`${name}.weight`]!), parameters[`${name}.bias`]!))
      return tf.matMul(layer(layer(features, "in"), "hidden"), parameters["out.weight"]!)
    }
  })
}
