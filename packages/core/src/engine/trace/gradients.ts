/**
 * Gradients in the place of tfjs's own, where those are missing, wrong, or refuse shapes that broadcast.
 *
 * tfjs (4.22) has none of einsum, depthToSpace, gatherND, scatterND and comparisons; it slices the gradient of a mirrored padding, and forgets what
 * was mirrored; it transposes that of a running sum along any but the last axis; and of some operations it does not sum over
 * what was stretched. Gradients are one for all backends: these are made of tfjs's operations, and hold on each of them.
 */
import * as tf from "@tensorflow/tfjs"

type Attributes = { readonly [name: string]: unknown }

/** The gradients of the inputs, by name or place. */
type Gradient = (
  dy: tf.Tensor,
  saved: ReadonlyArray<tf.Tensor>,
  attributes: Attributes
) => { readonly [input: string]: () => tf.Tensor }

/** The sum over the axes along which a tensor of some shape was stretched. */
const stretchedFrom = (shape: ReadonlyArray<number>, gradient: tf.Tensor): tf.Tensor => {
  const axes = tf.backend_util.getReductionAxes([...shape], gradient.shape)
  return tf.reshape(axes.length === 0 ? gradient : tf.sum(gradient, axes), [...shape])
}

/** The gradient of a function of two elements, by its derivatives; of inputs of two names. */
const binary = (
  [first, second]: readonly [string, string],
  derivativeInFirst: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  derivativeInSecond: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor
): readonly [Gradient, ReadonlyArray<string>] => [
  (dy, saved) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor]
    return {
      [first]: () => stretchedFrom(a.shape, tf.mul(dy, derivativeInFirst(a, b))),
      [second]: () => stretchedFrom(b.shape, tf.mul(dy, derivativeInSecond(a, b)))
    }
  },
  [first, second]
]

const asNumber = (condition: tf.Tensor): tf.Tensor => tf.cast(condition, "float32")

const matMul: Gradient = (dy, saved, { transposeA, transposeB }) => {
  const [a, b] = saved as [tf.Tensor, tf.Tensor]
  return {
    a: () =>
      stretchedFrom(
        a.shape,
        transposeA === true ? tf.matMul(b, dy, transposeB === true, true) : tf.matMul(dy, b, false, transposeB !== true)
      ),
    b: () =>
      stretchedFrom(
        b.shape,
        transposeB === true ? tf.matMul(dy, a, true, transposeA === true) : tf.matMul(a, dy, transposeA !== true, false)
      )
  }
}

const runningSum: Gradient = (dy, _, { axis, exclusive, reverse }) => ({
  x: () => tf.cumsum(dy, axis as number, exclusive === true, reverse !== true)
})

/** What lies around goes back to what it mirrors, one axis after the other. */
const mirroredPadding: Gradient = (dy, _, attributes) => ({
  x: () =>
    (attributes["paddings"] as ReadonlyArray<readonly [number, number]>).reduce(
      (gradient, padding, axis) => unmirrored(gradient, axis, padding, attributes["mode"] === "reflect" ? 1 : 0),
      dy
    )
})

/** @param apart how far the first mirrored element is from the edge */
const unmirrored = (
  dy: tf.Tensor,
  axis: number,
  [before, after]: readonly [number, number],
  apart: number
): tf.Tensor => {
  if (before === 0 && after === 0) return dy
  const length = dy.shape[axis]! - before - after
  const part = (begin: number, size: number) =>
    tf.slice(dy, dy.shape.map((_, i) => i === axis ? begin : 0), dy.shape.map((all, i) => i === axis ? size : all))
  const back = (begin: number, size: number, at: number) =>
    size === 0 ? [] : [
      tf.pad(
        tf.reverse(part(begin, size), axis),
        dy.shape.map((_, i) => i === axis ? [at, length - at - size] : [0, 0])
      )
    ]
  return [
    ...back(0, before, apart),
    ...back(before + length, after, length - apart - after)
  ].reduce((sum, mirrored) => tf.add(sum, mirrored), part(before, length))
}

