/**
 * Random expressions: small graphs of operations, built by fast-check, that hold an engine's simplifications to the
 * mathematics. They are full of what passes look for: zeros and ones, constants made of constants, transposes that
 * cancel, the same subexpression twice, results that nobody uses, inputs and constants returned as they came.
 */
import type { Tensor } from "@effusion/core/engine"
import * as fc from "fast-check"
import { type Algebra, arrays, tensors } from "./algebra.ts"
import { seeds, shapes, values } from "./arbitraries.ts"
import { type Argument, type Case, float, type Inputs, instance } from "./Case.ts"
import { broadcastShape, type NdArray, type Shape, sizeOf } from "./reference/index.ts"

/** One node: an operation on earlier values. */
interface Node {
  readonly label: string
  readonly apply: <T>(algebra: Algebra<T>, pool: ReadonlyArray<T>) => T
}

/** What a node is made from: which operation, which operands, and a number for its attributes. */
interface Choice {
  readonly operation: number
  readonly left: number
  readonly right: number
  readonly attribute: number
}

/** Makes a node of the vocabulary, or none where it does not fit the values so far. */
type MakeNode = (pool: ReadonlyArray<NdArray>, choice: Choice) => Node | undefined

const node = (label: string, apply: Node["apply"]): Node => ({ label, apply })
const show = (numbers: ReadonlyArray<number>): string => `[${numbers.join(", ")}]`
const place = (pool: ReadonlyArray<NdArray>, number: number): number => number % pool.length

const unary = (
  label: string,
  apply: <T>(algebra: Algebra<T>, x: T, choice: Choice) => T
): MakeNode =>
(pool, choice) => {
  const i = place(pool, choice.left)
  return node(`${label}(${i})`, (algebra, values) => apply(algebra, values[i]!, choice))
}

/** On two values that broadcast, of which the second is the next that does. */
const binary = (label: string, apply: <T>(algebra: Algebra<T>, a: T, b: T) => T): MakeNode => (pool, choice) => {
  const i = place(pool, choice.left)
  for (let step = 0; step < pool.length; step++) {
    const j = place(pool, choice.right + step)
    if (stretched(pool[i]!.shape, pool[j]!.shape) === undefined) continue
    return node(`${label}(${i}, ${j})`, (algebra, values) => apply(algebra, values[i]!, values[j]!))
  }
  return undefined
}

const stretched = (a: Shape, b: Shape): Shape | undefined => {
  try {
    const shape = broadcastShape(a, b)
    return sizeOf(shape) <= 64 && shape.length <= 4 ? shape : undefined
  } catch {
    return undefined
  }
}

/** On a value's shape: attributes are a function of it and of the choice. */
const shaped = <A>(
  label: string,
  attributes: (shape: Shape, choice: Choice) => A | undefined,
  apply: <T>(algebra: Algebra<T>, x: T, attributes: A) => T
): MakeNode =>
(pool, choice) => {
  const i = place(pool, choice.left)
  const chosen = attributes(pool[i]!.shape, choice)
  return chosen === undefined
    ? undefined
    : node(`${label}(${i}, ${JSON.stringify(chosen)})`, (algebra, values) => apply(algebra, values[i]!, chosen))
}

const constants = [0, 1, -1, 2, 0.5]
const constantOf = ({ attribute }: Choice): number => constants[attribute % constants.length]!

const permutationOf = (shape: Shape, { attribute }: Choice): ReadonlyArray<number> => {
  const rest = shape.map((_, axis) => axis)
  let number = attribute
  return shape.map(() => {
    const [axis] = rest.splice(number % rest.length, 1)
    number = Math.floor(number / 3)
    return axis!
  })
}

const inverseOf = (permutation: ReadonlyArray<number>): ReadonlyArray<number> =>
  permutation.map((_, axis) => permutation.indexOf(axis))

const axesOf = (shape: Shape, { attribute }: Choice): ReadonlyArray<number> =>
  shape.map((_, axis) => axis).filter((axis) => (attribute >> axis) % 2 === 1)

/** The shape with its axes of size 1 grown to 2 or 3, and perhaps an axis in front. */
const stretchedFrom = (shape: Shape, { attribute }: Choice): Shape => {
  const grown = shape.map((size) => size === 1 ? 2 + (attribute % 2) : size)
  return sizeOf(grown) > 32 || grown.length > 3 || attribute % 3 === 0
    ? shape
    : attribute % 3 === 1
    ? grown
    : [2, ...grown]
}

const axisOf = (shape: Shape, { attribute }: Choice): number | undefined =>
  shape.length === 0 ? undefined : attribute % shape.length

