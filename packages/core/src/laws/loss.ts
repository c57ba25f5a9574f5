/**
 * Laws of losses: of how far a prediction is from its target, and of what that is least for.
 *
 * For data that is Gaussian, or a mixture of Gaussians, the distribution of the target given x_t is known, and with it the
 * best prediction and the loss that it leaves. Expectations are integrals over known densities: nothing here is sampled.
 */
import * as tf from "@tensorflow/tfjs"
import { Result } from "effect"
import * as fc from "fast-check"
import { type PredictionType, predictionTypes } from "../diffusion/index.ts"
import type { Tensor } from "../engine/index.ts"
import { cosine, levelAt, type Schedule } from "../schedule/index.ts"
import { elements } from "./arbitraries.ts"
import { allNear, brief, near, same } from "./internal/compare.ts"
import { eagerly } from "./internal/eager.ts"
import { type Component, givenXt, meanOver } from "./internal/mixture.ts"
import { normalNodes } from "./internal/normal.ts"
import { type Law, law, type Suite, suite, type Violation } from "./Law.ts"

/** Where a loss is taken: losses may depend on the level of noise. */
export interface LossPoint {
  readonly schedule: Schedule
  readonly t: number
}

/** A loss, element by element. */
export interface LossFunction {
  readonly name: string
  /** What float the loss is computed in; `float64` unless given. It decides how closely the laws look. */
  readonly precision?: "float32" | "float64" | undefined
  /** The loss of each element. */
  readonly elements: (
    prediction: ReadonlyArray<number>,
    target: ReadonlyArray<number>,
    at: LossPoint
  ) => ArrayLike<number>
  /** The derivative of each element's loss with respect to its prediction. */
  readonly gradient?:
    | ((prediction: ReadonlyArray<number>, target: ReadonlyArray<number>, at: LossPoint) => ArrayLike<number>)
    | undefined
}

/** A loss on tensors, as the pipeline has them: of the differences, [batch, ...], and the timesteps, [batch]. */
export interface TensorDistance {
  readonly name: string
  readonly elements: (schedule: Schedule) => (difference: Tensor, t: Tensor) => Tensor
}

/** How the laws of a loss are stated. */
export interface LossLawOptions {
  /** What the suite is called: `the loss "squared"` unless given. */
  readonly subject?: string | undefined
  /**
   * Whether it is the squared error: then the best predictor is the mean of the target, and what it leaves is its variance.
   * False unless given.
   */
  readonly isSquared?: boolean | undefined
}

/**
 * The laws of a loss.
 *
 * @example
 * const huber: Laws.LossFunction = {
 *   name: "pseudo-Huber",
 *   elements: (prediction, target) => prediction.map((value, i) => Math.hypot(value - target[i]!, 1) - 1)
 * }
 * Laws.test(it, Laws.loss(huber))
 */
export const loss = (loss: LossFunction, options: LossLawOptions = {}): Suite =>
  suite(options.subject ?? `the loss "${loss.name}"`, lawsOf(loss, options))

/**
 * The laws of a distance of the pipeline, computed on tensors in float32, with the gradient that tfjs has for it.
 *
 * @example
 * const squared: Laws.TensorDistance = { name: "squared", elements: () => (difference) => tf.square(difference) }
 * Laws.test(it, Laws.distance(squared, { isSquared: true }))
 */
export const distance = (distance: TensorDistance, options: LossLawOptions = {}): Suite =>
  loss(onTensors(distance), options)

/** A distance on tensors as a function on numbers. */
const onTensors = ({ elements, name }: TensorDistance): LossFunction => {
  const evaluate = (
    compute: (f: (difference: Tensor) => Tensor, difference: Tensor) => Tensor
  ): LossFunction["elements"] =>
  (prediction, target, { schedule, t }) =>
    eagerly(() => {
      const difference = tf.sub(
        tf.tensor2d([...prediction], [1, prediction.length]),
        tf.tensor2d([...target], [1, target.length])
      )
      const timesteps = tf.tensor1d([t], "int32")
      return Array.from(compute((d) => elements(schedule)(d, timesteps), difference).dataSync())
    })
  return {
    name,
    precision: "float32",
    elements: evaluate((f, difference) => f(difference)),
    gradient: evaluate((f, difference) => tf.grad((d) => tf.sum(f(d)))(difference))
  }
}

const schedule = Result.getOrThrow(cosine({ steps: 1000 }))

const timesteps = fc.integer({ min: 0, max: schedule.steps - 1 })

/** Predictions and targets, at a timestep. */
const pairs = fc.integer({ min: 1, max: 6 }).chain((length) =>
  fc.record({ prediction: elements(length), target: elements(length), t: timesteps })
)

type Pair = { readonly prediction: ReadonlyArray<number>; readonly target: ReadonlyArray<number>; readonly t: number }

const showPair = ({ prediction, t, target }: Pair): string =>
  `prediction [${prediction.join(", ")}], target [${
    target.join(", ")
  }], t = ${t} of the cosine schedule with 1000 steps`

