/**
 * Lowers group normalization and its gradient, channels last.
 *
 * With c the distance of x from the mean of its group, and r the reciprocal standard deviation, x is mapped to
 * c A + offset, where A = scale r is one number for each example and channel. Taking the mean off first costs a pass over
 * the elements; without it, the variance of elements far from zero would be the difference of two large numbers.
 *
 * Elements are seen as [batch, positions, channels] and summed over positions first, which leaves little to sum over the
 * channels of a group, and no axis to be moved.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import { silu } from "./elementwise.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { sum } from "./reductions.ts"

interface Options {
  readonly groups: number
  readonly epsilon: number
  readonly activation: "none" | "silu"
}

const T = { T: "float32" } as const

export const lowerGroupNorm = (model: ModelBuilder, node: Node, options: Options): void => {
  const [x, scale, offset] = node.inputs as [Value, Value, Value]
  const [result, normalized, centered, reciprocal] = node.outputs as [Value, Value, Value, Value]
  const size = sizes(x, options)
  const elements = model.reshape(model.tensor(x), size.flat)

  /** The mean over a group of what is given for each element, [batch, groups, 1]. */
  const mean = (name: string) => {
    const byGroup = sum(model, model.reshape(sum(model, name, [1]), size.byGroup), [2], true)
    return model.node("Mul", [byGroup, model.scalar(1 / size.elements)], T)
  }
  const distances = model.node("Sub", [elements, spread(model, mean(elements), size)], T)
  const variance = mean(model.node("Square", [distances], T))
  const r = model.node("Rsqrt", [model.node("AddV2", [variance, model.scalar(options.epsilon)], T)], T)
  const a = model.node("Mul", [model.reshape(model.tensor(scale), size.parameter), r], T)
  const scaled = model.node("Mul", [distances, model.reshape(a, size.byChannel)], T)
  const y = model.node("AddV2", [scaled, model.tensor(offset)], T)
  const z = options.activation === "silu" ? silu(model, y) : y

  model.place(result, model.reshape(z, x.shape))
  model.place(normalized, model.reshape(y, x.shape))
  model.place(centered, model.reshape(distances, x.shape))
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
  const size = sizes(dx, options)
  const flat = (value: Value) => model.reshape(model.tensor(value), size.flat)
  const c = flat(centered)
  const r = model.reshape(model.tensor(reciprocal), [size.batch, size.groups, 1])
  const dy = options.activation === "silu"
    ? siluGradient(model, flat(gradient), flat(normalized), flat(result))
    : flat(gradient)

  // Sums over positions, for each example and channel, as [batch, groups, channels of a group].
  const overPositions = (name: string) => model.reshape(sum(model, name, [1]), size.byGroup)
  const sumOfGradient = overPositions(dy)
  const sumOfProduct = overPositions(model.node("Mul", [dy, c], T))

  const overBatch = (name: string, output: Value) =>
    model.place(output, model.reshape(sum(model, name, [0]), output.shape))
  overBatch(model.node("Mul", [sumOfProduct, r], T), dScale)
  overBatch(sumOfGradient, dOffset)

  // dx = dy A + c p + q, with p and q one number for each example and group.
  const gamma = model.reshape(model.tensor(scale), size.parameter)
  const overGroup = (name: string) => sum(model, model.node("Mul", [name, gamma], T), [2], true)
  const perElement = model.node("Mul", [r, model.scalar(-1 / size.elements)], T)
  const cube = model.node("Mul", [perElement, model.node("Square", [r], T)], T)
  const p = model.node("Mul", [cube, overGroup(sumOfProduct)], T)
  const q = model.node("Mul", [perElement, overGroup(sumOfGradient)], T)
  const a = model.reshape(model.node("Mul", [gamma, r], T), size.byChannel)
  const terms = model.node("AddV2", [
    model.node("Mul", [dy, a], T),
    model.node("Mul", [c, spread(model, p, size)], T)
  ], T)
  model.place(dx, model.reshape(model.node("AddV2", [terms, spread(model, q, size)], T), dx.shape))
}

/** dz s (1 + y - z), with s = sigmoid(y) and z = y s. */
const siluGradient = (model: ModelBuilder, dz: string, y: string, z: string): string => {
  const slope = model.node("AddV2", [model.node("Sub", [y, z], T), model.scalar(1)], T)
  return model.node("Mul", [dz, model.node("Mul", [model.node("Sigmoid", [y], T), slope], T)], T)
}

interface Sizes {
  readonly batch: number
  readonly groups: number
  /** Elements of a group in one example. */
  readonly elements: number
  /** [batch, positions, channels]. */
  readonly flat: readonly [number, number, number]
  /** [batch, 1, channels]: what multiplies elements by example and channel. */
  readonly byChannel: readonly [number, number, number]
  /** [batch, groups, channels of a group]. */
  readonly byGroup: readonly [number, number, number]
  /** [1, groups, channels of a group]: scale and offset. */
  readonly parameter: readonly [number, number, number]
}

const sizes = (x: Value, { groups }: Options): Sizes => {
  const batch = x.shape[0]!
  const channels = x.shape.at(-1)!
  const positions = sizeOf(x.shape.slice(1, -1))
  return {
    batch,
    groups,
    elements: (positions * channels) / groups,
    flat: [batch, positions, channels],
    byChannel: [batch, 1, channels],
    byGroup: [batch, groups, channels / groups],
    parameter: [1, groups, channels / groups]
  }
}

/** [batch, groups, 1] as [batch, 1, channels]. */
const spread = (model: ModelBuilder, name: string, { byChannel, byGroup }: Sizes): string =>
  model.reshape(model.node("BroadcastTo", [name, model.integers(byGroup)], T), byChannel)