/** Operations that have a derivative everywhere. */
const smooth: ReadonlyArray<MakeNode> = [
  (_, choice) => node(`${constantOf(choice)}`, (algebra) => algebra.full([], constantOf(choice))),
  shaped(
    "fill like",
    (shape, choice) => ({ shape, value: constantOf(choice) }),
    (algebra, _, { shape, value }) => algebra.full(shape, value)
  ),
  unary("onesLike", (algebra, x) => algebra.onesLike(x)),
  unary("zerosLike", (algebra, x) => algebra.zerosLike(x)),
  unary("neg", (algebra, x) => algebra.neg(x)),
  unary("square", (algebra, x) => algebra.square(x)),
  unary("sin", (algebra, x) => algebra.sin(x)),
  unary("tanh", (algebra, x) => algebra.tanh(x)),
  unary("sigmoid", (algebra, x) => algebra.sigmoid(x)),
  unary("silu", (algebra, x) => algebra.silu(x)),
  unary("plus a constant", (algebra, x, choice) => algebra.add(x, algebra.full([], constantOf(choice)))),
  unary("a constant minus", (algebra, x, choice) => algebra.sub(algebra.full([], constantOf(choice)), x)),
  unary("minus a constant", (algebra, x, choice) => algebra.sub(x, algebra.full([], constantOf(choice)))),
  unary("times a constant", (algebra, x, choice) => algebra.mul(algebra.full([], constantOf(choice)), x)),
  unary("over a constant", (algebra, x, choice) => algebra.div(x, algebra.full([], constantOf(choice) || 4))),
  unary(
    "a constant over 1 + square",
    (algebra, x, choice) =>
      algebra.div(algebra.full([], constantOf(choice)), algebra.add(algebra.full([], 1), algebra.square(x)))
  ),
  unary("sin + sin", (algebra, x) => algebra.add(algebra.sin(x), algebra.sin(x))),
  unary("tanh - tanh", (algebra, x) => algebra.sub(algebra.tanh(x), algebra.tanh(x))),
  binary("add", (algebra, a, b) => algebra.add(a, b)),
  binary("sub", (algebra, a, b) => algebra.sub(a, b)),
  binary("mul", (algebra, a, b) => algebra.mul(a, b)),
  binary("times ones like", (algebra, a, b) => algebra.mul(a, algebra.onesLike(b))),
  binary("plus zeros like", (algebra, a, b) => algebra.add(algebra.zerosLike(b), a)),
  shaped(
    "reshape",
    (shape, { attribute }) =>
      [
        [sizeOf(shape)],
        [1, ...shape.filter((size) => size !== 1)],
        [...shape.filter((size) => size !== 1), 1],
        shape.toReversed(),
        shape.filter((size) => size !== 1),
        [shape[0] ?? 1, sizeOf(shape.slice(1))],
        shape
      ][attribute % 7]!,
    (algebra, x, shape) => algebra.reshape(x, shape)
  ),
  shaped("transpose", permutationOf, (algebra, x, permutation) => algebra.transpose(x, permutation)),
  shaped(
    "transpose and back",
    permutationOf,
    (algebra, x, permutation) => algebra.transpose(algebra.transpose(x, permutation), inverseOf(permutation))
  ),
  shaped(
    "transpose, sin, and back",
    permutationOf,
    (algebra, x, permutation) =>
      algebra.transpose(algebra.sin(algebra.transpose(x, permutation)), inverseOf(permutation))
  ),
  shaped(
    "concat with itself",
    (shape, choice) => sizeOf(shape) > 32 ? undefined : axisOf(shape, choice),
    (algebra, x, axis) => algebra.concat([x, x], axis)
  ),
  shaped(
    "concat with ones and zeros",
    (shape, choice) => sizeOf(shape) > 20 ? undefined : axisOf(shape, choice),
    (algebra, x, axis) => algebra.concat([algebra.onesLike(x), x, algebra.zerosLike(x)], axis)
  ),
  shaped(
    "split and swap",
    (shape, choice) => {
      const axis = axisOf(shape, choice)
      return axis === undefined || shape[axis]! < 2 ? undefined : { axis, lengths: [1, shape[axis]! - 1] }
    },
    (algebra, x, { axis, lengths }) => algebra.concat(algebra.split(x, lengths, axis).toReversed(), axis)
  ),
  shaped(
    "slice",
    (shape, { attribute }) =>
      shape.length === 0 ? undefined : ({
        begin: shape.map((size, axis) => (attribute >> axis) % 2 === 1 && size > 1 ? 1 : 0),
        size: shape.map((size, axis) => Math.max(1, size - 1 - ((attribute >> (axis + 4)) % 2)))
      }),
    (algebra, x, { begin, size }) => algebra.slice(x, begin, size)
  ),
  shaped(
    "slice of all",
    (shape) => shape.length === 0 ? undefined : shape,
    (algebra, x, shape) => algebra.slice(x, shape.map(() => 0), shape)
  ),
  shaped(
    "pad",
    (shape, choice) => {
      const axis = axisOf(shape, choice)
      return axis === undefined || sizeOf(shape) > 32
        ? undefined
        : shape.map((_, a) => a === axis ? [choice.right % 2, 1] as const : [0, 0] as const)
    },
    (algebra, x, paddings) => algebra.pad(x, paddings)
  ),
  shaped(
    "tile",
    (shape, choice) =>
      shape.length === 0 || sizeOf(shape) > 32
        ? undefined
        : shape.map((_, axis) => axis === axisOf(shape, choice) ? 2 : 1),
    (algebra, x, repeats) => algebra.tile(x, repeats)
  ),
  shaped(
    "pad a constant with zeros",
    (shape, choice) => {
      const axis = axisOf(shape, choice)
      return axis === undefined || sizeOf(shape) > 32
        ? undefined
        : { value: constantOf(choice), paddings: shape.map((_, a) => a === axis ? [1, 0] as const : [0, 0] as const) }
    },
    (algebra, x, { paddings, value }) =>
      algebra.pad(algebra.mul(algebra.onesLike(x), algebra.full([], value)), paddings)
  ),
  shaped("stretch", stretchedFrom, (algebra, x, shape) => algebra.broadcastTo(x, shape)),
  shaped(
    "plus itself stretched",
    stretchedFrom,
    (algebra, x, shape) => algebra.add(algebra.broadcastTo(x, shape), x)
  ),
  shaped(
    "times a constant that stretches it",
    (shape, choice) => ({ shape: stretchedFrom(shape, choice), value: constantOf(choice) }),
    (algebra, x, { shape, value }) => algebra.mul(x, algebra.full(shape, value))
  ),
  shaped("reverse", axesOf, (algebra, x, axes) => algebra.reverse(x, axes)),
  shaped("sum", axesOf, (algebra, x, axes) => algebra.sum(x, axes)),
  shaped("mean, kept", axesOf, (algebra, x, axes) => algebra.mean(x, axes, true)),
  shaped(
    "sum of ones like",
    axesOf,
    (algebra, x, axes) => algebra.sum(algebra.onesLike(x), axes, true)
  ),
  shaped(
    "softmax",
    (shape) => shape.length === 0 ? undefined : true,
    (algebra, x) => algebra.softmax(x)
  ),
  shaped(
    "matMul with its transpose",
    (shape) => shape.length === 2 && shape[0]! ** 2 <= 36 ? [1, 0] : undefined,
    (algebra, x, swap) => algebra.matMul(x, algebra.transpose(x, swap))
  ),
  shaped(
    "matMul of its rows with ones",
    (shape) => shape.length < 2 ? undefined : { rows: sizeOf(shape.slice(0, -1)), inner: shape[shape.length - 1]! },
    (algebra, x, { inner, rows }) =>
      algebra.matMul(algebra.reshape(x, [rows, inner]), algebra.full([2, inner], 1), false, true)
  )
]

