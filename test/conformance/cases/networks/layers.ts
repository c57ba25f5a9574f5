/**
 * Cases of what layers compute: normalisation, sums by letters, kernels that stand for several operations, choices.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { distinctValues, hash, seeds, shapes, values } from "../../arbitraries.ts"
import { type Case, float, instance } from "../../Case.ts"
import * as reference from "../../reference/index.ts"
import type { NdArray, Shape } from "../../reference/index.ts"
import { around, images, of } from "./images.ts"

/** Sums by letters that users write: products, attention, traces of what has letters of its own. */
const equations = [
  "ij,jk->ik",
  "ij,kj->ki",
  "bij,bjk->bik",
  "bhqd,bhkd->bhqk",
  "bqhd,bkhd->bhqk",
  "bhqk,bkhd->bqhd",
  "bhwc,co->bhwo",
  "i,j->ji",
  "ij,ij->",
  "ij,ij->ij",
  "ijk,j->ki",
  "ij,k->i",
  "ij->ji",
  "ijk->j",
  "ij->"
]

const einsum: Case = {
  name: "einsum",
  instances: fc.tuple(fc.constantFrom(...equations), seeds).map(([equation, seed]) => {
    const terms = equation.split("->")[0]!.split(",")
    const sizeOf = (letter: string) => 1 + Math.floor(3 * hash(seed, letter.charCodeAt(0)))
    const inputs = Object.fromEntries(
      terms.map((term, i) => [["a", "b"][i]!, of(seed + i, [...term].map(sizeOf))])
    )
    const names = Object.keys(inputs)
    return instance(
      `einsum ${equation}`,
      inputs,
      (all) => [tf.einsum(equation, ...names.map((name) => all[name]!))],
      (all) => [reference.einsum(equation, ...names.map((name) => all[name]!))],
      names
    )
  })
}

const normalised = (x: NdArray, mean: NdArray, variance: NdArray, epsilon: number): NdArray =>
  reference.div(
    reference.sub(x, mean),
    reference.sqrt(reference.add(variance, reference.scalar(epsilon)))
  )

const normalisation: ReadonlyArray<Case> = [
  {
    name: "batchNorm",
    instances: fc.record({ shape: images, isScaled: fc.boolean(), isShifted: fc.boolean(), seed: seeds }).map(
      ({ isScaled, isShifted, seed, shape }) => {
        const channels = [shape[3]]
        const inputs = {
          x: of(seed, shape),
          mean: of(seed + 1, channels),
          variance: float(values(seed + 2, channels, { low: 0.5, high: 2 })),
          ...(isShifted && { offset: of(seed + 3, channels) }),
          ...(isScaled && { scale: of(seed + 4, channels) })
        }
        return instance(
          `batchNorm ${isScaled ? "with" : "without"} scale, ${isShifted ? "with" : "without"} offset,`,
          inputs,
          (
            { mean, offset, scale, variance, x }
          ) => [tf.batchNorm(x!, mean as never, variance as never, offset as never, scale as never, 0.01)],
          ({ mean, offset, scale, variance, x }) => [
            reference.add(
              reference.mul(normalised(x!, mean!, variance!, 0.01), scale ?? reference.scalar(1)),
              offset ?? reference.scalar(0)
            )
          ],
          Object.keys(inputs)
        )
      }
    )
  },
  {
    name: "layer norm by moments, and norms",
    instances: fc.tuple(shapes({ minRank: 2, maxRank: 3 }), seeds).map(([shape, seed]) =>
      instance(
        "layer norm, squared differences, norms",
        // Every row has elements that differ.
        { x: float(distinctValues(seed, [...shape, 3])) },
        ({ x }) => {
          const { mean, variance } = tf.moments(x!, -1, true)
          return [
            tf.div(tf.sub(x!, mean), tf.sqrt(tf.add(variance, 0.1))),
            tf.mean(tf.squaredDifference(x!, tf.mean(x!, -1, true)), -1),
            tf.norm(tf.add(x!, 20), "euclidean", -1),
            tf.norm(tf.add(x!, 20)),
            tf.norm(tf.add(x!, 20), 1, -1, true)
          ]
        },
        ({ x }) => {
          const { mean, variance } = reference.moments(x!, -1, true)
          const shifted = reference.add(x!, reference.scalar(20))
          return [
            normalised(x!, mean, variance, 0.1),
            reference.moments(x!, -1).variance,
            reference.euclideanNorm(shifted, -1),
            reference.euclideanNorm(shifted),
            reference.sum(reference.abs(shifted), -1, true)
          ]
        },
        ["x"],
        20
      )
    )
  }
]

