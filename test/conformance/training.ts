/**
 * A whole training step as one stateful program: a small network, its loss and gradient, Adam, and an average of the
 * weights, held to the same in float64 with the gradient by central differences.
 */
import { expect } from "@effect/vitest"
import { Engine, type Program, type Tensor } from "@effusion/core/engine"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { type Algebra, arrays, tensors } from "./algebra.ts"
import { values } from "./arbitraries.ts"
import { firstMismatch } from "./check.ts"
import * as reference from "./reference/index.ts"
import type { Arrays, NdArray, Shape } from "./reference/index.ts"
import { type ConformanceOptions, type EngineTests, f32, type Named, type NamedHost } from "./tests.ts"

const epsilon = 1e-8
const [beta1, beta2, learningRate, decay] = [0.9, 0.999, 0.01, 0.75] as const

/** How large the network is. */
export interface Size {
  readonly batch: number
  readonly side: number
  readonly channels: number
}

const outputs = 3

const parameterShapes = ({ channels, side }: Size): { readonly [name: string]: Shape } => ({
  "conv.weight": [channels, 2, 3, 3],
  "conv.bias": [channels],
  "norm.weight": [channels],
  "norm.bias": [channels],
  "linear.weight": [outputs, Math.ceil(side / 2) ** 2 * channels],
  "linear.bias": [outputs]
})

/** Convolution, group norm + SiLU, linear layer: the mean squared error against y. */
const lossOf = <T>(algebra: Algebra<T>, parameters: { readonly [name: string]: T }, x: T, y: T): T => {
  const filter = algebra.transpose(parameters["conv.weight"] as T, [2, 3, 1, 0])
  const hidden = algebra.add(
    algebra.conv2d(x, filter, { strides: 2, padding: "same" }),
    parameters["conv.bias"] as T
  )
  const options = { groups: 2, epsilon: 1e-5, activation: "silu" } as const
  const normalised = algebra.groupNorm(hidden, parameters["norm.weight"] as T, parameters["norm.bias"] as T, options)
  const [batch, ...rest] = algebra.shapeOf(normalised)
  const flat = algebra.reshape(normalised, [batch!, reference.sizeOf(rest)])
  const product = algebra.matMul(flat, parameters["linear.weight"] as T, false, true)
  const error = algebra.sub(algebra.add(product, parameters["linear.bias"] as T), y)
  return algebra.mean(algebra.square(error), [0, 1])
}

const kinds = ["parameter", "mean", "square", "average"] as const

/** The training step as a program: state is parameters, both moments, the average, and the count of steps. */
export const trainingStep = (size: Size): Program<Named, { x: Tensor; y: Tensor }, { loss: Tensor }> => {
  const shapes = parameterShapes(size)
  const names = Object.keys(shapes)
  return {
    name: "training step",
    state: {
      count: f32(),
      ...Object.fromEntries(kinds.flatMap((kind) => names.map((name) => [`${kind}.${name}`, f32(...shapes[name]!)])))
    },
    input: { x: f32(size.batch, size.side, size.side, 2), y: f32(size.batch, outputs) },
    apply: (state, { x, y }) => {
      const count = tf.add(state["count"]!, 1)
      const parameters = names.map((name) => state[`parameter.${name}`]!)
      const objective = (...moved: ReadonlyArray<Tensor>) =>
        lossOf(tensors, Object.fromEntries(names.map((name, i) => [name, moved[i]!])), x, y) as tf.Scalar
      const { grads, value } = tf.valueAndGrads(objective)(parameters)
      const next: { [name: string]: Tensor } = { count }
      names.forEach((name, i) => {
        const gradient = grads[i]!
        const mean = tf.add(tf.mul(state[`mean.${name}`]!, beta1), tf.mul(gradient, 1 - beta1))
        const square = tf.add(tf.mul(state[`square.${name}`]!, beta2), tf.mul(tf.square(gradient), 1 - beta2))
        const unbiasedMean = tf.div(mean, tf.sub(1, tf.pow(beta1, count)))
        const unbiasedSquare = tf.div(square, tf.sub(1, tf.pow(beta2, count)))
        const direction = tf.div(unbiasedMean, tf.add(tf.sqrt(unbiasedSquare), epsilon))
        const parameter = tf.sub(parameters[i]!, tf.mul(direction, learningRate))
        next[`mean.${name}`] = mean
        next[`square.${name}`] = square
        next[`parameter.${name}`] = parameter
        next[`average.${name}`] = tf.add(tf.mul(state[`average.${name}`]!, decay), tf.mul(parameter, 1 - decay))
      })
      return { state: next, output: { loss: value } }
    }
  }
}

