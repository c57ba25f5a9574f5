/**
 * A small digit classifier, trained on real digits: the judge of drawn ones.
 */
import { batches, type Dataset, evaluationBatches } from "@effusion/core/data"
import { Engine, type Program, type Tensor, type Tensors } from "@effusion/core/engine"
import { Distribution, draw, Key } from "@effusion/core/random"
import { float32, type HostTensor, sizeOf } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Record, Stream } from "effect"

type Weights = { readonly [name: string]: HostTensor<"float32"> }

/** A trained classifier. */
export interface Classifier {
  /** The probabilities of the ten classes for each image, [images, 10], row by row. */
  readonly probabilities: (images: HostTensor) => Effect.Effect<ReadonlyArray<ReadonlyArray<number>>, unknown, Engine>
  /** The share of the test set's images that are classified right. */
  readonly accuracy: number
}

const shapes = {
  conv1: [3, 3, 1, 24],
  conv2: [3, 3, 24, 32],
  conv3: [3, 3, 32, 64],
  dense1: [7 * 7 * 64, 96],
  dense2: [96, 10]
} as const

/** Convolutions and two dense layers: logits, [batch, 10]. `mask` drops out half of the hidden units where it is given. */
const logits = (weights: Tensors, images: Tensor, mask?: Tensor): Tensor => {
  const convolve = (x: Tensor, name: string, stride: number) =>
    tf.relu(tf.conv2d(x as tf.Tensor4D, weights[name] as tf.Tensor4D, stride, "same"))
  const features = convolve(convolve(convolve(images, "conv1", 1), "conv2", 2), "conv3", 2)
  const hidden = tf.relu(tf.matMul(tf.reshape(features, [images.shape[0]!, -1]), weights["dense1"] as tf.Tensor2D))
  const kept = mask === undefined ? hidden : tf.mul(tf.mul(hidden, mask), 2)
  return tf.matMul(kept as tf.Tensor2D, weights["dense2"] as tf.Tensor2D)
}

const batchSize = 64

/** Cross entropy and Adam (Kingma & Ba 2015, algorithm 1), with the step size corrected on the host. */
const trainingProgram: Program<Tensors, Tensors, { readonly loss: Tensor }> = {
  name: "classifier",
  state: Object.fromEntries(
    ["weight", "first", "second"].flatMap((part) =>
      Object.entries(shapes).map(([name, shape]) => [`${part}.${name}`, { shape, dtype: "float32" as const }])
    )
  ),
  input: {
    images: { shape: [batchSize, 28, 28, 1], dtype: "float32" },
    labels: { shape: [batchSize], dtype: "int32" },
    mask: { shape: [batchSize, 96], dtype: "float32" },
    stepSize: { shape: [], dtype: "float32" }
  },
  apply: (state, { images, labels, mask, stepSize }) => {
    const names = Object.keys(shapes)
    const target = tf.oneHot(labels as tf.Tensor1D, 10)
    const loss = (...weights: ReadonlyArray<Tensor>) => {
      const named = Object.fromEntries(names.map((name, i) => [name, weights[i]!]))
      return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits(named, images!, mask)), target), 1)))
    }
    const { grads, value } = tf.valueAndGrads(loss as never)(names.map((name) => state[`weight.${name}`]!))
    const next: Record<string, Tensor> = {}
    names.forEach((name, i) => {
      const first = tf.add(tf.mul(state[`first.${name}`]!, 0.9), tf.mul(grads[i]!, 0.1))
      const second = tf.add(tf.mul(state[`second.${name}`]!, 0.999), tf.mul(tf.square(grads[i]!), 0.001))
      next[`first.${name}`] = first
      next[`second.${name}`] = second
      const update = tf.div(tf.mul(first, stepSize!), tf.add(tf.sqrt(second), 1e-8))
      next[`weight.${name}`] = tf.sub(state[`weight.${name}`]!, update)
    })
    return { state: next, output: { loss: value } }
  }
}