/** ... and those with kinks, for values only. */
const kinked: ReadonlyArray<MakeNode> = [
  ...smooth,
  unary("abs", (algebra, x) => algebra.abs(x)),
  unary("relu", (algebra, x) => algebra.relu(x)),
  unary("relu of relu", (algebra, x) => algebra.relu(algebra.relu(x))),
  binary("maximum", (algebra, a, b) => algebra.maximum(a, b))
]

/** An expression whose values are all known to fit and to stay small. */
interface Expression {
  readonly nodes: ReadonlyArray<Node>
  /** Places of inputs and nodes. */
  readonly outputs: ReadonlyArray<number>
  /** The largest element of any value, which rounding is relative to. */
  readonly largest: number
}

const largestOf = (values: ReadonlyArray<NdArray>): number =>
  values.reduce((largest, { data }) => data.reduce((a, b) => Math.max(a, Math.abs(b)), largest), 1)

const evaluate = <T>(
  algebra: Algebra<T>,
  nodes: ReadonlyArray<Node>,
  inputs: ReadonlyArray<T>
): ReadonlyArray<T> => {
  const pool = [...inputs]
  for (const { apply } of nodes) pool.push(apply(algebra, pool))
  return pool
}

const expressionOf = (
  vocabulary: ReadonlyArray<MakeNode>,
  inputs: ReadonlyArray<NdArray>,
  choices: ReadonlyArray<Choice>,
  outputs: ReadonlyArray<number>
): Expression => {
  const nodes: Array<Node> = []
  const pool = [...inputs]
  for (const choice of choices) {
    const made = vocabulary[choice.operation % vocabulary.length]!(pool, choice)
    if (made === undefined) continue
    const value = made.apply(arrays, pool)
    if (largestOf([value]) > 16 || value.shape.length > 5) continue
    nodes.push(made)
    pool.push(value)
  }
  // Counted from the last, so that most of what was made is used, and some is not.
  const places = outputs.map((output) => pool.length - 1 - (output % pool.length))
  return { nodes, outputs: places, largest: largestOf(pool) }
}