/** The derivative in a factor is the sum of the gradient times the other factor. */
const einsum: Gradient = (dy, factors, { equation }) => {
  const [left, output] = (equation as string).replaceAll(/\s/g, "").split("->") as [string, string]
  const terms = left.split(",")
  return Object.fromEntries(terms.map((letters, i) => [i, () => {
    const others = terms.flatMap((term, other) => other === i ? [] : [{ letters: term, tensor: factors[other]! }])
    const known = new Set([...output, ...others.flatMap(({ letters }) => [...letters])])
    // What was summed over, and is nowhere else, has the same derivative everywhere.
    const found = [...letters].filter((letter) => known.has(letter))
    const given = [{ letters: output, tensor: dy }, ...others]
    const sum = tf.einsum(
      `${given.map(({ letters }) => letters).join(",")}->${found.join("")}`,
      ...given.map(({ tensor }) => tensor)
    )
    const { shape } = factors[i]!
    const present = shape.map((size, axis) => found.includes(letters[axis]!) ? size : 1)
    return tf.broadcastTo(tf.reshape(sum, present), shape)
  }]))
}

/** Blocks of pixels to channels again. */
const blocksToChannels: Gradient = (dy, _, { blockSize }) => ({
  x: () => {
    const block = blockSize as number
    const [batch, height, width, depth] = dy.shape as [number, number, number, number]
    const [rows, columns] = [height / block, width / block]
    const split = tf.reshape(dy, [batch, rows, block, columns, block, depth])
    return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4, 5]), [batch, rows, columns, block ** 2 * depth])
  }
})

/** Elements go back to where they were picked from; of places there is no derivative. */
const picked: Gradient = (dy, [params, indices]) => ({
  params: () => tf.scatterND(indices!, dy, params!.shape as [number]),
  indices: () => tf.zeros(indices!.shape)
})
const scattered: Gradient = (dy, [indices]) => ({
  updates: () => tf.gatherND(dy, indices!),
  indices: () => tf.zeros(indices!.shape)
})

/** Of what is true or false the derivative is 0, as tfjs has it of `greaterEqual`. */
const none: Gradient = (_, saved) => ({ a: () => tf.zeros(saved[0]!.shape), b: () => tf.zeros(saved[1]!.shape) })
const noneOfOne: Gradient = (_, saved) => ({ x: () => tf.zeros(saved[0]!.shape) })

const ab = ["a", "b"] as const

/** By tfjs's names of the operations, with the names of the inputs that they need; all where none are named. */
const gradients: { readonly [kernelName: string]: readonly [Gradient, ReadonlyArray<string>?] } = {
  BatchMatMul: [matMul, ["a", "b"]],
  Cumsum: [runningSum, []],
  DepthToSpace: [blocksToChannels, []],
  Einsum: [einsum],
  Equal: [none, ["a", "b"]],
  GatherNd: [picked, ["params", "indices"]],
  Greater: [none, ["a", "b"]],
  Less: [none, ["a", "b"]],
  LessEqual: [none, ["a", "b"]],
  LogicalAnd: [none, ["a", "b"]],
  LogicalNot: [noneOfOne, ["x"]],
  LogicalOr: [none, ["a", "b"]],
  Maximum: binary(ab, (a, b) => asNumber(tf.greaterEqual(a, b)), (a, b) => asNumber(tf.less(a, b))),
  Minimum: binary(ab, (a, b) => asNumber(tf.lessEqual(a, b)), (a, b) => asNumber(tf.greater(a, b))),
  MirrorPad: [mirroredPadding, []],
  Mod: binary(ab, tf.onesLike, (a, b) => tf.neg(tf.floor(tf.div(a, b)))),
  NotEqual: [none, ["a", "b"]],
  Prelu: binary(
    ["x", "alpha"],
    (x, alpha) => tf.where(tf.greater(x, 0), tf.onesLike(x), alpha),
    (x) => tf.where(tf.greater(x, 0), tf.zerosLike(x), x)
  ),
  ScatterNd: [scattered, ["indices"]],
  SquaredDifference: binary(ab, (a, b) => tf.mul(tf.sub(a, b), 2), (a, b) => tf.mul(tf.sub(b, a), 2))
}

/** Registers them with tfjs. */
export const registerGradients = (): void => {
  for (const [kernelName, [gradient, inputsToSave]] of Object.entries(gradients)) {
    if (tf.getGradient(kernelName) !== undefined) tf.unregisterGradient(kernelName)
    tf.registerGradient({
      kernelName,
      ...(inputsToSave === undefined ? { saveAllInputs: true } : { inputsToSave: [...inputsToSave] }),
      gradFunc: (dy, saved, attributes) => gradient(dy as tf.Tensor, saved, attributes as Attributes)
    })
  }
}
