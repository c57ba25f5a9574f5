/**
 * Lowers group normalization and its gradient, with channels first.
 *
 * With c the distance of x from the mean of its group, and r the reciprocal standard deviation, x is mapped to
 * c A + offset, where A = scale r is one number for each example and channel. Taking the mean off first costs a pass over
 * the elements; without it, the variance of elements far from zero would be the difference of two large numbers.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { float, microsoft } from "./ModelBuilder.ts"
import { arrange, channelsFirst } from "./order.ts"

interface Options {
  readonly groups: number
  readonly epsilon: number
  readonly activation: "none" | "silu"
}

export const lowerGroupNorm = (model: ModelBuilder, node: Node, options: Options): void => {
  const [x, scale, offset] = node.inputs as [Value, Value, Value]
  const [result, normalized, centered, reciprocal] = node.outputs as [Value, Value, Value, Value]
  const size = sizes(x, options)
  const order = channelsFirst(x.shape.length)

  const grouped = model.reshape(model.inOrder(x, order), [size.batch, size.groups, size.elements])
  const axis = model.integers([2])
  const mean = model.node("ReduceMean", [grouped, axis], { keepdims: 1 })
  const distances = model.node("Sub", [grouped, mean])
  // The runtime's own sum of squares is slower than a product and a mean, and less precise.
  const variance = model.node("ReduceMean", [model.node("Mul", [distances, distances]), axis], { keepdims: 1 })
  const spread = model.node("Add", [variance, model.scalar(options.epsilon)])
  const r = model.node("Reciprocal", [model.node("Sqrt", [spread])])

  const c = model.reshape(distances, arrange(x.shape, order))
  const a = byChannel(model, model.node("Mul", [byGroup(model, scale, size), r]), x)
  const b = model.reshape(model.plain(offset), [1, x.shape.at(-1)!, ...x.shape.slice(1, -1).map(() => 1)])
  const y = model.node("Add", [model.node("Mul", [c, a]), b])
  const z = options.activation === "silu" ? model.node("QuickGelu", [y], { alpha: float(1) }, microsoft) : y

  model.place(result, z, order)
  model.place(normalized, y, order)
  model.place(centered, c, order)
  model.place(reciprocal, model.reshape(r, reciprocal.shape))
}

export const lowerGroupNormGradient = (model: ModelBuilder, node: Node, options: Options): void => {
  const [gradient, scale, result, normalized, centered, reciprocal] = node.inputs as [
    Value,
    Value,
    Value,
    Value,
    Value,
    Value
  ]
  const [dx, dScale, dOffset] = node.outputs as [Value, Value, Value]
  const x = dx
  const size = sizes(x, options)
  const order = channelsFirst(x.shape.length)
  const c = model.inOrder(centered, order)
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
  const sumOfProduct = sum(model.node("Mul", [dy, c]))

  const overBatch = (name: string, output: Value) =>
    model.place(
      output,
      model.reshape(model.node("ReduceSum", [name, model.integers([0])], { keepdims: 0 }), output.shape)
    )
  overBatch(model.node("Mul", [sumOfProduct, r]), dScale)
  overBatch(sumOfGradient, dOffset)

  // dx = dy A + c p + q, with p and q one number for each example and group.
  const gamma = byGroup(model, scale, size)
  const overGroup = (name: string) =>
    model.node("ReduceSum", [model.node("Mul", [name, gamma]), model.integers([2])], { keepdims: 1 })
  const perElement = model.node("Mul", [r, model.scalar(-1 / size.elements)])
  const p = model.node("Mul", [model.node("Mul", [perElement, model.node("Mul", [r, r])]), overGroup(sumOfProduct)])
  const q = model.node("Mul", [perElement, overGroup(sumOfGradient)])
  const ones = model.constant(new Float32Array(size.channels).fill(1), [1, 1, size.channels], "float32")
  const spread = (name: string) => byChannel(model, model.node("Mul", [name, ones]), x)
  const sumOfTerms = model.node("Add", [
    model.node("Mul", [dy, byChannel(model, model.node("Mul", [gamma, r]), x)]),
    model.node("Mul", [c, spread(p)])
  ])
  model.place(dx, model.node("Add", [sumOfTerms, spread(q)]), order)
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
