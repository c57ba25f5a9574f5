/**
 * The mean of losses as a reduction: parts of a dataset, reduced by themselves in any order and grouping, make the mean of
 * the whole. A mean of means does not.
 */
import { Reducer } from "effect"

/** What a part of the losses comes to. */
export interface LossMean {
  /** How many losses there are, each counted as often as its weight says. */
  readonly weight: number
  /** Their weighted mean; 0 where there are none. */
  readonly mean: number
  /** The weighted sum of their squared distances from the mean. */
  readonly squares: number
}

/**
 * One loss.
 *
 * @param weight how often it counts, 0 or more; once unless given
 * @example
 * lossMeanOf(0.3) // => { weight: 1, mean: 0.3, squares: 0 }
 */
export const lossMeanOf = (loss: number, weight = 1): LossMean => ({ weight, mean: loss, squares: 0 })

/**
 * Combines the means of two parts into that of both, and their spreads (Chan, Golub and LeVeque, "Updating Formulae and a
 * Pairwise Algorithm for Computing Sample Variances", 1979).
 *
 * @example
 * const { mean, weight } = lossMean.combineAll(losses.map((loss) => lossMeanOf(loss)))
 */
export const lossMean: Reducer.Reducer<LossMean> = Reducer.make(
  (a: LossMean, b: LossMean): LossMean => {
    const weight = a.weight + b.weight
    if (b.weight === 0) return a
    if (a.weight === 0) return b
    const difference = b.mean - a.mean
    const share = b.weight / weight
    return {
      weight,
      mean: a.mean + difference * share,
      squares: a.squares + b.squares + difference ** 2 * a.weight * share
    }
  },
  { weight: 0, mean: 0, squares: 0 }
)