const expressionCase = (name: string, vocabulary: ReadonlyArray<MakeNode>, differentiable: boolean): Case => ({
  name,
  instances: fc.record({
    inputs: fc.array(shapes({ minRank: 0, maxRank: 3, maxSize: 24 }), { minLength: 1, maxLength: 3 }),
    seed: seeds,
    choices: fc.array(
      fc.record({ operation: fc.nat(997), left: fc.nat(15), right: fc.nat(15), attribute: fc.nat(255) }),
      { minLength: 1, maxLength: 12, size: "max" }
    ),
    outputs: fc.array(fc.nat(7), { minLength: 1, maxLength: 4, size: "max" })
  }).map(({ choices, inputs: inputShapes, outputs, seed }) => {
    const names = inputShapes.map((_, i) => `x${i}`)
    const inputs: { readonly [name: string]: Argument } = Object.fromEntries(
      inputShapes.map((shape, i) => [names[i]!, float(values(seed + i, shape, { low: -2, high: 2 }))])
    )
    const expression = expressionOf(vocabulary, names.map((name) => inputs[name]!.array), choices, outputs)
    const run = <T>(algebra: Algebra<T>, given: Inputs<T>): ReadonlyArray<T> => {
      const pool = evaluate(algebra, expression.nodes, names.map((name) => given[name]!))
      const results = expression.outputs.map((output) => pool[output]!)
      // A derivative must exist in every input, so each takes part in the outputs.
      return differentiable ? [...results, ...pool.slice(0, names.length)] : results
    }
    return instance(
      `${expression.nodes.map(({ label }, i) => `${i + names.length} = ${label}`).join("; ")}; give ${
        show(expression.outputs)
      }`,
      inputs,
      (all) => run(tensors, all),
      (all) => run(arrays, all),
      differentiable ? names : [],
      expression.largest
    )
  })
})

/** A counterexample, written with the algebra on one vector x of the given shape. */
const example = (label: string, shape: Shape, run: <T>(algebra: Algebra<T>, x: T) => T) =>
  instance(
    label,
    { x: float(values(1, shape, { low: -2, high: 2 })) },
    ({ x }) => [run(tensors, x as Tensor)],
    ({ x }) => [run(arrays, x as NdArray)],
    ["x"]
  )

export const expressions: ReadonlyArray<Case> = [
  {
    ...expressionCase("values", kinked, false),
    examples: [
      example("zeros with an axis minus a scalar", [], (algebra, x) => algebra.sub(algebra.full([1], 0), x)),
      example("ones with an axis plus a scalar", [], (algebra, x) => algebra.add(algebra.full([1], 1), x)),
      example("a scalar times ones with axes", [], (algebra, x) => algebra.mul(x, algebra.full([2, 1], 1))),
      example("zeros with axes plus a vector", [3], (algebra, x) => algebra.add(algebra.full([1, 1, 3], 0), x)),
      example("halves of more axes times a vector", [3], (algebra, x) => algebra.mul(algebra.full([2, 3], 0.5), x)),
      example("threes that stretch an axis times x", [1, 3], (algebra, x) => algebra.mul(algebra.full([2, 3], 3), x)),
      example("x stretched plus x", [1, 3], (algebra, x) => algebra.add(algebra.broadcastTo(x, [2, 3]), x)),
      example(
        "ones padded with zeros",
        [2],
        (algebra, x) => algebra.add(algebra.pad(algebra.onesLike(x), [[1, 0]]), algebra.pad(x, [[0, 1]]))
      ),
      example("a vector over twos of more axes", [1], (algebra, x) => algebra.div(x, algebra.full([4, 1], 2))),
      example(
        "x transposed, and transposed again",
        [2, 3, 4],
        (algebra, x) => algebra.transpose(algebra.transpose(x, [1, 2, 0]), [1, 0, 2])
      )
    ]
  },
  expressionCase("values and gradients", smooth, true)
]