/** Trains a classifier until it knows the training set well. */
export const trainClassifier = Effect.fnUntraced(function*(train: Dataset, test: Dataset, steps: number) {
  const engine = yield* Engine
  const key = Key.make(1)
  const initial = Record.map(shapes, (shape, name): HostTensor<"float32"> => {
    const fanIn = sizeOf(shape) / shape.at(-1)!
    const { data } = draw(Key.fold(key, name), { distribution: Distribution.normal, shape })
    return float32(shape, Float32Array.from(data, (x) => x * Math.sqrt(2 / fanIn)))
  })
  const weights = yield* Effect.gen(function*() {
    const executable = yield* engine.compile(trainingProgram)
    const instance = yield* executable.start(Object.fromEntries(
      Object.entries(initial).flatMap(([name, value]) => [
        [`weight.${name}`, value],
        [`first.${name}`, float32(value.shape, new Float32Array(value.data.length))],
        [`second.${name}`, float32(value.shape, new Float32Array(value.data.length))]
      ])
    ))
    yield* batches(train, { seed: 1, batchSize }).pipe(
      Stream.zipWithIndex,
      Stream.take(steps),
      Stream.runForEach(([{ label, x0 }, step]) => {
        const rate = 2e-3 * (1 - step / steps)
        const stepSize = rate * Math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        const mask = draw(Key.fold(key, step), { distribution: Distribution.bernoulli(0.5), shape: [batchSize, 96] })
        const images = shifted(x0, Key.fold(Key.fold(key, "shift"), step))
        return instance.step({ images, labels: label, mask, stepSize: float32([], [stepSize]) })
      })
    )
    const state = yield* instance.read
    return Record.map(initial, (_, name) => state[`weight.${name}`] as HostTensor<"float32">)
  }).pipe(Effect.scoped)

  const probabilities = (images: HostTensor) => classify(weights, images)
  const right = yield* evaluationBatches(test, 250).pipe(
    Stream.mapEffect(({ label, x0 }) =>
      Effect.map(probabilities(x0), (rows) => rows.filter((row, i) => argMax(row) === label.data[i]).length)
    ),
    Stream.runFold(() => 0, (sum, n) => sum + n)
  )
  return { probabilities, accuracy: right / test.size } satisfies Classifier
})

/** Images of 28x28, each moved by up to two pixels either way, so that a classifier cannot learn places by heart. */
const shifted = (images: HostTensor<"float32">, key: Key.Key): HostTensor<"float32"> => {
  const count = images.shape[0]!
  const offsets = draw(key, { distribution: Distribution.integers(-2, 3), shape: [2 * count] }).data
  const data = new Float32Array(images.data.length).fill(-1)
  for (let image = 0; image < count; image++) {
    const [down, right] = [offsets[2 * image]!, offsets[2 * image + 1]!]
    for (let row = Math.max(0, -down); row < Math.min(28, 28 - down); row++) {
      for (let column = Math.max(0, -right); column < Math.min(28, 28 - right); column++) {
        const from = (image * 28 + row) * 28 + column
        data[from + down * 28 + right] = images.data[from]!
      }
    }
  }
  return float32(images.shape, data)
}

/** The index of the largest number. */
export const argMax = (row: ReadonlyArray<number>): number => row.indexOf(Math.max(...row))

const classify = Effect.fnUntraced(function*(weights: Weights, images: HostTensor) {
  const engine = yield* Engine
  const executable = yield* engine.compile({
    name: "classify",
    state: Record.map(weights, ({ dtype, shape }) => ({ dtype, shape })),
    input: { images: { shape: images.shape, dtype: "float32" } },
    apply: (state: Tensors, { images }: { readonly images: Tensor }) => ({
      state,
      output: { probabilities: tf.softmax(logits(state, images)) }
    })
  })
  const instance = yield* executable.start(weights)
  const { probabilities } = yield* instance.step({ images })
  return Array.from(
    { length: images.shape[0]! },
    (_, i) => Array.from(probabilities.data.subarray(10 * i, 10 * (i + 1)))
  )
}, Effect.scoped)