const lawsOf = (loss: LossFunction, { isSquared = false }: LossLawOptions): ReadonlyArray<Law> => {
  const isSingle = loss.precision === "float32"
  const rounding = isSingle ? 1e-5 : 1e-10
  const at = (t: number): LossPoint => ({ schedule, t })
  const of = ({ prediction, t, target }: Pair) => Array.from(loss.elements(prediction, target, at(t)))

  return [
    law({
      name: "loss/zero-at-target",
      sentence: "the loss is exactly 0 where prediction and target are equal, and above 0 where they differ",
      source: "the definition of a distance",
      inputs: pairs,
      show: showPair,
      violation: (pair) =>
        same(
          "the loss at the target",
          of({ ...pair, prediction: pair.target }),
          "it should have",
          pair.target.map(() => 0)
        ) ??
          of(pair).map((value, i): Violation =>
            value > 0 || pair.prediction[i] === pair.target[i]
              ? undefined
              : `the loss of ${pair.prediction[i]} is ${value} where the target is ${pair.target[i]}`
          ).find((found) => found !== undefined)
    }),
    law({
      name: "loss/symmetric",
      sentence: "prediction and target may change places: the loss is the same, bit for bit",
      source: "the definition of a distance; an error up counts as much as one down",
      inputs: pairs,
      show: showPair,
      violation: ({ prediction, t, target }) =>
        same(
          "the loss with prediction and target exchanged",
          of({ prediction: target, target: prediction, t }),
          "the loss has",
          of({ prediction, target, t })
        )
    }),
    law({
      name: "loss/splits",
      sentence: `the losses of two parts of a batch are those of the whole, within ${brief(rounding)}`,
      source: "Ho et al. 2020, equation 14: the expectation of a loss that each element has by itself",
      inputs: fc.record({ pair: pairs, cut: fc.nat(6) }),
      show: ({ cut, pair }) => `cut after ${Math.min(cut, pair.target.length)}, ${showPair(pair)}`,
      violation: ({ cut, pair }) => {
        const part = (from: number, to?: number) => ({
          t: pair.t,
          prediction: pair.prediction.slice(from, to),
          target: pair.target.slice(from, to)
        })
        const parts = [part(0, cut), part(cut)].filter(({ target }) => target.length > 0)
        const whole = of(pair)
        return allNear(
          "the losses of two parts",
          parts.flatMap(of),
          "those of the whole have",
          whole,
          rounding * Math.max(1, ...whole)
        )
      }
    }),
    ...(loss.gradient === undefined ? [] : [gradientLaw(loss, isSingle)]),
    law({
      name: "loss/gaussian-optimum",
      sentence:
        "for Gaussian data, where the target is symmetric about its mean given x_t, no other prediction than that mean has a lower expected loss",
      source:
        "a symmetric convex loss of a symmetric distribution is least at its centre (Anderson 1955); Bayes' rule for the target",
      atMost: isSingle ? 40 : Infinity,
      inputs: fc.record({
        t: timesteps,
        type: fc.constantFrom(...predictionTypes),
        data: fc.record({
          mean: fc.integer({ min: -4, max: 4 }),
          variance: fc.integer({ min: 1, max: 8 }).map((n) => n / 4)
        }),
        // In standard deviations of the target.
        shift: fc.integer({ min: -16, max: 16 }).filter((n) => n !== 0).map((n) => n / 8),
        // Where x_t lies, from far below its mean to far above.
        place: fc.constantFrom(2, 1, 3, 0, 4)
      }),
      show: ({ data, place, shift, t, type }) =>
        `data N(${data.mean}, ${data.variance}), predictions of ${type} at t = ${t}, x_t ${4 * (place - 2)} standard ` +
        `deviations from its mean, the prediction ${shift} beside the best`,
      violation: ({ data, place, shift, t, type }) => {
        const { mean, variance } = givenXt([{ weight: 1, ...data }], levelAt(schedule, t), type, 5)[place]!
        const deviation = Math.sqrt(variance)
        const expected = (prediction: number) => expectedLoss(loss, at(t), prediction, [{ weight: 1, mean, variance }])
        const [best, other] = [expected(mean), expected(mean + shift * deviation)]
        return other >= best - 1e-5 * best ?
          undefined :
          `the best prediction, ${mean}, has an expected loss of ${best}, but ${mean + shift * deviation} has ${other}`
      }
    }),
    ...(isSquared ? [minimumLaw(loss, isSingle)] : [])
  ]
}