/** Kernels that tfjs's layers call, for several operations at once. */
const fused: ReadonlyArray<Case> = [
  {
    name: "fused matMul, conv2d and depthwiseConv2d",
    instances: fc.tuple(images, fc.constantFrom("linear", "relu", "elu", "sigmoid", "relu6"), seeds).map(
      ([shape, activation, seed]) => {
        const channels = shape[3]
        // No sum that an activation has a kink at: float32 and float64 would be on either side of it.
        const of = (seed: number, shape: Shape) => float(values(seed, shape, { low: 0.25, high: 2 }))
        const activate = {
          linear: (x: NdArray) => x,
          relu: reference.relu,
          elu: reference.elu,
          sigmoid: reference.sigmoid,
          relu6: reference.relu6
        }[activation]!
        // Sums are below 6 and above 0.
        const scaled = (x: NdArray) => reference.mul(x, reference.scalar(1 / 32))
        return instance(
          `with activation ${activation},`,
          {
            x: of(seed, shape),
            filter: of(seed + 1, [2, 2, channels, 2]),
            own: of(seed + 2, [2, 2, channels, 1]),
            matrix: of(seed + 3, [channels, 2]),
            bias: of(seed + 4, [2]),
            ownBias: of(seed + 5, [channels])
          },
          ({ bias, filter, matrix, own, ownBias, x }) => {
            const image = tf.mul(x!, 1 / 32) as tf.Tensor4D
            const common = { strides: 1, pad: "valid", activation: activation as "relu" } as const
            const rows = tf.reshape(image, [-1, channels]) as tf.Tensor2D
            return [
              tf.fused.conv2d({ ...common, x: image, filter: filter as tf.Tensor4D, bias: bias! }),
              tf.fused.depthwiseConv2d({ ...common, x: image, filter: own as tf.Tensor4D, bias: ownBias! }),
              tf.fused.matMul({ a: rows, b: matrix as tf.Tensor2D, bias: bias!, activation: activation as "relu" })
            ]
          },
          ({ bias, filter, matrix, own, ownBias, x }) => {
            const image = scaled(x!)
            const window = { strides: 1, padding: "valid" } as const
            return [
              reference.add(reference.conv2d(image, filter!, window), bias!),
              reference.add(reference.depthwiseConv2d(image, own!, window), ownBias!),
              reference.add(reference.matMul(reference.reshape(image, [-1, channels]), matrix!), bias!)
            ].map(activate)
          },
          ["x", "filter", "own", "matrix", "bias", "ownBias"]
        )
      }
    )
  }
]

/** What a comparison chooses by is differentiated along with what it chooses. */
const comparisons: Case = {
  name: "choices by comparison",
  instances: fc.tuple(shapes({ minRank: 1, maxRank: 3 }), seeds).map(([shape, seed]) =>
    instance(
      "where of greater, less and equal",
      { x: float(values(seed, shape, { ...around, away: [0, 1] })) },
      ({ x }) => [
        tf.where(tf.greater(x!, 0), tf.square(x!), 0),
        tf.where(tf.logicalAnd(tf.less(x!, 1), tf.logicalNot(tf.equal(x!, 0))), tf.mul(x!, 3), tf.neg(x!)),
        tf.where(tf.lessEqual(x!, 1), x!, tf.sum(x!))
      ],
      ({ x }) => {
        const [zero, one] = [reference.scalar(0), reference.scalar(1)]
        const isSmall = reference.less(x!, one)
        return [
          reference.where(reference.greater(x!, zero), reference.square(x!), zero),
          reference.where(isSmall, reference.mul(x!, reference.scalar(3)), reference.neg(x!)),
          reference.where(isSmall, x!, reference.sum(x!))
        ]
      },
      ["x"]
    )
  )
}

export const layers: ReadonlyArray<Case> = [einsum, ...normalisation, ...fused, comparisons]
