/**
 * Mistakes in classifier-free guidance.
 */
import type { Fault } from "../Fault.ts"
import { guidance, type GuidanceInput, type Guiding } from "../guidance.ts"

const fault = (name: string, caughtBy: string, mistake: string, wrong: Guiding): Fault => ({
  name,
  mistake,
  caughtBy: `guidance/${caughtBy}`,
  wrong: guidance(wrong),
  right: guidance()
})

const mix = ({ withClass, without }: GuidanceInput, ofClass: number, ofNone: number) =>
  withClass.map((value, i) => ofClass * value + ofNone * without[i]!)

/** Guidance with one mistake each. */
export const guidanceFaults: ReadonlyArray<Fault> = [
  fault(
    "scale-off-by-one",
    "linear",
    "the scale is taken for the w of Ho and Salimans, which is less by 1",
    (input) => mix(input, 1 + input.scale, -input.scale)
  ),
  fault(
    "predictions-exchanged",
    "linear",
    "guidance goes away from the prediction with the class",
    (input) => mix(input, 1 - input.scale, input.scale)
  ),
  fault(
    "weights-not-one",
    "any-prediction",
    "the weights of the two predictions do not add up to 1, so that what they share grows",
    (input) => mix(input, input.scale, 0)
  ),
  fault(
    "guided-clipped",
    "any-prediction",
    "what is guided is clipped to [-1, 1], whatever is predicted",
    (input) => mix(input, input.scale, 1 - input.scale).map((value) => Math.min(Math.max(value, -1), 1))
  ),
  fault(
    "rescaled-to-one",
    "rescaled",
    "rescaling gives the guided prediction a standard deviation of 1",
    (input) => {
      const guided = mix(input, input.scale, 1 - input.scale)
      const mean = guided.reduce((sum, value) => sum + value, 0) / guided.length
      const deviation = Math.sqrt(guided.reduce((sum, value) => sum + (value - mean) ** 2, 0) / guided.length)
      return guided.map((value) => value * (input.rescale / Math.max(deviation, 1e-6) + 1 - input.rescale))
    }
  ),
  fault(
    "interval-forgotten",
    "interval",
    "every step is guided, those outside the interval too",
    (input) => mix(input, input.scale, 1 - input.scale)
  )
]
