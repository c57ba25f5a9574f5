/**
 * One vocabulary over both worlds: what is written once with it runs as a tfjs program and as its reference.
 *
 * Single operations are checked by cases that name both sides. Chains and random expressions, where what matters is how
 * operations meet, are written once with this.
 */
import { Operations, type Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import * as reference from "./reference/index.ts"
import type { Convolution, GroupNormalisation, NdArray, Padding, PerAxis, Shape } from "./reference/index.ts"

/** Operations on one kind of tensor. */
export interface Algebra<T> {
  readonly shapeOf: (x: T) => Shape
  readonly full: (shape: Shape, value: number) => T
  readonly onesLike: (x: T) => T
  readonly zerosLike: (x: T) => T
  readonly add: (a: T, b: T) => T
  readonly sub: (a: T, b: T) => T
  readonly mul: (a: T, b: T) => T
  readonly div: (a: T, b: T) => T
  readonly maximum: (a: T, b: T) => T
  readonly neg: (x: T) => T
  readonly abs: (x: T) => T
  readonly relu: (x: T) => T
  readonly square: (x: T) => T
  readonly sin: (x: T) => T
  readonly tanh: (x: T) => T
  readonly sigmoid: (x: T) => T
  readonly silu: (x: T) => T
  readonly reshape: (x: T, shape: Shape) => T
  readonly broadcastTo: (x: T, shape: Shape) => T
  readonly transpose: (x: T, permutation: ReadonlyArray<number>) => T
  readonly concat: (xs: ReadonlyArray<T>, axis: number) => T
  readonly split: (x: T, lengths: ReadonlyArray<number>, axis: number) => ReadonlyArray<T>
  readonly slice: (x: T, begin: Shape, size: Shape) => T
  readonly pad: (x: T, paddings: ReadonlyArray<readonly [number, number]>, constant?: number) => T
  readonly tile: (x: T, repeats: ReadonlyArray<number>) => T
  readonly reverse: (x: T, axes: ReadonlyArray<number>) => T
  readonly sum: (x: T, axes: ReadonlyArray<number>, keepDims?: boolean) => T
  readonly mean: (x: T, axes: ReadonlyArray<number>, keepDims?: boolean) => T
  readonly softmax: (x: T) => T
  readonly matMul: (a: T, b: T, transposeA?: boolean, transposeB?: boolean) => T
  readonly conv2d: (x: T, filter: T, convolution: Convolution) => T
  readonly avgPool: (x: T, kernel: number, strides: number, padding: "same" | "valid") => T
  readonly groupNorm: (x: T, scale: T, offset: T, options: GroupNormalisation) => T
  readonly attention: (q: T, k: T, v: T, scale: number) => T
  readonly upsampleNearest: (x: T, factor: number) => T
}

/** A padding as tfjs writes it. */
export const tfjsPadding = (padding: Padding): "same" | "valid" | number | tf.backend_util.ExplicitPadding =>
  typeof padding === "object" ? [[0, 0], [...padding[0]], [...padding[1]], [0, 0]] : padding

/** What may differ along rows and columns as tfjs writes it. */
export const tfjsPair = (given: PerAxis): number | [number, number] =>
  typeof given === "number" ? given : [given[0], given[1]]

/** tfjs, with the composites as the engine has them. */
export const tensors: Algebra<Tensor> = {
  shapeOf: (x) => x.shape,
  full: (shape, value) => tf.fill(Array.from(shape), value),
  onesLike: (x) => tf.onesLike(x),
  zerosLike: (x) => tf.zerosLike(x),
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(a, b),
  div: (a, b) => tf.div(a, b),
  maximum: (a, b) => tf.maximum(a, b),
  neg: (x) => tf.neg(x),
  abs: (x) => tf.abs(x),
  relu: (x) => tf.relu(x),
  square: (x) => tf.square(x),
  sin: (x) => tf.sin(x),
  tanh: (x) => tf.tanh(x),
  sigmoid: (x) => tf.sigmoid(x),
  silu: (x) => Operations.silu(x),
  reshape: (x, shape) => tf.reshape(x, [...shape]),
  broadcastTo: (x, shape) => tf.broadcastTo(x, [...shape]),
  transpose: (x, permutation) => tf.transpose(x, [...permutation]),
  concat: (xs, axis) => tf.concat([...xs], axis),
  split: (x, lengths, axis) => tf.split(x, [...lengths], axis),
  slice: (x, begin, size) => tf.slice(x, [...begin], [...size]),
  pad: (x, paddings, constant) => tf.pad(x, paddings.map(([before, after]) => [before, after]), constant),
  tile: (x, repeats) => tf.tile(x, [...repeats]),
  reverse: (x, axes) => tf.reverse(x, [...axes]),
  sum: (x, axes, keepDims) => tf.sum(x, [...axes], keepDims),
  mean: (x, axes, keepDims) => tf.mean(x, [...axes], keepDims),
  softmax: (x) => tf.softmax(x),
  matMul: (a, b, transposeA, transposeB) => tf.matMul(a, b, transposeA, transposeB),
  conv2d: (x, filter, { dilations = 1, padding, strides }) =>
    tf.conv2d(
      x as tf.Tensor4D,
      filter as tf.Tensor4D,
      tfjsPair(strides),
      tfjsPadding(padding),
      "NHWC",
      tfjsPair(dilations)
    ),
  avgPool: (x, kernel, strides, padding) => tf.avgPool(x as tf.Tensor4D, kernel, strides, padding),
  groupNorm: Operations.groupNorm,
  attention: Operations.attention,
  upsampleNearest: Operations.upsampleNearest
}

/** The reference. */
export const arrays: Algebra<NdArray> = {
  ...reference,
  shapeOf: (x) => x.shape,
  onesLike: (x) => reference.full(x.shape, 1),
  zerosLike: (x) => reference.full(x.shape, 0)
}
