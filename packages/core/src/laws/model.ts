/**
 * Laws of models: that a denoiser treats the examples of a batch alike and apart, and that its gradient is its own.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { HostOf, Program, Tensor, Tensors } from "../engine/index.ts"
import { type DenoiserShape, Pipeline } from "../pipeline/index.ts"
import { Distribution, draw, Key } from "../random/index.ts"
import { float32, type HostTensor, int32, sizeOf } from "../tensor/index.ts"
import { allNear, near, same } from "./internal/compare.ts"
import { type EngineService, type HostTensors, runEach } from "./internal/onEngine.ts"
import { law, type Suite, suite } from "./Law.ts"

/** How the laws of a model are stated. */
export interface ModelLawOptions {
  /** What the suite is called: `the model "unet"` unless given. */
  readonly subject?: string | undefined
  /** What it runs on. */
  readonly engine: EngineService
  /** The number of timesteps that it is told of; 1000 unless given. */
  readonly steps?: number | undefined
}

/**
 * The laws of a denoiser, with parameters as they are initialised and a little noise, so that what begins as zero counts.
 *
 * @example
 * Laws.model(MLP.make(MLP.Config.make({ dimensions: 2 })), { engine })
 */
export const model = (denoiser: DenoiserShape, options: ModelLawOptions): Suite => {
  const { engine, steps = 1000, subject = `the model "${denoiser.name}"` } = options
  const cases = fc.record({
    seed: fc.nat(1000),
    t: fc.array(fc.integer({ min: 0, max: steps - 1 }), { minLength: 2, maxLength: 4 })
  })
  const show = ({ seed, t }: Case) => `x drawn by the seed ${seed}, timesteps ${t.join(", ")}`
  const predict = (inputs: ReadonlyArray<HostTensors>) =>
    Effect.map(
      runEach(engine, predicting(denoiser, inputs[0]!), inputs as ReadonlyArray<HostOf<Tensors>>),
      (outputs) => outputs.map((output) => (output as HostTensors)["prediction"]!)
    )

  return suite(subject, [
    law({
      name: "model/shape",
      sentence: "a prediction is shaped as x, its last axis twice as long where a variance is learned, and finite",
      source: "Ho et al. 2020, section 3.2; Nichol and Dhariwal 2021, section 3.1",
      atMost: few,
      inputs: cases,
      show,
      violation: Effect.fnUntraced(function*(input: Case) {
        const [prediction] = yield* predict([inputOf(denoiser, input)])
        const example = denoiser.learnsVariance === true
          ? [...denoiser.exampleShape.slice(0, -1), 2 * denoiser.exampleShape.at(-1)!]
          : denoiser.exampleShape
        const expected = [input.t.length, ...example].join(", ")
        const shape = prediction!.shape.join(", ")
        if (shape !== expected) return `the prediction is shaped [${shape}], not [${expected}]`
        const wrong = Array.from(prediction!.data).find((value) => !Number.isFinite(value))
        return wrong === undefined ? undefined : `the prediction has ${wrong} in it`
      })
    }),
    law({
      name: "model/repeatable",
      sentence: "in evaluation, without dropout masks, the same input gives the same prediction, bit for bit",
      source: "a prediction is a function of parameters and input; dropout is off where nothing is drawn for it",
      atMost: few,
      inputs: cases,
      show,
      violation: Effect.fnUntraced(function*(input: Case) {
        const given = inputOf(denoiser, input)
        const [once] = yield* predict([given])
        const [again, third] = yield* predict([given, given])
        return same("the second prediction", again!.data, "the first has", once!.data) ??
          same("the third prediction", third!.data, "the first has", once!.data)
      })
    }),
    law({
      name: "model/permutes",
      sentence: "examples in another order are predicted the same, in that order, within 1e-4 of the largest",
      source: "each example is denoised by itself",
      atMost: few,
      inputs: cases,
      show,
      violation: Effect.fnUntraced(function*(input: Case) {
        const given = inputOf(denoiser, input)
        const order = input.t.map((_, i) => (i + 1) % input.t.length)
        const [plain, moved] = yield* predict([given, pick(given, order)])
        const expected = rows(plain!, order)
        return nearOf("the prediction of the permuted", moved!.data, "the permuted prediction has", expected)
      })
    }),
    law({
      name: "model/splits",
      sentence: "an example is predicted the same by itself as in a batch, within 1e-4 of the largest",
      source: "each example is denoised by itself: there is no statistic of the batch",
      atMost: few,
      inputs: cases,
      show,
      violation: Effect.fnUntraced(function*(input: Case) {
        const given = inputOf(denoiser, input)
        const [whole] = yield* predict([given])
        const alone = yield* predict(input.t.map((_, i) => pick(given, [i])))
        const joined = alone.flatMap(({ data }) => Array.from(data))
        return nearOf("the predictions of single examples", joined, "in the batch they are", whole!.data)
      })
    }),
    law({
      name: "model/gradient",
      sentence:
        "along a random direction of all parameters and of x, the gradient is the slope of central differences, within 2 % of the slope that it has along most directions, and 1e-3",
      source: "the definition of the directional derivative",
      atMost: few,
      inputs: cases,
      show,
      violation: Effect.fnUntraced(function*(input: Case) {
        const given = inputOf(denoiser, input)
        const names = differentiable(denoiser)
        const direction = directionOf(given, names, input.seed)
        const [at] = yield* runEach(engine, slopes(denoiser, given, names), [{ ...given, ...prefix(direction) }])
        const h = 2 ** -7
        const moved = (by: number): HostTensors => ({
          ...given,
          ...Object.fromEntries(names.map((name) => [
            name,
            float32(
              given[name]!.shape,
              Array.from(
                given[name]!.data,
                (value, i) => value + by * direction[name]!.data[i]!
              )
            )
          ]))
        })
        const [above, below] = yield* runEach(engine, scores(denoiser, given), [moved(h), moved(-h)])
        const scoreOf = (output: unknown) => (output as HostTensors)["score"]!.data[0]!
        const expected = (scoreOf(above) - scoreOf(below)) / (2 * h)
        const { norm, slope } = at as unknown as { readonly [name: string]: HostTensor }
        return near(
          "the slope along the gradient",
          slope!.data[0]!,
          "central differences give",
          expected,
          0.02 * norm!.data[0]! + 1e-3
        )
      })
    })
  ])
}

