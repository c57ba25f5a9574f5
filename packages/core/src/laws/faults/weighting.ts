/**
 * Mistakes in weightings.
 */
import { Result } from "effect"
import { boundWeight, boundWeighting, minSnrWeighting, type Weighting, weightOf } from "../../diffusion/index.ts"
import { posteriorVariance, snr } from "../../schedule/index.ts"
import type { Fault } from "../Fault.ts"
import { weighting as lawsOf, type WeightingLawOptions } from "../weighting.ts"

const minSnr = Result.getOrThrow(minSnrWeighting({ gamma: 5 }))
const ofData = { of: "sample", formula: "min(SNR, 5)", weight: (snr: number) => Math.min(snr, 5) } as const

const fault = (
  name: string,
  caughtBy: string,
  mistake: string,
  weighting: Weighting,
  options: WeightingLawOptions = {}
): Fault => ({
  name,
  mistake,
  caughtBy: `weighting/${caughtBy}`,
  wrong: lawsOf(weighting, options),
  right: lawsOf(options.boundOf === undefined ? minSnr : boundWeighting(), { ...options, weightOf })
})

/** Weightings with one mistake each. */
export const weightingFaults: ReadonlyArray<Fault> = [
  fault("log-for-weight", "not-negative", "the weight is the logarithm of the SNR, which is below 0 in noise", {
    ...minSnr,
    weight: (schedule, t) => Math.log(snr(schedule, t))
  }),
  fault(
    "min-snr-of-noise-for-v",
    "same-for-every-prediction",
    "a network that predicts v gets the min-SNR weights of the noise",
    minSnr,
    {
      weightOf: (weighting, schedule, t, type) =>
        weightOf(weighting, schedule, t, type === "v_prediction" ? "epsilon" : type)
    }
  ),
  fault(
    "v-divided-by-snr",
    "same-for-every-prediction",
    "for v the weight of x_0 is divided by the SNR, not by the SNR + 1",
    minSnr,
    {
      weightOf: (weighting, schedule, t, type) =>
        type === "v_prediction"
          ? Result.map(weightOf(weighting, schedule, t, "sample"), (weight) => weight / snr(schedule, t))
          : weightOf(weighting, schedule, t, type)
    }
  ),
  fault("min-snr-is-max", "as-stated", "min-SNR takes the larger of SNR and gamma", {
    ...minSnr,
    of: "sample",
    weight: (schedule, t) => Math.max(snr(schedule, t), 5)
  }, { stated: ofData }),
  fault("weight-off-by-one", "as-stated", "the weight of t is that of t - 1", {
    ...minSnr,
    weight: (schedule, t) => minSnr.weight(schedule, Math.max(0, t - 1))
  }, { stated: ofData }),
  fault(
    "min-snr-unbounded",
    "bounds",
    "the weight of x_0 is the SNR itself, which has no bound where there is little noise",
    { ...minSnr, of: "sample", weight: snr },
    { bounds: { of: "sample", formulas: "0 and min(SNR, 5)", least: () => 0, most: ofData.weight } }
  ),
  fault("bound-without-alpha", "is-bound", "the weight of the bound lacks the division by alpha", {
    ...boundWeighting(),
    of: "epsilon",
    weight: (schedule, t) => t === 0 ? 1 : boundWeight(schedule, t) * (1 - schedule.beta[t]!)
  }, { boundOf: "fixed-small" }),
  fault(
    "bound-of-beta",
    "is-bound",
    "the weight of the bound is that of a step with variance beta, not the posterior's",
    {
      ...boundWeighting(),
      of: "epsilon",
      weight: (schedule, t) => t === 0 ? 1 : boundWeight(schedule, t, schedule.beta[t]!)
    },
    { boundOf: "fixed-small" }
  ),
  fault("bound-without-half", "is-bound", "the weight of the bound lacks the half of a Gaussian's exponent", {
    ...boundWeighting(),
    of: "epsilon",
    weight: (schedule, t) => t === 0 ? 1 : 2 * boundWeight(schedule, t, posteriorVariance(schedule, t))
  }, { boundOf: "fixed-small" })
]
