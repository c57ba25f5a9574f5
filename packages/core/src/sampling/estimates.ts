/**
 * What a prediction says of the data and of the noise.
 */
import { Result } from "effect"
import { type Conversion, conversion, type PredictionType } from "../diffusion/index.ts"
import { alphaBar, type Schedule } from "../schedule/index.ts"
import { UndefinedEstimate } from "./SamplingError.ts"

/** Estimates of x_0 and of the noise, as factors of x_t and of the prediction. */
export interface Estimates {
  readonly sample: Conversion
  readonly epsilon: Conversion
}

/**
 * The estimates that a prediction at a timestep amounts to.
 *
 * Fails with `UndefinedEstimate` where they would divide by zero: the data, given the noise, where alphaBar is 0; the
 * noise, given the data, where it is 1.
 *
 * @example
 * const { sample, epsilon } = Result.getOrThrow(estimates(schedule, 500, "v_prediction"))
 */
export const estimates = (
  schedule: Schedule,
  timestep: number,
  predictionType: PredictionType
): Result.Result<Estimates, UndefinedEstimate> => {
  const sample = conversion(schedule, timestep, { from: predictionType, to: "sample" })
  const epsilon = conversion(schedule, timestep, { from: predictionType, to: "epsilon" })
  return [sample, epsilon].every(({ prediction, xt }) => Number.isFinite(xt) && Number.isFinite(prediction))
    ? Result.succeed({ sample, epsilon })
    : Result.fail(new UndefinedEstimate({ predictionType, timestep, alphaBar: alphaBar(schedule, timestep) }))
}
