/**
 * Self-conditioning: training with the denoiser's own estimate (Chen, Zhang and Hinton, "Analog Bits: Generating Discrete
 * Data using Diffusion Models with Self-Conditioning", 2023, section 3.2 and algorithm 1).
 */
import * as tf from "@tensorflow/tfjs"
import { conversion, type ConversionOptions } from "../../diffusion/index.ts"
import type { Tensor, Tensors } from "../../engine/Program.ts"
import type { DrawSpecs } from "../../random/Distribution.ts"
import { Distribution } from "../../random/index.ts"
import type { Schedule } from "../../schedule/index.ts"
import { perTimestep } from "../internal/perTimestep.ts"
import { clippedToData } from "../selfCondition.ts"
import type { Noised } from "../Stage.ts"

/** Which examples are shown an estimate: each with probability 1/2. */
export const selfConditioningDraws = (batch: number): DrawSpecs => ({
  [shown]: { distribution: Distribution.bernoulli(0.5), shape: [batch] }
})

/**
 * What the denoiser is shown of its own estimate: that of a first prediction, made with an estimate of zeros and without
 * dropout, as sampling would make it. No gradient flows through it. In training half of the examples are shown zeros
 * instead, which is what sampling starts from; an evaluation shows all of them their estimates.
 *
 * @param predict the denoiser's prediction with a given estimate
 */
export const ownEstimate = (
  schedule: Schedule,
  predictionType: ConversionOptions["from"],
  { input, draws, predict }: {
    readonly input: Noised
    readonly draws: Tensors
    readonly predict: (estimate: Tensor) => Tensor
  }
): Tensor => {
  const { t, xt } = input
  const toSample = Array.from(
    { length: schedule.steps },
    (_, t) => conversion(schedule, t, { from: predictionType, to: "sample" })
  )
  const factor = (values: ReadonlyArray<number>) =>
    // Where a prediction says nothing of the data (noise, at zero signal) there is no estimate: zeros.
    perTimestep(Float64Array.from(values, (value, t) => isUsable(toSample[t]!) ? value : 0))(t, xt)
  const estimate = withoutGradient(xt, () => {
    const prediction = withoutVariance(predict(tf.zerosLike(xt)), xt)
    const sample = tf.add(
      tf.mul(xt, factor(toSample.map(({ xt }) => xt))),
      tf.mul(prediction, factor(toSample.map(({ prediction }) => prediction)))
    )
    return clippedToData(sample)
  })
  const mask = draws[shown]
  return mask === undefined
    ? estimate
    : tf.mul(estimate, tf.reshape(mask, [xt.shape[0]!, ...xt.shape.slice(1).map(() => 1)]))
}

const shown = "selfCondition"

/** A prediction without the variance that a denoiser may have predicted beside it. */
const withoutVariance = (prediction: Tensor, { shape }: Tensor): Tensor =>
  prediction.shape.at(-1) === shape.at(-1) ? prediction : tf.slice(prediction, shape.map(() => 0), [...shape])

const isUsable = ({ prediction, xt }: { readonly xt: number; readonly prediction: number }): boolean =>
  Number.isFinite(xt) && Number.isFinite(prediction)

/**
 * What `compute` computes, as a constant to the gradient: what happens inside a function with a gradient of its own is
 * not on the tape, so nothing of it is computed backwards. (The gradient that it says it has in `like` is zero.)
 */
const withoutGradient = (like: Tensor, compute: () => Tensor): Tensor =>
  tf.customGrad((x) => ({ value: compute(), gradFunc: () => tf.zerosLike(x as Tensor) }))(like)