/** Each case compiles programs. */
const few = 3

/** The seed of an input and the timestep of each example. */
interface Case {
  readonly seed: number
  readonly t: ReadonlyArray<number>
}

const normal = (key: Key.Key, shape: ReadonlyArray<number>) => draw(key, { distribution: Distribution.normal, shape })

/** Everything that a prediction is a function of: parameters under their names, and the input. */
const inputOf = (denoiser: DenoiserShape, { seed, t }: Case): HostTensors => {
  const key = Key.make(seed)
  const batch = t.length
  const shape = [batch, ...denoiser.exampleShape]
  const parameters = Pipeline.initialize(denoiser.parameters, { seed })
  return {
    ...Object.fromEntries(
      Object.entries(parameters).map(([name, { data, shape }]) => {
        const noise = normal(Key.fold(key, name), shape).data
        return [`parameter.${name}`, float32(shape, Array.from(data, (value, i) => value + 0.02 * noise[i]!))]
      })
    ),
    "input.x": normal(Key.fold(key, "x"), shape),
    "input.t": int32([batch], t),
    ...(denoiser.classes === undefined
      ? {}
      : { "input.condition": int32([batch], t.map((each) => each % denoiser.classes!)) }),
    ...(denoiser.selfConditions === true
      ? { "input.selfCondition": normal(Key.fold(key, "selfCondition"), shape) }
      : {})
  }
}

/** The same for some of the examples, in an order. */
const pick = (given: HostTensors, order: ReadonlyArray<number>): HostTensors =>
  Object.fromEntries(
    Object.entries(given).map(([name, tensor]) => {
      if (!name.startsWith("input.")) return [name, tensor]
      const shape = [order.length, ...tensor.shape.slice(1)]
      const elements = rows(tensor, order)
      return [name, tensor.dtype === "int32" ? int32(shape, elements) : float32(shape, elements)]
    })
  )

/** The elements of some of the examples, in an order. */
const rows = ({ data, shape }: HostTensor, order: ReadonlyArray<number>): ReadonlyArray<number> => {
  const size = sizeOf(shape.slice(1))
  return order.flatMap((i) => Array.from(data.subarray(i * size, (i + 1) * size)))
}

const nearOf = (what: string, actual: ArrayLike<number>, reference: string, expected: ArrayLike<number>) =>
  allNear(what, actual, reference, expected, 1e-4 * Math.max(1, ...Array.from(expected, Math.abs)))

