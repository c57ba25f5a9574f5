/**
 * Learning-rate schedules: pure functions of the optimiser's step, counted from 0. With gradient accumulation a step is
 * still one update of the parameters, not one micro-batch.
 *
 * They are those of diffusers' `get_scheduler`: a linear warm-up from 0, which makes the very first update one of size
 * 0, then a decay over the steps that are left.
 */

/** The learning rate of each optimiser step, counted from 0. */
export type LearningRate = (step: number) => number

/** How a learning rate begins. */
export interface WarmUpOptions {
  /** Steps of linear warm-up from 0 to the peak. Default 0. */
  readonly warmUp?: number
}

/** A learning rate that warms up, and then decays. */
export interface DecayOptions extends WarmUpOptions {
  /** The learning rate after the warm-up. */
  readonly peak: number
  /** The steps of the whole run, warm-up included. */
  readonly steps: number
  /** The learning rate at the end of the run and after it. Default 0. */
  readonly final?: number
}

/**
 * The same learning rate at every step, after a linear warm-up.
 *
 * @throws RangeError when the rate is negative or not finite, or the warm-up is no non-negative integer.
 * @example
 * LearningRate.constant(2e-4, { warmUp: 500 })(250) // => 1e-4
 */
export const constant = (rate: number, { warmUp = 0 }: WarmUpOptions = {}): LearningRate => {
  requireRate(rate)
  requireSteps("warm-up", warmUp)
  return (step) => rate * warmUpFactor(step, warmUp)
}

/**
 * Half a period of a cosine, from the peak to the final rate (Loshchilov & Hutter 2017, equation 5, one cycle).
 *
 * @throws RangeError when a rate is negative or not finite, or `0 <= warmUp < steps` does not hold.
 * @example
 * const rate = LearningRate.cosine({ peak: 1e-4, steps: 10_000, warmUp: 500 })
 * rate(250) // => 5e-5
 * rate(5_250) // => 5e-5
 */
export const cosine = (options: DecayOptions): LearningRate =>
  decay(options, (progress) => (1 + Math.cos(Math.PI * progress)) / 2)

/**
 * A straight line from the peak to the final rate.
 *
 * @throws RangeError when a rate is negative or not finite, or `0 <= warmUp < steps` does not hold.
 * @example
 * LearningRate.linear({ peak: 1e-4, steps: 1_000 })(250) // => 7.5e-5
 */
export const linear = (options: DecayOptions): LearningRate => decay(options, (progress) => 1 - progress)

/** A learning rate given as a number is the same at every step. */
export const from = (rate: number | LearningRate): LearningRate => typeof rate === "number" ? constant(rate) : rate

const decay = (
  { final = 0, peak, steps, warmUp = 0 }: DecayOptions,
  shape: (progress: number) => number
): LearningRate => {
  requireRate(peak)
  requireRate(final)
  requireSteps("warm-up", warmUp)
  requireSteps("run", steps)
  if (warmUp >= steps) {
    throw new RangeError(`a warm-up of ${warmUp} steps leaves none of the run's ${steps} to decay in`)
  }
  return (step) => {
    if (step < warmUp) return peak * warmUpFactor(step, warmUp)
    const progress = Math.min(1, (step - warmUp) / (steps - warmUp))
    return final + (peak - final) * shape(progress)
  }
}

const warmUpFactor = (step: number, warmUp: number): number => step < warmUp ? step / warmUp : 1

const requireRate = (rate: number): void => {
  if (!(rate >= 0 && rate < Infinity)) throw new RangeError(`a learning rate is finite and not negative, not ${rate}`)
}

const requireSteps = (what: string, steps: number): void => {
  if (!Number.isSafeInteger(steps) || steps < 0) {
    throw new RangeError(`the steps of a ${what} are a non-negative integer, not ${steps}`)
  }
}
