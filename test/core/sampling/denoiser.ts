/**
 * A small denoiser with parameters, on an engine and in float64 on the host.
 */
import type { DenoiserShape } from "@effusion/core/pipeline"
import type { HostTensor } from "@effusion/core/tensor"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"

/** The shape of its examples: a little image. */
export const exampleShape = [3, 2, 2] as const
export const exampleSize = 12

const initializer = (_: unknown, shape: ReadonlyArray<number>) => new Float32Array(shape.reduce((a, b) => a * b, 1))

/** prediction = tanh(weight x + 0.01 t + bias), element by element. */
export const denoiser: DenoiserShape = {
  name: "tanh",
  exampleShape,
  parameters: { weight: { shape: exampleShape, initializer }, bias: { shape: exampleShape, initializer } },
  draws: () => ({}),
  apply: (parameters, { t, x }) => {
    const time = tf.reshape(tf.mul(tf.cast(t, "float32"), 0.01), [x.shape[0]!, 1, 1, 1])
    return tf.tanh(tf.add(tf.add(tf.mul(x, parameters["weight"]!), time), parameters["bias"]!))
  }
}

export const parameters: { readonly weight: HostTensor; readonly bias: HostTensor } = {
  weight: float32(exampleShape, Float32Array.from({ length: exampleSize }, (_, i) => Math.sin(1 + i))),
  bias: float32(exampleShape, Float32Array.from({ length: exampleSize }, (_, i) => 0.3 * Math.cos(i)))
}

/** The same on the host, for any number of examples. */
export const onHost = (x: Float64Array, timestep: number, { bias, weight } = parameters): Float64Array =>
  x.map((value, i) => {
    const k = i % exampleSize
    return Math.tanh(weight.data[k]! * value + 0.01 * timestep + bias.data[k]!)
  })
