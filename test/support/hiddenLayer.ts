/**
 * A network of one hidden layer on points in the plane, of any width.
 */
import type { Tensor } from "@effusion/core/engine"
import { draw, type Key } from "@effusion/core/random"
import * as tf from "@tensorflow/tfjs"

/** How many timesteps the network tells apart. */
export const timesteps = 50

/** The shapes of the weights. */
export const shapesOf = (hidden: number) => ({
  "hidden.weight": [3, hidden],
  "hidden.bias": [hidden],
  "out.weight": [hidden, 2]
})

/** Initializes with normal numbers of a standard deviation. */
export const normal = (deviation: number) => (key: Key.Key, shape: ReadonlyArray<number>): Float32Array =>
  draw(key, { distribution: { _tag: "Normal" }, shape }).data.map((x) => deviation * x) as Float32Array

/** @param keep what is kept of the activations: all, unless there is dropout */
export const applyHiddenLayer = (
  parameters: { readonly [name: string]: Tensor },
  { t, x }: { readonly t: Tensor; readonly x: Tensor },
  keep: (activations: Tensor) => Tensor = (activations) => activations
): Tensor => {
  const time = tf.expandDims(tf.div(tf.cast(t, "float32"), timesteps), 1)
  const activations = tf.tanh(
    tf.add(tf.matMul(tf.concat([x, time], 1), parameters["hidden.weight"]!), parameters["hidden.bias"]!)
  )
  return tf.matMul(keep(activations), parameters["out.weight"]!)
}
