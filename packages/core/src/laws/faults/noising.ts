/**
 * Mistakes in noising, in the conversions between predictions, and in the noise itself.
 */
import { addNoise, conversion, type PredictionType } from "../../diffusion/index.ts"
import { Distribution, draw, Key } from "../../random/index.ts"
import { alphaBar, previousAlphaBar, sqrtAlphaBar, sqrtOneMinusAlphaBar } from "../../schedule/index.ts"
import type { Fault } from "../Fault.ts"
import { type Noising, noising } from "../noising.ts"

const fault = (name: string, caughtBy: string, mistake: string, wrong: Partial<Noising>): Fault => ({
  name,
  mistake,
  caughtBy: `noising/${caughtBy}`,
  wrong: noising(wrong),
  right: noising()
})

const mix = (signal: number, x0: ArrayLike<number>, spread: number, noise: ArrayLike<number>) =>
  Array.from(x0, (value, i) => signal * value + spread * noise[i]!)

/** A conversion that is wrong for one pair of predictions. */
const wrongConversion = (
  from: PredictionType,
  to: PredictionType,
  wrong: Noising["conversion"]
): Pick<Noising, "conversion"> => ({
  conversion: (schedule, t, options) =>
    (options.from === from && options.to === to ? wrong : conversion)(schedule, t, options)
})

/** Noisings with one mistake each. */
export const noisingFaults: ReadonlyArray<Fault> = [
  fault("noise-for-data", "marginal", "sqrt(alphaBar) scales the noise, and sqrt(1 - alphaBar) the data", {
    addNoise: (schedule, t, x0, noise) => addNoise(schedule, t, noise, x0)
  }),
  fault("noising-off-by-one", "marginal", "t is counted from 1: what is called t has the noise of t - 1", {
    addNoise: (schedule, t, x0, noise) => {
      const before = previousAlphaBar(schedule, t)
      return mix(Math.sqrt(before), x0, Math.sqrt(1 - before), noise)
    }
  }),
  fault("noising-without-root", "marginal", "the noise is scaled by 1 - alphaBar, without the square root", {
    addNoise: (schedule, t, x0, noise) => mix(sqrtAlphaBar(schedule, t), x0, 1 - alphaBar(schedule, t), noise)
  }),
  fault("noised-data-clipped", "linear", "x_t is clipped to [-1, 1], as pictures are", {
    addNoise: (schedule, t, x0, noise) => addNoise(schedule, t, x0, noise).map((x) => Math.min(Math.max(x, -1), 1))
  }),
  fault(
    "x0-of-noise-unscaled",
    "invertible",
    "the estimate of x_0 from predicted noise is not divided by sqrt(alphaBar)",
    wrongConversion("epsilon", "sample", (schedule, t) => ({ xt: 1, prediction: -sqrtOneMinusAlphaBar(schedule, t) }))
  ),
  fault(
    "velocity-sign",
    "invertible",
    "the estimate of x_0 from v adds the velocity that it should take away",
    wrongConversion("v_prediction", "sample", (schedule, t) => ({
      xt: sqrtAlphaBar(schedule, t),
      prediction: sqrtOneMinusAlphaBar(schedule, t)
    }))
  ),
  fault(
    "score-without-spread",
    "invertible",
    "the score is taken for minus the noise, without the division by sqrt(1 - alphaBar)",
    wrongConversion("epsilon", "score", () => ({ xt: 0, prediction: -1 }))
  ),
  fault("noise-of-the-neighbour", "permutes", "each element gets the noise of the element before it", {
    addNoise: (schedule, t, x0, noise) =>
      addNoise(schedule, t, x0, Array.from(noise, (_, i) => noise[(i + noise.length - 1) % noise.length]!))
  }),
  fault("noise-centred-in-batch", "splits", "the mean of a batch's noise is taken out of it", {
    addNoise: (schedule, t, x0, noise) => {
      const mean = Array.from(noise).reduce((sum, value) => sum + value, 0) / noise.length
      return addNoise(schedule, t, x0, Array.from(noise, (value) => value - mean))
    }
  }),
  fault("noise-uniform", "moments", "the noise is uniform in [-1, 1)", {
    noise: (key, count) => draw(key, { distribution: Distribution.uniform(-1, 1), shape: [count] }).data
  }),
  fault("noise-biased", "moments", "the noise has a mean of a tenth", {
    noise: (key, count) => draw(key, { distribution: Distribution.normal, shape: [count] }).data.map((x) => x + 0.1)
  }),
  fault("noise-repeated", "moments", "all elements of a batch get the noise of the first", {
    noise: (key, count) =>
      new Float32Array(count).fill(draw(Key.fold(key, 0), { distribution: Distribution.normal, shape: [1] }).data[0]!)
  })
]
