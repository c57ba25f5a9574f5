/**
 * Lowers pooling and nearest upsampling, with their gradients.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation, Window } from "../../graph/Operation.ts"
import { namedPadding, paddedShape } from "./convolution.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { text } from "./ModelBuilder.ts"
import { sum } from "./reductions.ts"
import { concat, pad, slice } from "./shapes.ts"

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>
type Shape4 = readonly [number, number, number, number]
type Size = readonly [number, number]

/**
 * TensorFlow pools over windows that are named `SAME` or `VALID`. For any other padding zeros are laid around the image,
 * and what they take from the means is made up for.
 */
export const lowerAveragePool = (model: ModelBuilder, node: Node, { size, window }: Of<"averagePool">): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  const shape = x.shape as Shape4
  const named = namedPadding(window, shape, size)
  if (named !== undefined) {
    return model.place(output, model.node("AvgPool", [model.tensor(x)], attributes(window, size, named)))
  }
  const [top, bottom, left, right] = window.padding
  const padded = pad(model, model.tensor(x), [[0, 0], [top, bottom], [left, right], [0, 0]])
  const means = model.node("AvgPool", [padded], attributes(window, size, "VALID"))
  model.place(output, model.node("Mul", [means, shares(model, shape, output.shape as Shape4, size, window)], T))
}

/** As with averages; what is laid around the image is smaller than all that is in it. */
export const lowerMaxPool = (model: ModelBuilder, node: Node, { size, window }: Of<"maxPool">): void => {
  const [x] = node.inputs as [Value]
  const named = namedPadding(window, x.shape as Shape4, size)
  const [top, bottom, left, right] = window.padding
  const image = named === undefined
    ? pad(model, model.tensor(x), [[0, 0], [top, bottom], [left, right], [0, 0]], -Infinity)
    : model.tensor(x)
  model.place(node.outputs[0]!, model.node("MaxPool", [image], attributes(window, size, named ?? "VALID")))
}

export const lowerAveragePoolGradient = (
  model: ModelBuilder,
  node: Node,
  { size, window }: Of<"averagePoolGradient">
): void => {
  const [gradient] = node.inputs as [Value]
  const output = node.outputs[0]!
  const shape = output.shape as Shape4
  const dy = model.tensor(gradient)
  const named = namedPadding(window, shape, size)
  if (named !== undefined) {
    const inputs = [model.integers(shape), dy]
    return model.place(output, model.node("AvgPoolGrad", inputs, attributes(window, size, named)))
  }
  const shared = model.node("Mul", [dy, shares(model, shape, gradient.shape as Shape4, size, window)], T)
  const inputs = [model.integers(paddedShape(shape, window)), shared]
  const dx = model.node("AvgPoolGrad", inputs, attributes(window, size, "VALID"))
  model.place(output, slice(model, dx, [0, window.padding[0], window.padding[2], 0], shape))
}

const T = { T: "float32" } as const

const attributes = ({ strides }: Window, size: Size, padding: "SAME" | "VALID") => ({
  ...T,
  ksize: [1, ...size, 1],
  strides: [1, ...strides, 1],
  padding: text(padding)
})

/** For each window, how many times more elements it has than there are of the image in it. */
const shares = (model: ModelBuilder, image: Shape4, pooled: Shape4, size: Size, window: Window): string => {
  const [, rows, columns] = pooled
  const down = coverage(rows, window.strides[0], size[0], window.padding[0], image[1])
  const across = coverage(columns, window.strides[1], size[1], window.padding[2], image[2])
  const elements = Float32Array.from(
    { length: rows * columns },
    (_, i) => (size[0] * size[1]) / (down[Math.floor(i / columns)]! * across[i % columns]!)
  )
  return model.constant(elements, [1, rows, columns, 1], "float32")
}

/** For each window along an axis, how many of its elements are not padding. */
const coverage = (windows: number, stride: number, size: number, before: number, length: number) =>
  Array.from({ length: windows }, (_, i) => {
    const begin = i * stride - before
    return Math.min(begin + size, length) - Math.max(begin, 0)
  })

/** Each pixel beside itself, then each row below itself: copies of what lies together in memory. */
export const lowerUpsample = (model: ModelBuilder, node: Node, { factor }: Of<"upsampleNearest">): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  const [batch, height, width, channels] = x.shape as Shape4
  const repeat = (name: string) => concat(model, Array.from({ length: factor }, () => name), 1)
  const pixels = repeat(model.reshape(model.tensor(x), [batch * height * width, channels]))
  const rows = repeat(model.reshape(pixels, [batch * height, factor * width * channels]))
  model.place(output, model.reshape(rows, output.shape))
}

/** The sum over each block of repeated pixels: over its rows, then over what is left of its columns. */
export const lowerUpsampleGradient = (
  model: ModelBuilder,
  node: Node,
  { factor }: Of<"upsampleNearestGradient">
): void => {
  const [gradient] = node.inputs as [Value]
  const output = node.outputs[0]!
  const [batch, height, width, channels] = output.shape as Shape4
  const rows = model.reshape(model.tensor(gradient), [batch * height, factor, width * factor * channels])
  const pixels = model.reshape(sum(model, rows, [1]), [batch * height * width, factor, channels])
  model.place(output, model.reshape(sum(model, pixels, [1]), output.shape))
}
