/**
 * What a prediction says of the data and of the noise.
 */
import { Result } from "effect"
import {
  type Conversion,
  conversionAt,
  isDetermined,
  type Parameterization,
  predictionName,
  type PredictionType
} from "../diffusion/index.ts"
import type { NoiseLevel } from "../schedule/index.ts"
import { UndefinedEstimate } from "./SamplingError.ts"

/** Estimates of x_0 and of the noise, as factors of x_t and of the prediction. */
export interface Estimates {
  readonly sample: Conversion
  readonly epsilon: Conversion
}

/**
 * The estimates that a prediction at a level of noise amounts to.
 *
 * Fails with `UndefinedEstimate` where they would divide by zero: the data, given the noise, where signal is 0; the
 * noise, given the data, where spread is 0.
 *
 * @example
 * const { sample, epsilon } = Result.getOrThrow(estimates(levelAt(schedule, 500), "v_prediction"))
 */
export const estimates = (
  level: NoiseLevel,
  predictionType: PredictionType | Parameterization
): Result.Result<Estimates, UndefinedEstimate> => {
  const sample = conversionAt(level, { from: predictionType, to: "sample" })
  const epsilon = conversionAt(level, { from: predictionType, to: "epsilon" })
  return isDetermined(sample) && isDetermined(epsilon)
    ? Result.succeed({ sample, epsilon })
    : Result.fail(
      new UndefinedEstimate({
        predictionType: predictionName(predictionType),
        timestep: level.timestep,
        alphaBar: level.signal ** 2
      })
    )
}