const part = (name: string, tensors: Tensors): Tensors =>
  Object.fromEntries(
    Object.entries(tensors).filter(([key]) => key.startsWith(`${name}.`)).map((
      [key, tensor]
    ) => [key.slice(name.length + 1), tensor])
  )

const apply = (denoiser: DenoiserShape, tensors: Tensors): Tensor => {
  const { condition, selfCondition, t, x } = part("input", tensors)
  return denoiser.apply(part("parameter", tensors), {
    x: x!,
    t: t!,
    ...(condition === undefined ? {} : { condition }),
    ...(selfCondition === undefined ? {} : { selfCondition }),
    draws: {}
  })
}

const specsOf = (tensors: HostTensors) =>
  Object.fromEntries(Object.entries(tensors).map(([name, { dtype, shape }]) => [name, { dtype, shape }]))

const predicting = (denoiser: DenoiserShape, given: HostTensors): Program<{}, Tensors, Tensors> => ({
  name: `the law of ${denoiser.name}: prediction`,
  state: {},
  input: specsOf(given),
  apply: (_, tensors) => ({ state: {}, output: { prediction: apply(denoiser, tensors) } })
})

/** The prediction as one number: its product with fixed waves, so that no element is like another. */
const scoreOf = (prediction: Tensor): Tensor => {
  const size = sizeOf(prediction.shape)
  const waves = tf.reshape(tf.sin(tf.range(1, size + 1)), prediction.shape)
  return tf.sum(tf.mul(prediction, waves)) as Tensor
}

const scores = (denoiser: DenoiserShape, given: HostTensors): Program<{}, Tensors, Tensors> => ({
  name: `the law of ${denoiser.name}: score`,
  state: {},
  input: specsOf(given),
  apply: (_, tensors) => ({ state: {}, output: { score: scoreOf(apply(denoiser, tensors)) } })
})

const differentiable = (denoiser: DenoiserShape): ReadonlyArray<string> => [
  ...Object.keys(denoiser.parameters).map((name) => `parameter.${name}`),
  "input.x"
]

/** A direction of length 1 over all of the named tensors. */
const directionOf = (given: HostTensors, names: ReadonlyArray<string>, seed: number): HostTensors => {
  const key = Key.fold(Key.make(seed), "direction")
  const drawn = names.map((name) => normal(Key.fold(key, name), given[name]!.shape))
  const squares = drawn.reduce((sum, { data }) => sum + data.reduce((inner, value) => inner + value ** 2, 0), 0)
  return Object.fromEntries(
    names.map((name, i) => [name, float32(drawn[i]!.shape, drawn[i]!.data.map((value) => value / Math.sqrt(squares)))])
  )
}

const prefix = (direction: HostTensors): HostTensors =>
  Object.fromEntries(Object.entries(direction).map(([name, tensor]) => [`direction.${name}`, tensor]))

/** The product of the gradient with a direction, and the gradient's norm over the root of its dimension. */
const slopes = (
  denoiser: DenoiserShape,
  given: HostTensors,
  names: ReadonlyArray<string>
): Program<{}, Tensors, Tensors> => ({
  name: `the law of ${denoiser.name}: gradient`,
  state: {},
  input: {
    ...specsOf(given),
    ...Object.fromEntries(names.map((name) => [`direction.${name}`, specsOf(given)[name]!]))
  },
  apply: (_, tensors) => {
    const fixed = Object.fromEntries(Object.entries(tensors).filter(([name]) => !name.startsWith("direction.")))
    const variables = names.map((name) => tensors[name]!)
    // As in training: a parameter that the prediction does not depend on has no gradient.
    const { grads } = tf.engine().gradients(
      () =>
        scoreOf(apply(denoiser, { ...fixed, ...Object.fromEntries(names.map((name, i) => [name, variables[i]!])) })),
      variables,
      undefined,
      true
    )
    const known = grads.flatMap((gradient, i) =>
      gradient === null || gradient === undefined ? [] : [{ gradient: gradient as Tensor, name: names[i]! }]
    )
    const total = (values: ReadonlyArray<Tensor>): Tensor => values.reduce((sum, value) => tf.add(sum, value))
    const slope = total(known.map(({ gradient, name }) => tf.sum(tf.mul(gradient, tensors[`direction.${name}`]!))))
    const squares = total(known.map(({ gradient }) => tf.sum(tf.square(gradient))))
    const dimension = names.reduce((sum, name) => sum + sizeOf(given[name]!.shape), 0)
    return { state: {}, output: { slope, norm: tf.sqrt(tf.div(squares, dimension)) } }
  }
})
