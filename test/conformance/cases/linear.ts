/**
 * Cases of matrix products, convolutions and pooling.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { tfjsPadding } from "../algebra.ts"
import { dimension, type Range, seeds, values } from "../arbitraries.ts"
import { type Case, float, instance } from "../Case.ts"
import * as reference from "../reference/index.ts"
import type { Padding, Shape } from "../reference/index.ts"

const around: Range = { low: -2, high: 2 }
const of = (seed: number, shape: Shape) => float(values(seed, shape, around))
const small = fc.integer({ min: 1, max: 3 })

const products: ReadonlyArray<Case> = [
  {
    name: "matMul",
    instances: fc.record({
      batch: fc.array(small, { maxLength: 2 }),
      sizes: fc.tuple(dimension, dimension, dimension),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      seed: seeds
    }).map(({ batch, seed, sizes: [rows, inner, columns], transposeA, transposeB }) =>
      instance(
        `matMul${transposeA ? " a^T" : ""}${transposeB ? " b^T" : ""}`,
        {
          a: of(seed, [...batch, ...(transposeA ? [inner, rows] : [rows, inner])]),
          b: of(seed + 1, [...batch, ...(transposeB ? [columns, inner] : [inner, columns])])
        },
        ({ a, b }) => [tf.matMul(a!, b!, transposeA, transposeB)],
        ({ a, b }) => [reference.matMul(a!, b!, transposeA, transposeB)],
        ["a", "b"]
      )
    )
  },
  {
    name: "matMul with stretched batches",
    instances: fc.record({ batch: fc.tuple(small, small), stretched: fc.nat(3), seed: seeds }).map(
      ({ batch, seed, stretched }) => {
        const left = batch.map((size, axis) => stretched === axis ? 1 : size)
        const right = batch.map((size, axis) => stretched === axis + 2 ? 1 : size)
        return instance(
          "matMul",
          { a: of(seed, [...left, 2, 3]), b: of(seed + 1, [...right, 3, 4]) },
          ({ a, b }) => [tf.matMul(a!, b!)],
          ({ a, b }) => [reference.matMul(a!, b!)],
          ["a", "b"]
        )
      }
    )
  },
  {
    name: "matMul of a sum of squares with itself",
    instances: fc.tuple(dimension, dimension, seeds).map(([rows, columns, seed]) =>
      instance(
        "x x^T and x^T x",
        { x: of(seed, [rows, columns]) },
        ({ x }) => [tf.matMul(x!, x!, false, true), tf.matMul(x!, tf.transpose(tf.transpose(x!)), true)],
        ({ x }) => [reference.matMul(x!, x!, false, true), reference.matMul(x!, x!, true)],
        ["x"]
      )
    )
  },
  {
    name: "linear layer",
    instances: fc.tuple(dimension, dimension, dimension, seeds).map(([batch, inputs, outputs, seed]) =>
      instance(
        "x w^T + b",
        { x: of(seed, [batch, inputs]), w: of(seed + 1, [outputs, inputs]), b: of(seed + 2, [outputs]) },
        ({ b, w, x }) => [tf.add(tf.matMul(x!, w!, false, true), b!)],
        ({ b, w, x }) => [reference.add(reference.matMul(x!, w!, false, true), b!)],
        ["x", "w", "b"]
      )
    )
  }
]

const paddings: fc.Arbitrary<Padding> = fc.oneof(
  fc.constantFrom<Padding>("same", "valid", 0, 1, 2),
  fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)).map(
    ([top, bottom, left, right]): Padding => [[top, bottom], [left, right]]
  )
)

const convolutions = fc.record({
  batch: small,
  height: fc.integer({ min: 5, max: 7 }),
  width: fc.integer({ min: 5, max: 7 }),
  kernel: fc.constantFrom<readonly [number, number]>([1, 1], [3, 3], [5, 5], [2, 2], [3, 1], [1, 5]),
  channels: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  strides: fc.integer({ min: 1, max: 2 }),
  padding: paddings,
  seed: seeds
})

const convolution: Case = {
  name: "conv2d",
  instances: convolutions.map(({ batch, channels, height, kernel, padding, seed, strides, width }) =>
    instance(
      `conv2d with stride ${strides}, padding ${JSON.stringify(padding)}`,
      { x: of(seed, [batch, height, width, channels[0]]), filter: of(seed + 1, [...kernel, ...channels]) },
      ({ filter, x }) => [tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, tfjsPadding(padding))],
      ({ filter, x }) => [reference.conv2d(x!, filter!, { strides, padding })],
      ["x", "filter"]
    )
  )
}

/** Engines have other ways to convolve channels that fill vector units, and to lay out their filters. */
const manyChannels: Case = {
  name: "conv2d of many channels",
  instances: fc.tuple(
    convolutions,
    fc.tuple(fc.constantFrom(8, 16, 32), fc.constantFrom(8, 16, 32)),
    fc.constantFrom(1, 3, 5),
    fc.constantFrom("HWIO" as const, "OIHW" as const)
  ).map(([{ batch, height, padding, seed, strides, width }, channels, kernel, stored]) => {
    const filterShape = stored === "HWIO"
      ? [kernel, kernel, ...channels]
      : [...channels.toReversed(), kernel, kernel]
    const asHwio = (filter: tf.Tensor) => stored === "HWIO" ? filter : tf.transpose(filter, [2, 3, 1, 0])
    return instance(
      `conv2d with stride ${strides}, padding ${JSON.stringify(padding)}, filter ${stored}`,
      { x: of(seed, [batch, height, width, channels[0]]), filter: of(seed + 1, filterShape) },
      ({ filter, x }) => [
        tf.conv2d(x as tf.Tensor4D, asHwio(filter!) as tf.Tensor4D, strides, tfjsPadding(padding))
      ],
      ({ filter, x }) => [
        reference.conv2d(x!, stored === "HWIO" ? filter! : reference.transpose(filter!, [2, 3, 1, 0]), {
          strides,
          padding
        })
      ],
      ["x", "filter"],
      // The typical size of a sum of kernel x kernel x channels products, of variance 2 each.
      Math.sqrt(2 * kernel * kernel * channels[0]),
      "directions"
    )
  })
}

