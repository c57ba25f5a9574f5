/**
 * What a denoiser predicts, and how one prediction is turned into another.
 *
 * Given x_t, the data and the noise determine one another, because x_t is a mixture of both; so does any other mixture:
 *
 *     x_t = a x_0 + s epsilon        v = a epsilon - s x_0        score = -epsilon / s        a^2 + s^2 = 1
 *
 * (Ho et al. 2020, equation 4; Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models", 2022,
 * section 4; Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations", 2021, section 3.)
 */
import { levelAt, type NoiseLevel, type Schedule, snr } from "../schedule/index.ts"
import { combine } from "./internal/combine.ts"

/** The predictions with a name, as diffusers names them where it has them: noise, data x_0, velocity v, score. */
export const predictionTypes = ["epsilon", "sample", "v_prediction", "score"] as const

/** A prediction with a name. */
export type PredictionType = typeof predictionTypes[number]

/**
 * What a denoiser predicts, where it is none of those with a name: a mixture of data and noise at each level.
 *
 * @example
 * // The velocity of flow matching (Lipman et al. 2023), noise minus data.
 * const flow: Parameterization = { name: "flow", mixture: () => ({ x0: -1, noise: 1 }) }
 */
export interface Parameterization {
  readonly name: string
  /** The factors of x_0 and of the noise in what is predicted. Where both are multiples of x_t's, nothing follows. */
  readonly mixture: (level: NoiseLevel) => { readonly x0: number; readonly noise: number }
  /** What x_t is multiplied by before the denoiser is shown it; 1 unless given. */
  readonly inputScale?: (level: NoiseLevel) => number
}

/**
 * The name of what is predicted.
 *
 * @example
 * predictionName("epsilon") // => "epsilon"
 */
export const predictionName = (type: PredictionType | Parameterization): string =>
  typeof type === "string" ? type : type.name

/**
 * What x_t is multiplied by before a denoiser that predicts this is shown it.
 *
 * @example
 * inputScaleOf(level, "epsilon") // => 1
 */
export const inputScaleOf = (level: NoiseLevel, type: PredictionType | Parameterization): number =>
  typeof type === "string" ? 1 : type.inputScale?.(level) ?? 1

/** What to turn into what. */
export interface ConversionOptions {
  readonly from: PredictionType | Parameterization
  readonly to: PredictionType | Parameterization
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
export const conversion = (schedule: Schedule, t: number, options: ConversionOptions): Conversion =>
  conversionAt(levelAt(schedule, t), options)

/**
 * The same coefficients at any level of noise. Where the one prediction does not determine the other (the data, given the
 * noise, where signal is 0; the noise, given the data, where spread is 0) they are not finite.
 *
 * @example
 * const { prediction, xt } = conversionAt(levelOfSigma(2, 640.5), { from: "v_prediction", to: "sample" })
 */
export const conversionAt = (level: NoiseLevel, { from, to }: ConversionOptions): Conversion => {
  if (from === to) return { xt: 0, prediction: 1 }
  const x0 = estimate(level, from, "sample")
  if (to === "sample") return x0
  const noise = estimate(level, from, "epsilon")
  if (to === "epsilon") return noise
  const wanted = mixtureOf(level, to)
  return {
    xt: wanted.x0 * x0.xt + wanted.noise * noise.xt,
    prediction: wanted.x0 * x0.prediction + wanted.noise * noise.prediction
  }
}

/**
 * Whether the one prediction determines the other: whether the coefficients are finite.
 *
 * @example
 * isDetermined(conversionAt({ timestep: 999, signal: 0, spread: 1 }, { from: "epsilon", to: "sample" })) // => false
 */
export const isDetermined = ({ prediction, xt }: Conversion): boolean =>
  Number.isFinite(xt) && Number.isFinite(prediction)

/**
 * Turns a prediction at timestep t of one type into that of another, in float64.
 *
 * @param xt what the denoiser was shown, of any shape, flattened
 * @param prediction as many elements as `xt`; otherwise throws RangeError
 * @throws RangeError where the one does not determine the other: the data, given the noise, at zero signal-to-noise ratio
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
  if (!isDetermined(coefficients)) {
    const [from, to] = [options.from, options.to].map(predictionName)
    throw new RangeError(
      `a prediction of type "${from}" does not determine "${to}" at timestep ${t}, where the signal-to-noise ratio is ` +
        `${snr(schedule, t)}; use "v_prediction", or leave this timestep out`
    )
  }
  return combine(coefficients.xt, xt, coefficients.prediction, prediction)
}

/**
 * The factors of x_0 and of the noise in a prediction: its target is `x0` x_0 + `noise` epsilon.
 *
 * @example
 * mixtureOf(level, "v_prediction") // => { x0: -level.spread, noise: level.signal }
 */
export const mixtureOf = (
  level: NoiseLevel,
  type: PredictionType | Parameterization
): { readonly x0: number; readonly noise: number } => {
  const { signal, spread } = level
  switch (type) {
    case "epsilon":
      return { x0: 0, noise: 1 }
    case "sample":
      return { x0: 1, noise: 0 }
    case "v_prediction":
      return { x0: -spread, noise: signal }
    case "score":
      return { x0: 0, noise: -1 / spread }
    default:
      return type.mixture(level)
  }
}

/** Data or noise, of x_t and a prediction. */
const estimate = (
  level: NoiseLevel,
  from: PredictionType | Parameterization,
  to: "sample" | "epsilon"
): Conversion => {
  const { signal: a, spread: s } = level
  switch (from) {
    // Each entry is the equations at the top, solved for what is wanted.
    case "epsilon":
      return to === "sample" ? { xt: 1 / a, prediction: -s / a } : { xt: 0, prediction: 1 }
    case "sample":
      return to === "sample" ? { xt: 0, prediction: 1 } : { xt: 1 / s, prediction: -a / s }
    case "v_prediction":
      return to === "sample" ? { xt: a, prediction: -s } : { xt: s, prediction: a }
    case "score":
      return to === "sample" ? { xt: 1 / a, prediction: s ** 2 / a } : { xt: 0, prediction: -s }
    default: {
      // x_t = a x_0 + s epsilon and prediction = p x_0 + q epsilon, solved by Cramer's rule.
      const { noise: q, x0: p } = from.mixture(level)
      const determinant = a * q - s * p
      return to === "sample"
        ? { xt: q / determinant, prediction: -s / determinant }
        : { xt: -p / determinant, prediction: a / determinant }
    }
  }
}
