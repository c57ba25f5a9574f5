/**
 * Mistakes in losses, and in their mean.
 */
import { Reducer } from "effect"
import { lossMean, lossMeanOf } from "../../training/index.ts"
import type { Fault } from "../Fault.ts"
import { loss as lawsOf, type LossFunction, type LossLawOptions } from "../loss.ts"
import { reduction } from "../reducer.ts"

/** A loss of the difference alone. */
const ofDifference = (loss: (difference: number) => number): LossFunction["elements"] => (prediction, target) =>
  prediction.map((value, i) => loss(value - target[i]!))

const squared: LossFunction = {
  name: "squared",
  elements: ofDifference((d) => d ** 2),
  gradient: ofDifference((d) => 2 * d)
}

const fault = (
  name: string,
  caughtBy: string,
  mistake: string,
  wrong: Partial<LossFunction>,
  options: LossLawOptions = {}
): Fault => ({
  name,
  mistake,
  caughtBy: `loss/${caughtBy}`,
  wrong: lawsOf({ ...squared, ...wrong, name }, options),
  right: lawsOf(squared, options)
})

const right = reduction({ name: "lossMean", reducer: lossMean, of: lossMeanOf, mean: ({ mean }) => mean })

/** Losses with one mistake each. */
export const lossFaults: ReadonlyArray<Fault> = [
  fault("loss-with-offset", "zero-at-target", "a small number is added under a root to keep it from 0", {
    elements: ofDifference((d) => Math.sqrt(d ** 2 + 1e-6))
  }),
  fault("target-shrunk", "zero-at-target", "predictions are compared with a tenth less than the target", {
    elements: (prediction, target) => prediction.map((value, i) => (value - 0.9 * target[i]!) ** 2)
  }),
  fault("one-sided", "zero-at-target", "only predictions above the target count", {
    elements: ofDifference((d) => Math.max(0, d) ** 2)
  }),
  fault("relative-to-target", "symmetric", "the error is divided by the size of the target", {
    elements: (prediction, target) =>
      prediction.map((value, i) => (value - target[i]!) ** 2 / (1 + Math.abs(target[i]!)))
  }),
  fault("normalised-by-batch", "splits", "the losses of a batch are divided by the largest of them", {
    elements: (prediction, target) => {
      const losses = prediction.map((value, i) => (value - target[i]!) ** 2)
      const largest = Math.max(...losses)
      return losses.map((loss) => largest === 0 ? 0 : loss / largest)
    }
  }),
  fault("gradient-sign", "gradient", "the gradient points up the loss, not down", {
    gradient: ofDifference((d) => -2 * d)
  }),
  fault("gradient-without-factor", "gradient", "the gradient of the square lacks its factor of 2", {
    gradient: ofDifference((d) => d)
  }),
  fault(
    "quantile-for-mean",
    "gaussian-optimum",
    "errors up cost more than errors down, so predictions come out too low",
    {
      elements: ofDifference((d) => d > 0 ? 0.7 * d : -0.3 * d)
    }
  ),
  fault("far-errors-forgiven", "gaussian-optimum", "errors over 1 count the less, the larger they are", {
    elements: ofDifference((d) => Math.abs(d) < 1 ? Math.abs(d) : 1 / Math.abs(d))
  }),
  fault(
    "absolute-for-squared",
    "mixture-minimum",
    "the absolute error, which is least at the median, stands for the square",
    {
      elements: ofDifference(Math.abs)
    },
    { isSquared: true }
  ),
  fault("square-clipped", "mixture-minimum", "squared errors over 1 are cut off", {
    elements: ofDifference((d) => Math.min(d ** 2, 1))
  }, { isSquared: true }),
  {
    name: "mean-of-means",
    mistake: "the means of two parts are averaged, however many losses are in each",
    caughtBy: "reduction/mean-of-whole",
    right,
    wrong: reduction<number | undefined>({
      name: "mean of means",
      reducer: Reducer.make<number | undefined>(
        (a, b) => a === undefined ? b : b === undefined ? a : (a + b) / 2,
        undefined
      ),
      of: (loss) => loss,
      mean: (mean) => mean ?? 0
    })
  },
  {
    name: "running-mean",
    mistake: "each new loss moves the mean by a tenth, so that their order matters",
    caughtBy: "reduction/associative",
    right,
    wrong: reduction<number | undefined>({
      name: "running mean",
      reducer: Reducer.make<number | undefined>(
        (a, b) => a === undefined ? b : b === undefined ? a : a + (b - a) / 10,
        undefined
      ),
      of: (loss) => loss,
      mean: (mean) => mean ?? 0
    })
  },
  {
    name: "starts-at-zero",
    mistake: "the mean starts from a loss of 0 that counts as one",
    caughtBy: "reduction/identity",
    right,
    wrong: reduction({
      name: "mean with a first loss of 0",
      reducer: Reducer.make<{ readonly sum: number; readonly count: number }>(
        (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
        { sum: 0, count: 1 }
      ),
      of: (loss, weight) => ({ sum: loss * weight, count: weight }),
      mean: ({ count, sum }) => sum / count
    })
  }
]
