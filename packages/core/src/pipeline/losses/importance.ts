/**
 * Averages over a batch whose timesteps were drawn unevenly.
 */
import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../../engine/Program.ts"

/**
 * A number for each example, times how often the example is to count (`importance` of `Timed`).
 *
 * @param perExample [batch]
 * @param importance [batch]; each example counts once where there is none
 * @example
 * const weighted = byImportance(perExample, input.importance)
 */
export const byImportance = (perExample: Tensor, importance: Tensor | undefined): Tensor =>
  importance === undefined ? perExample : tf.mul(perExample, importance)

/**
 * The mean over a batch, each example counted as often as its importance says: what a loss stage makes of `perExample`.
 * Where timesteps are drawn with probability p_t and the importance is 1 / (T p_t), its expectation is the mean over uniform
 * timesteps.
 *
 * @param perExample a number for each example, [batch]
 * @param importance [batch]; each example counts once where there is none
 * @example
 * const loss = meanOverBatch(perExample, input.importance)
 */
export const meanOverBatch = (perExample: Tensor, importance: Tensor | undefined): Tensor =>
  tf.mean(byImportance(perExample, importance))