const gradientLaw = (loss: LossFunction, isSingle: boolean): Law => {
  // Central differences: far enough apart for the rounding, near enough for the curvature.
  const h = isSingle ? 2 ** -9 : 2 ** -17
  const tolerance = isSingle ? 2e-3 : 1e-6
  return law({
    name: "loss/gradient",
    sentence: `the gradient is that of central differences, within ${
      brief(tolerance)
    } of its size, where prediction and target are not so near that the loss may have a corner`,
    source: "the definition of the derivative",
    inputs: pairs,
    show: showPair,
    violation: ({ prediction, t, target }) => {
      const apart = prediction.map((value, i) => Math.abs(value - target[i]!) < 1 / 16 ? target[i]! + 1 / 16 : value)
      const moved = (by: number) => Array.from(loss.elements(apart.map((value) => value + by), target, { schedule, t }))
      const [above, below] = [moved(h), moved(-h)]
      const expected = above.map((value, i) => (value - below[i]!) / (2 * h))
      const size = Math.max(1, ...expected.map(Math.abs))
      return allNear(
        "the gradient",
        loss.gradient!(apart, target, { schedule, t }),
        "central differences have",
        expected,
        tolerance * size
      )
    }
  })
}

const minimumLaw = (loss: LossFunction, isSingle: boolean): Law => {
  const tolerance = isSingle ? 1e-4 : 1e-8
  return law({
    name: "loss/mixture-minimum",
    sentence:
      `for a mixture of Gaussians, the exact predictor E[target | x_t] leaves an expected loss of E[Var(target | x_t)], and one that is beside it by d(x_t) leaves E[d(x_t)^2] more, within ${
        brief(tolerance)
      }`,
    source:
      "the bias-variance decomposition of the squared error; Vincent 2011 and Ho et al. 2020, section 3.2; the posterior of a mixture by Bayes' rule",
    atMost: isSingle ? 10 : 40,
    inputs: fc.record({
      t: timesteps,
      type: fc.constantFrom<PredictionType>("epsilon", "sample", "v_prediction"),
      data: fc.array(
        fc.record({
          weight: fc.integer({ min: 1, max: 3 }),
          mean: fc.integer({ min: -2, max: 2 }),
          variance: fc.integer({ min: 1, max: 4 }).map((n) => n / 8)
        }),
        { minLength: 1, maxLength: 3 }
      ),
      offset: fc.integer({ min: -4, max: 4 }).map((n) => n / 4),
      slope: fc.integer({ min: -4, max: 4 }).map((n) => n / 4)
    }),
    show: ({ data, offset, slope, t, type }) =>
      `data ${
        data.map(({ mean, variance, weight }) => `${weight} N(${mean}, ${variance})`).join(" + ")
      }, predictions of ${type} at t = ${t}, beside the best by ${offset} + ${slope} sin(x_t)`,
    violation: ({ data, offset, slope, t, type }) => {
      const total = data.reduce((sum, { weight }) => sum + weight, 0)
      const components = data.map((component) => ({ ...component, weight: component.weight / total }))
      const given = givenXt(components, levelAt(schedule, t), type, 49)
      const beside = (x: number) => offset + slope * Math.sin(x)
      const expected = (prediction: (at: (typeof given)[number]) => number) =>
        expectedLosses(loss, { schedule, t }, given.map((at) => ({ prediction: prediction(at), targets: at.targets })))
      const best = expected(({ mean }) => mean)
      const other = expected(({ mean, x }) => mean + beside(x))
      const least = meanOver(given, ({ variance }) => variance)
      const more = meanOver(given, ({ x }) => beside(x) ** 2)
      const meanOf = (losses: ReadonlyArray<number>) =>
        given.reduce((sum, { probability }, i) => sum + probability * losses[i]!, 0)
      return near(
        "the expected loss of the exact predictor",
        meanOf(best),
        "E[Var(target | x_t)] is",
        least,
        tolerance * Math.max(1, least)
      ) ??
        near(
          "the expected loss beside it",
          meanOf(other),
          "E[Var(target | x_t)] + E[d(x_t)^2] is",
          least + more,
          tolerance * Math.max(1, least + more)
        )
    }
  })
}

const nodes = normalNodes(33)

/** The expected loss of predictions, each with a distribution of its target; one evaluation of the loss for all. */
const expectedLosses = (
  loss: LossFunction,
  at: LossPoint,
  cases: ReadonlyArray<{ readonly prediction: number; readonly targets: ReadonlyArray<Component> }>
): ReadonlyArray<number> => {
  const predictions: Array<number> = []
  const targets: Array<number> = []
  for (const { prediction, targets: components } of cases) {
    for (const { mean, variance } of components) {
      for (const z of nodes.points) {
        predictions.push(prediction)
        targets.push(mean + Math.sqrt(variance) * z)
      }
    }
  }
  const losses = loss.elements(predictions, targets, at)
  let next = 0
  return cases.map(({ targets: components }) =>
    components.reduce(
      (sum, { weight }) => sum + weight * nodes.weights.reduce((mean, share) => mean + share * losses[next++]!, 0),
      0
    )
  )
}

const expectedLoss = (
  loss: LossFunction,
  at: LossPoint,
  prediction: number,
  targets: ReadonlyArray<Component>
): number => expectedLosses(loss, at, [{ prediction, targets }])[0]!
