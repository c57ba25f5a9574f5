/**
 * What a denoiser predicts, and how one prediction is turned into another.
 *
 * Given x_t, the data, the noise and the velocity determine one another, because x_t is a mixture of data and noise:
 *
 *     x_t = a x_0 + s epsilon        v = a epsilon - s x_0        a = sqrt(alphaBar_t), s = sqrt(1 - alphaBar_t)
 *
 * (Ho et al. 2020, equation 4; Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models", 2022,
 * section 4).
 */
import { type Schedule, sqrtAlphaBar, sqrtOneMinusAlphaBar } from "../schedule/index.ts"
import { combine } from "./internal/combine.ts"

/** What a prediction stands for, as diffusers names it: the noise, the data x_0, or the velocity v. */
export type PredictionType = "epsilon" | "sample" | "v_prediction"

/** What to turn into what. */
export interface ConversionOptions {
  readonly from: PredictionType
  readonly to: PredictionType
}

/** The linear combination `xt` x_t + `prediction` prediction. */
export interface Conversion {
  readonly xt: number
  readonly prediction: number
}

/**
 * The coefficients that turn a prediction of one type into that of another at timestep t, for use on any kind of array.
 *
 * An error in a prediction becomes `prediction` times as large: squared, that is the factor between the losses of two
 * parameterisations.
 *
 * @example
 * // The estimate of the data that a prediction of the noise amounts to (Ho et al. 2020, equation 15).
 * const { prediction, xt } = conversion(schedule, t, { from: "epsilon", to: "sample" })
 */
export const conversion = (schedule: Schedule, t: number, { from, to }: ConversionOptions): Conversion =>
  conversions[from][to](sqrtAlphaBar(schedule, t), sqrtOneMinusAlphaBar(schedule, t))

/**
 * Turns a prediction at timestep t of one type into that of another, in float64.
 *
 * @param xt what the denoiser was shown, of any shape, flattened
 * @param prediction as many elements as `xt`; otherwise throws RangeError
 * @example
 * const x0 = convert(schedule, t, xt, predictedNoise, { from: "epsilon", to: "sample" })
 */
export const convert = (
  schedule: Schedule,
  t: number,
  xt: ArrayLike<number>,
  prediction: ArrayLike<number>,
  options: ConversionOptions
): Float64Array => {
  const coefficients = conversion(schedule, t, options)
  return combine(coefficients.xt, xt, coefficients.prediction, prediction)
}

const identity = (): Conversion => ({ xt: 0, prediction: 1 })

// Each entry is the two equations at the top, solved for what is wanted; a^2 + s^2 = 1.
const conversions: {
  readonly [From in PredictionType]: { readonly [To in PredictionType]: (a: number, s: number) => Conversion }
} = {
  epsilon: {
    epsilon: identity,
    sample: (a, s) => ({ xt: 1 / a, prediction: -s / a }),
    v_prediction: (a, s) => ({ xt: -s / a, prediction: 1 / a })
  },
  sample: {
    epsilon: (a, s) => ({ xt: 1 / s, prediction: -a / s }),
    sample: identity,
    v_prediction: (a, s) => ({ xt: a / s, prediction: -1 / s })
  },
  v_prediction: {
    epsilon: (a, s) => ({ xt: s, prediction: a }),
    sample: (a, s) => ({ xt: a, prediction: -s }),
    v_prediction: identity
  }
}