/** Where training begins: parameters and average drawn from a seed, moments zero. */
export const initialState = (size: Size): Arrays => {
  const shapes = parameterShapes(size)
  const drawn = Object.keys(shapes).map((name, i) =>
    [name, values(i, shapes[name]!, { low: -0.5, high: 0.5, away: [0] })] as const
  )
  return {
    count: reference.scalar(0),
    ...Object.fromEntries(drawn.flatMap(([name, array]) => [
      [`parameter.${name}`, array],
      [`average.${name}`, array],
      [`mean.${name}`, reference.full(array.shape, 0)],
      [`square.${name}`, reference.full(array.shape, 0)]
    ]))
  }
}

/** The batch of a step. */
export const batchOf = ({ batch, side }: Size, step: number): { readonly x: NdArray; readonly y: NdArray } => ({
  x: values(1000 + step, [batch, side, side, 2], { low: -2, high: 2 }),
  y: values(2000 + step, [batch, outputs], { low: -1, high: 1 })
})

/** A float64 array in float32 host memory. */
export const toFloat32 = ({ data, shape }: NdArray) => float32(shape, data)

/** All arrays of a record in float32 host memory. */
export const allToFloat32 = <Name extends string>(record: { readonly [N in Name]: NdArray }) =>
  Object.fromEntries(Object.entries<NdArray>(record).map(([name, array]) => [name, toFloat32(array)])) as {
    readonly [N in Name]: ReturnType<typeof toFloat32>
  }

/** Adam (Kingma and Ba 2015, algorithm 1) and the average of the weights, in float64. */
const referenceStep = (state: Arrays, batch: { readonly x: NdArray; readonly y: NdArray }) => {
  const names = Object.keys(state).flatMap((name) => name.startsWith("parameter.") ? [name.slice(10)] : [])
  const parameters = Object.fromEntries(names.map((name) => [name, state[`parameter.${name}`]!]))
  const { gradients, outputs: [loss] } = reference.differentiate(
    (moved) => [lossOf(arrays, moved, batch.x, batch.y)],
    parameters,
    names,
    () => [reference.scalar(1)]
  )
  const count = state["count"]!.data[0]! + 1
  const mix = (share: number) => reference.zip((old, fresh) => share * old + (1 - share) * fresh)
  const next: { [name: string]: NdArray } = { count: reference.scalar(count) }
  for (const name of names) {
    const gradient = gradients[name]!
    const mean = mix(beta1)(state[`mean.${name}`]!, gradient)
    const square = mix(beta2)(state[`square.${name}`]!, reference.square(gradient))
    const direction = reference.zip((m, v) =>
      m / (1 - beta1 ** count) / (Math.sqrt(v / (1 - beta2 ** count)) + epsilon)
    )(mean, square)
    const parameter = reference.zip((p, d) => p - learningRate * d)(parameters[name]!, direction)
    next[`mean.${name}`] = mean
    next[`square.${name}`] = square
    next[`parameter.${name}`] = parameter
    next[`average.${name}`] = mix(decay)(state[`average.${name}`]!, parameter)
  }
  return { state: next, loss: loss! }
}

/** Registers the tests. */
export const trainingTests = (it: EngineTests, { tolerance }: ConformanceOptions): void => {
  it.effect("five training steps are those of the reference", () =>
    Effect.gen(function*() {
      const size: Size = { batch: 4, side: 6, channels: 4 }
      const steps = 5
      const engine = yield* Engine
      const executable = yield* engine.compile(trainingStep(size))
      let expected = initialState(size)
      const instance = yield* executable.start(allToFloat32(expected))
      for (let step = 0; step < steps; step++) {
        const batch = batchOf(size, step)
        const { loss } = yield* instance.step(allToFloat32(batch))
        const truth = referenceStep(expected, batch)
        expected = truth.state
        expect(firstMismatch(loss, truth.loss, reference.map((x) => 10 * x)(truth.loss), tolerance)).toBeUndefined()
      }
      const actual: NamedHost = yield* instance.read
      expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort())
      for (const [name, array] of Object.entries(expected)) {
        // Adam divides a gradient by its own size, so a parameter's error is its gradient's relative error times the
        // learning rate. The largest element stands for the size of the sums in a tensor.
        const largest = array.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
        const mismatch = firstMismatch(actual[name]!, array, reference.full(array.shape, largest), tolerance)
        expect(mismatch, name).toBeUndefined()
      }
    }), 60_000)
}
