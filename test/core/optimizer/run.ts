/**
 * Runs transformations eagerly: the tensor functions themselves, without an engine.
 */
import type { GradientTransformation } from "@effusion/core/optimizer"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import type { Trajectory } from "./reference.ts"

export interface Run {
  /** Parameters after each step. */
  readonly parameters: Trajectory
  /** What the transformation made of each gradient. */
  readonly updates: Trajectory
  /** The kept vectors after the last step. */
  readonly vectors: { readonly [name: string]: ReadonlyArray<number> }
}

/** Applies a transformation to one gradient after the other, beginning with zeros in its vectors. */
export const run = (
  transformation: GradientTransformation,
  start: ReadonlyArray<number>,
  gradients: Trajectory
): Run =>
  tidy(() => {
    let parameters: tf.Tensor = tf.tensor1d([...start], "float32")
    let vectors: { readonly [name: string]: tf.Tensor } = Object.fromEntries(
      transformation.vectors.map((name) => [name, tf.zeros([start.length])])
    )
    const updates: Array<ReadonlyArray<number>> = []
    const trajectory = gradients.map((gradient, step) => {
      const hyperparameters = Object.fromEntries(
        Object.entries(transformation.hyperparameters(step)).map(([name, value]) => [name, tf.scalar(value)])
      )
      const transformed = transformation.update(tf.tensor1d([...gradient], "float32"), {
        parameters,
        vectors,
        hyperparameters
      })
      vectors = transformed.vectors
      parameters = tf.add(parameters, transformed.update)
      updates.push(Array.from(transformed.update.dataSync()))
      return Array.from(parameters.dataSync())
    })
    return {
      parameters: trajectory,
      updates,
      vectors: Object.fromEntries(Object.entries(vectors).map(([name, x]) => [name, Array.from(x.dataSync())]))
    }
  })

/** `tf.tidy` for functions that return no tensors, which its type does not foresee. */
const tidy = <A>(f: () => A): A => tf.tidy(f as () => tf.TensorContainer) as A

/** Numbers of ordinary size, exact in float32. */
export const element = fc.noBias(fc.integer({ min: -(1 << 12), max: 1 << 12 })).map((n) => n / 1024)

/** A start and a sequence of gradients, of one size. */
export const descent = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 12 })).chain(
  ([size, steps]) => {
    const vector = fc.array(element, { minLength: size, maxLength: size })
    return fc.record({ start: vector, gradients: fc.array(vector, { minLength: steps, maxLength: steps }) })
  }
)
