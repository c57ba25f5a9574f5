/**
 * A continuous schedule without parameters, on tensors.
 */
import * as tf from "@tensorflow/tfjs"
import type { ContinuousSchedule } from "../../schedule/index.ts"
import type { ContinuousNoiseShape } from "./ContinuousNoise.ts"

/** So many lines stand for a curve: as many as float32 times can tell well apart, and more than log-SNR needs. */
const lines = 4096

/**
 * A fixed schedule for a pipeline. Any function of time can be one; tensor programs know no functions, so on tensors it is
 * joined by 4096 lines, and its derivative is the slope of these, which makes the bound exactly that of the joined
 * schedule. `linear` is a line already; the joined `cosine` is within 2e-4 of the curve, and in the first and last
 * hundredths of time within 0.07 (measured).
 *
 * @example
 * const schedule = ContinuousTime.fixed(Result.getOrThrow(Continuous.cosine()))
 */
export const fixed = (schedule: ContinuousSchedule): ContinuousNoiseShape => {
  const values = Float64Array.from({ length: lines + 1 }, (_, i) => schedule.logSnr(i / lines))
  const starts = Float32Array.from(values.subarray(0, lines))
  const rises = Float32Array.from({ length: lines }, (_, i) => values[i + 1]! - values[i]!)
  return {
    name: schedule.name,
    parameters: {},
    at: (_, u) => {
      const position = tf.mul(u, lines)
      // u = 1 is the end of the last line.
      const line = tf.minimum(tf.floor(position), lines - 1)
      const index = tf.cast(line, "int32") as tf.Tensor1D
      const rise = tf.gather(tf.tensor1d(rises), index)
      return {
        logSnr: tf.add(tf.gather(tf.tensor1d(starts), index), tf.mul(tf.sub(position, line), rise)),
        derivative: tf.mul(rise, lines)
      }
    },
    continuous: () => schedule,
    told: { logSnrMax: values[0]!, logSnrMin: values[lines]! }
  }
}
