/**
 * Self-conditioning: training with the denoiser's own estimate (Chen, Zhang and Hinton, "Analog Bits: Generating Discrete
 * Data using Diffusion Models with Self-Conditioning", 2023, section 3.2 and algorithm 1).
 */
import * as tf from "@tensorflow/tfjs"
import { conversion, type ConversionOptions, isDetermined } from "../../diffusion/index.ts"
import { withoutGradient } from "../../engine/operations/index.ts"
import type { Tensor, Tensors } from "../../engine/Program.ts"
import type { DrawSpecs } from "../../random/Distribution.ts"
import { Distribution } from "../../random/index.ts"
import { type Schedule, table } from "../../schedule/index.ts"
import { combination } from "../internal/perTimestep.ts"
import { forEachExample } from "../perExample.ts"
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
  const toSample = (t: number) => {
    const factors = conversion(schedule, t, { from: predictionType, to: "sample" })
    // Where a prediction says nothing of the data (noise, at zero signal) there is no estimate: zeros.
    return isDetermined(factors) ? factors : { xt: 0, prediction: 0 }
  }
  const sample = combination(
    table(schedule, (_, t) => toSample(t).xt),
    table(schedule, (_, t) => toSample(t).prediction)
  )
  const estimate = withoutGradient(() => clippedToData(sample(t, xt, predict(tf.zerosLike(xt)))))
  const mask = draws[shown]
  return mask === undefined ? estimate : tf.mul(estimate, forEachExample(mask, xt))
}

const shown = "selfCondition"

/**
 * An estimate of x_0 as a denoiser that self-conditions is shown it, in training and in sampling alike: within [-1, 1],
 * as data is. An estimate from nearly pure noise is far beyond otherwise, and would be what the network sees most of.
 *
 * @example
 * const prediction = denoiser.apply(parameters, { x, t, draws: {}, selfCondition: clippedToData(estimate) })
 */
export const clippedToData = (estimate: Tensor): Tensor => tf.clipByValue(estimate, -1, 1)
