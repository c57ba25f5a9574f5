/**
 * Linear regression as a pipeline: small enough to be trained again by hand, in float64.
 */
import type { HostOf, Tensor, Tensors } from "@effusion/core/engine"
import { Pipeline, type Stage } from "@effusion/core/pipeline"
import { draw, Key } from "@effusion/core/random"
import { float32 } from "@effusion/core/tensor"
import type { HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Stream } from "effect"

export const dimensions = 3

/** Examples: x [batch, 3], y [batch]. */
export type Examples = { readonly x: Tensor; readonly y: Tensor }
export type Fit = Examples & { readonly perExample: Tensor; readonly loss: Tensor }

/** y is fitted by x w + b. Nothing depends on `unused`. */
export const stage: Stage<Examples, Fit> = {
  name: "regression",
  parameters: {
    w: { shape: [dimensions], initializer: () => Float32Array.of(0.5, -0.25, 1) },
    unused: { shape: [2], initializer: () => Float32Array.of(3, 4) },
    b: { shape: [], initializer: () => Float32Array.of(0.125) }
  },
  draws: () => ({}),
  specs: (input) => ({
    ...input,
    perExample: { shape: [input.x.shape[0]!], dtype: "float32" },
    loss: { shape: [], dtype: "float32" }
  }),
  apply: (input, { parameters }) => {
    const w = tf.reshape(parameters["w"]!, [dimensions, 1])
    const prediction = tf.add(tf.reshape(tf.matMul(input.x as tf.Tensor2D, w as tf.Tensor2D), [-1]), parameters["b"]!)
    const perExample = tf.square(tf.sub(prediction, input.y))
    return { ...input, perExample, loss: tf.mean(perExample) }
  }
}

export const pipeline = Pipeline.make(Effect.succeed(stage))

const normals = (name: string, index: number, shape: ReadonlyArray<number>): HostTensor<"float32"> =>
  draw(Key.fold(Key.fold(Key.make(1), name), index), { distribution: { _tag: "Normal" }, shape })

/** Batch `index` of so many examples. */
export const batch = (index: number, size: number): HostOf<Examples> => ({
  x: normals("x", index, [size, dimensions]),
  y: normals("y", index, [size])
})

/** Several batches, one after the other, as one. */
export const together = (batches: ReadonlyArray<HostOf<Examples>>): HostOf<Examples> => {
  const size = batches.reduce((sum, { y }) => sum + y.shape[0]!, 0)
  return {
    x: float32([size, dimensions], batches.flatMap(({ x }) => Array.from(x.data))),
    y: float32([size], batches.flatMap(({ y }) => Array.from(y.data)))
  }
}

/** The batches of a run, made from their numbers. */
export const source =
  <In extends Tensors>(batchAt: (index: number) => HostOf<In>) => (from: number): Stream.Stream<HostOf<In>> =>
    Stream.unfold(from, (index) => Effect.sync(() => [batchAt(index), index + 1] as const))

/** The loss and its gradient with respect to [w, b], in float64. */
export const lossAndGradient = (
  { x, y }: HostOf<Examples>,
  parameters: ReadonlyArray<number>
): { readonly loss: number; readonly gradient: ReadonlyArray<number> } => {
  const size = y.data.length
  const gradient = Array.from({ length: dimensions + 1 }, () => 0)
  let loss = 0
  for (let i = 0; i < size; i++) {
    let prediction = parameters[dimensions]!
    for (let j = 0; j < dimensions; j++) prediction += x.data[i * dimensions + j]! * parameters[j]!
    const residual = prediction - y.data[i]!
    loss += residual ** 2 / size
    for (let j = 0; j < dimensions; j++) gradient[j]! += 2 * residual * x.data[i * dimensions + j]! / size
    gradient[dimensions]! += 2 * residual / size
  }
  return { loss, gradient }
}
