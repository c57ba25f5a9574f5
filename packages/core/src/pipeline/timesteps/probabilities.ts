/**
 * How likely each timestep is.
 */
import type { Schedule } from "../../schedule/index.ts"
import type { HostTensors } from "../Pipeline.ts"
import type { TimestepSamplerShape } from "./TimestepSampler.ts"

/**
 * The probability p_t with which a sampler draws each timestep of a schedule, [T]; they sum to 1.
 *
 * @param state what a sampler that learns has learnt, as of a run's state (`adaptation`); nothing yet when not given
 * @throws RangeError when a sampler's own probabilities are not T finite numbers of at least 0 (above 0, where losses are
 *   to be corrected for them), one of them above: a mistake of the program.
 * @example
 * const p = timestepProbabilities(Result.getOrThrow(logitNormalTimesteps()), schedule)
 */
export const timestepProbabilities = (
  { distribution, name }: TimestepSamplerShape,
  schedule: Schedule,
  state?: HostTensors
): Float64Array => {
  const { steps } = schedule
  switch (distribution._tag) {
    case "Uniform":
      return new Float64Array(steps).fill(1 / steps)
    case "Fixed":
      return normalized(name, distribution.probabilities(schedule), steps, distribution.corrects)
    case "Learned": {
      const { initial, probabilities } = distribution.learning(steps)
      return normalized(name, probabilities(state ?? initial), steps, true)
    }
  }
}

/** Probabilities that sum to 1, of numbers that are so up to a factor. */
export const normalized = (
  name: string,
  weights: ArrayLike<number>,
  steps: number,
  corrects: boolean
): Float64Array => {
  const wrong = (what: string) => new RangeError(`the probabilities of the timestep sampler "${name}" ${what}`)
  if (weights.length !== steps) throw wrong(`are ${weights.length}, and there are ${steps} timesteps`)
  const p = Float64Array.from(weights)
  const t = p.findIndex((weight) => !(Number.isFinite(weight) && (corrects ? weight > 0 : weight >= 0)))
  if (t >= 0) {
    const range = corrects ? "above 0, to be corrected for" : "at least 0"
    throw wrong(`are finite and ${range}; at t = ${t} there is ${p[t]}`)
  }
  const total = p.reduce((sum, weight) => sum + weight, 0)
  if (!(total > 0 && Number.isFinite(total))) throw wrong(`sum to ${total}`)
  return p.map((weight) => weight / total)
}