const dilated: Case = {
  // tfjs has no gradient of a dilated convolution.
  name: "conv2d with dilation",
  instances: fc.tuple(convolutions, fc.integer({ min: 2, max: 3 })).map(
    ([{ batch, channels, height, seed, width }, dilations]) =>
      instance(
        `conv2d with dilation ${dilations}, padding same`,
        { x: of(seed, [batch, height, width, channels[0]]), filter: of(seed + 1, [3, 3, ...channels]) },
        ({ filter, x }) => [tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same", "NHWC", dilations)],
        ({ filter, x }) => [reference.conv2d(x!, filter!, { strides: 1, padding: "same", dilations })]
      )
  )
}

const oihw: Case = {
  name: "conv2d with a filter stored OIHW",
  instances: convolutions.map(({ batch, channels, height, kernel, seed, strides, width }) =>
    instance(
      `conv2d with stride ${strides}, padding same, filter OIHW`,
      { x: of(seed, [batch, height, width, channels[0]]), filter: of(seed + 1, [...channels.toReversed(), ...kernel]) },
      ({ filter, x }) => [
        tf.conv2d(x as tf.Tensor4D, tf.transpose(filter!, [2, 3, 1, 0]) as tf.Tensor4D, strides, "same")
      ],
      ({ filter, x }) => [
        reference.conv2d(x!, reference.transpose(filter!, [2, 3, 1, 0]), { strides, padding: "same" })
      ],
      ["x", "filter"]
    )
  )
}

const unbatched: Case = {
  name: "conv2d of one image without a batch axis",
  instances: convolutions.map(({ channels, height, kernel, seed, width }) =>
    instance(
      "conv2d, padding same",
      { x: of(seed, [height, width, channels[0]]), filter: of(seed + 1, [...kernel, ...channels]) },
      ({ filter, x }) => [tf.conv2d(x as tf.Tensor3D, filter as tf.Tensor4D, 1, "same")],
      ({ filter, x }) => [
        reference.reshape(
          reference.conv2d(reference.expandDims(x!), filter!, { strides: 1, padding: "same" }),
          [height, width, channels[1]]
        )
      ],
      ["x", "filter"]
    )
  )
}

const pooling: Case = {
  name: "avgPool",
  instances: fc.record({
    shape: fc.tuple(small, fc.integer({ min: 3, max: 6 }), fc.integer({ min: 3, max: 6 }), small),
    kernel: fc.integer({ min: 1, max: 3 }),
    strides: fc.integer({ min: 1, max: 2 }),
    padding: fc.constantFrom("same", "valid"),
    seed: seeds
  }).map(({ kernel, padding, seed, shape, strides }) =>
    instance(
      `avgPool of ${kernel}x${kernel} with stride ${strides}, padding ${padding}`,
      { x: of(seed, shape) },
      ({ x }) => [tf.avgPool(x as tf.Tensor4D, kernel, strides, padding as "same" | "valid")],
      ({ x }) => [reference.avgPool(x!, kernel, strides, padding as "same" | "valid")],
      ["x"]
    )
  )
}

export const linear: ReadonlyArray<Case> = [...products, convolution, manyChannels, dilated, oihw, unbatched, pooling]
