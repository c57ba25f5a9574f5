/**
 * Lowers group normalization and its gradient, with channels first.
 *
 * With m and r the mean and the reciprocal standard deviation of each group, x is mapped to x A + B, where A = scale r
 * and B = offset - m A are one number for each example and channel: two passes over the elements, whatever the rank.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { float, microsoft } from "./ModelBuilder.ts"
import { channelsFirst } from "./order.ts"

interface Options {
  readonly groups: number
  readonly epsilon: number
  readonly activation: "none" | "silu"
}

export const lowerGroupNorm = (model: ModelBuilder, node: Node, options: Options): void => {
  const [x, scale, offset] = node.inputs as [Value, Value, Value]
  const [result, normalized, mean, reciprocal] = node.outputs as [Value, Value, Value, Value]
  const size = sizes(x, options)
  const order = channelsFirst(x.shape.length)
  const input = model.inOrder(x, order)

  const grouped = model.reshape(input, [size.batch, size.groups, size.elements])
  const axis = model.integers([2])
  const m = model.node("ReduceMean", [grouped, axis], { keepdims: 1 })
  const squares = model.node("ReduceSumSquare", [grouped, axis], { keepdims: 1 })
  const variance = model.node("Sub", [
    model.node("Mul", [squares, model.scalar(1 / size.elements)]),
    model.node("Mul", [m, m])
  ])
  // Rounding may leave a variance just below zero.
  const spread = model.node("Add", [model.node("Max", [variance, model.scalar(0)]), model.scalar(options.epsilon)])
  const r = model.node("Reciprocal", [model.node("Sqrt", [spread])])

  const a = model.node("Mul", [byGroup(model, scale, size), r])
  const b = model.node("Sub", [byGroup(model, offset, size), model.node("Mul", [m, a])])
  const y = model.node("Add", [
    model.node("Mul", [input, byChannel(model, a, x)]),
    byChannel(model, b, x)
  ])
  const z = options.activation === "silu" ? model.node("QuickGelu", [y], { alpha: float(1) }, microsoft) : y

  model.place(result, z, order)
  model.place(normalized, y, order)
  model.place(mean, model.reshape(m, mean.shape))
  model.place(reciprocal, model.reshape(r, reciprocal.shape))
}

export const lowerGroupNormGradient = (model: ModelBuilder, node: Node, options: Options): void => {
  const [gradient, x, scale, result, normalized, mean, reciprocal] = node.inputs as [
    Value,
    Value,
    Value,
    Value,
    Value,
    Value,
    Value
  ]
  const [dx, dScale, dOffset] = node.outputs as [Value, Value, Value]
  const size = sizes(x, options)
  const order = channelsFirst(x.shape.length)
  const input = model.inOrder(x, order)
  const m = model.reshape(model.plain(mean), [size.batch, size.groups, 1])
  const r = model.reshape(model.plain(reciprocal), [size.batch, size.groups, 1])

  const dz = model.inOrder(gradient, order)
  const dy = options.activation === "silu"
    ? siluGradient(model, dz, model.inOrder(normalized, order), model.inOrder(result, order))
    : dz

  // Sums over positions, for each example and channel.
  const positions = x.shape.slice(1, -1).map((_, i) => i + 2)
  const sum = (name: string) =>
    model.reshape(
      // Without positions there is nothing to sum; ONNX would take no axes for all of them.
      positions.length === 0 ? name : model.node("ReduceSum", [name, model.integers(positions)], { keepdims: 0 }),
      [size.batch, size.groups, size.channels]
    )
  const sumOfGradient = sum(dy)
  const sumOfProduct = sum(model.node("Mul", [dy, input]))

  const overBatch = (name: string, output: Value) =>
    model.place(
      output,
      model.reshape(model.node("ReduceSum", [name, model.integers([0])], { keepdims: 0 }), output.shape)
    )
  const centered = model.node("Sub", [sumOfProduct, model.node("Mul", [m, sumOfGradient])])
  overBatch(model.node("Mul", [centered, r]), dScale)
  overBatch(sumOfGradient, dOffset)

  // dx = dy A + x b + c, with b and c one number for each example and group.
  const gamma = byGroup(model, scale, size)
  const overGroup = (name: string) =>
    model.node("ReduceSum", [model.node("Mul", [name, gamma]), model.integers([2])], { keepdims: 1 })
  const weighted = overGroup(sumOfGradient)
  const weightedCentered = overGroup(centered)
  const perElement = model.node("Mul", [r, model.scalar(-1 / size.elements)])
  const b = model.node("Mul", [model.node("Mul", [perElement, model.node("Mul", [r, r])]), weightedCentered])
  const c = model.node("Sub", [model.node("Mul", [perElement, weighted]), model.node("Mul", [b, m])])
  const a = model.node("Mul", [gamma, r])
  const ones = model.constant(new Float32Array(size.channels).fill(1), [1, 1, size.channels], "float32")
  const spread = (name: string) => byChannel(model, model.node("Mul", [name, ones]), x)
  const sumOfTerms = model.node("Add", [
    model.node("Mul", [dy, byChannel(model, a, x)]),
    model.node("Mul", [input, spread(b)])
  ])
  model.place(dx, model.node("Add", [sumOfTerms, spread(c)]), order)
}

/** dz s (1 + y - z), with s = sigmoid(y) and z = y s. */
const siluGradient = (model: ModelBuilder, dz: string, y: string, z: string): string => {
  const slope = model.node("Mul", [
    model.node("Sigmoid", [y]),
    model.node("Add", [model.node("Sub", [y, z]), model.scalar(1)])
  ])
  return model.node("Mul", [dz, slope])
}

interface Sizes {
  readonly batch: number
  readonly groups: number
  /** Channels of a group. */
  readonly channels: number
  /** Elements of a group in one example. */
  readonly elements: number
}

const sizes = (x: Value, { groups }: Options): Sizes => {
  const batch = x.shape[0]!
  return { batch, groups, channels: x.shape.at(-1)! / groups, elements: sizeOf(x.shape) / (batch * groups) }
}

/** [channels] as [1, groups, channels of a group]. */
const byGroup = (model: ModelBuilder, value: Value, { channels, groups }: Sizes): string =>
  model.reshape(model.plain(value), [1, groups, channels])

/** [batch, groups, channels of a group] shaped to multiply x with channels first. */
const byChannel = (model: ModelBuilder, name: string, x: Value): string =>
  model.reshape(name, [x.shape[0]!, x.shape.at(-1)!, ...x.shape.slice(1, -1).map(() => 1)])
