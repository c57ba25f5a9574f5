/**
 * How far a run is and how fast it goes: a pure function of what was reported so far, and the text that says so.
 */

/** What is known of a running training. */
export interface Progress {
  /** The last step that was done; steps count from 1. */
  readonly step: number
  /** The steps of the whole run. */
  readonly steps: number
  readonly loss: number
  /** The exponential mean of the losses so far, without bias towards its start; NaN before the first. */
  readonly smoothedLoss: number
  /** Examples in a second, over the last ten seconds or so; undefined until there are two steps to measure between. */
  readonly examplesPerSecond: number | undefined
  /** Seconds until the last step is done; undefined as long as the speed is. */
  readonly secondsLeft: number | undefined
  readonly internal: {
    readonly batchSize: number
    /** The sum of weights in the exponential mean. */
    readonly weight: number
    /** Steps and when they were done, the oldest first. */
    readonly marks: ReadonlyArray<{ readonly step: number; readonly milliseconds: number }>
  }
}

/** The exponential mean forgets half of what it knew in about 35 steps. */
const smoothing = 0.98

/** Speed is measured over about this many milliseconds. */
const speedWindow = 10_000

/**
 * The examples of a step, in words.
 *
 * @example
 * showBatch({ accumulate: 4, batchSize: 16 }) // => "4 x 16"
 */
export const showBatch = (
  { accumulate, batchSize }: { readonly accumulate: number; readonly batchSize: number }
): string => accumulate === 1 ? `${batchSize}` : `${accumulate} x ${batchSize}`

/**
 * The progress of a run of which no step was done yet.
 *
 * @param from the steps that were done before: 0, or where a resumed run goes on
 * @example
 * const before = start({ from: 0, steps: 1000, batchSize: 32 })
 */
export const start = (
  options: { readonly from: number; readonly steps: number; readonly batchSize: number }
): Progress => ({
  step: options.from,
  steps: options.steps,
  loss: Number.NaN,
  smoothedLoss: Number.NaN,
  examplesPerSecond: undefined,
  secondsLeft: undefined,
  internal: { batchSize: options.batchSize, weight: 0, marks: [] }
})

/**
 * The progress after one more step.
 *
 * @param done the step, its loss, and when it was done, in milliseconds of any clock
 * @example
 * const after = advance(before, { step: 1, loss: 1.02, milliseconds: 1_700 })
 */
export const advance = (
  progress: Progress,
  done: { readonly step: number; readonly loss: number; readonly milliseconds: number }
): Progress => {
  const { batchSize, marks, weight } = progress.internal
  const nextWeight = smoothing * weight + (1 - smoothing)
  const known = weight === 0 ? 0 : smoothing * weight * progress.smoothedLoss
  const recent = [...keep(marks, done.milliseconds), { step: done.step, milliseconds: done.milliseconds }]
  const stepsPerSecond = speed(recent)
  return {
    step: done.step,
    steps: progress.steps,
    loss: done.loss,
    smoothedLoss: (known + (1 - smoothing) * done.loss) / nextWeight,
    examplesPerSecond: stepsPerSecond === undefined ? undefined : stepsPerSecond * batchSize,
    secondsLeft: stepsPerSecond === undefined ? undefined : (progress.steps - done.step) / stepsPerSecond,
    internal: { batchSize, weight: nextWeight, marks: recent }
  }
}

/**
 * The progress of a run that goes on: what it said before, but for the speed.
 *
 * @param losses those of the steps that were done before, as far as they are known
 * @example
 * const progress = resume([{ step: 1, loss: 1.02 }], { from: 1, steps: 1000, batchSize: 32 })
 */
export const resume = (
  losses: ReadonlyArray<{ readonly step: number; readonly loss: number }>,
  options: { readonly from: number; readonly steps: number; readonly batchSize: number }
): Progress => {
  const before = losses.reduce<Progress>(
    (progress, done) => advance(progress, { ...done, milliseconds: 0 }),
    start(options)
  )
  const fresh = start(options)
  return {
    ...fresh,
    loss: before.loss,
    smoothedLoss: before.smoothedLoss,
    internal: { ...fresh.internal, weight: before.internal.weight }
  }
}

/**
 * Each loss replaced by the smoothed loss after its step.
 *
 * @example
 * smooth([{ step: 1, loss: 1 }, { step: 2, loss: 0 }])[1].loss // => 0.495
 */
export const smooth = <Done extends { readonly step: number; readonly loss: number }>(
  losses: ReadonlyArray<Done>
): ReadonlyArray<Done> => {
  let weighted = 0
  let weight = 0
  return losses.map((done) => {
    weighted = smoothing * weighted + (1 - smoothing) * done.loss
    weight = smoothing * weight + (1 - smoothing)
    return { ...done, loss: weighted / weight }
  })
}

/** Drops what is older than the window, and marks that are so close together that one of them is enough. */
const keep = (marks: Progress["internal"]["marks"], now: number): Progress["internal"]["marks"] => {
  const within = marks.filter(({ milliseconds }) => now - milliseconds <= speedWindow)
  const kept = within.length === 0 ? marks.slice(-1) : within
  const [last, beforeLast] = [kept.at(-1), kept.at(-2)]
  const crowded = last !== undefined && beforeLast !== undefined &&
    last.milliseconds - beforeLast.milliseconds < speedWindow / 100
  return crowded ? kept.slice(0, -1) : kept
}

const speed = (marks: Progress["internal"]["marks"]): number | undefined => {
  const [first, last] = [marks[0], marks.at(-1)]
  return first === undefined || last === undefined || last.milliseconds <= first.milliseconds
    ? undefined
    : 1000 * (last.step - first.step) / (last.milliseconds - first.milliseconds)
}

/**
 * One line of text about the progress.
 *
 * @param unit what the examples are: `images`, `points`
 * @example
 * describe(progress, "images") // => "step 250/1000, loss 0.0412, 131 images/s, 2m 14s left"
 */
export const describe = (progress: Progress, unit: string): string =>
  [
    `step ${String(progress.step).padStart(String(progress.steps).length)}/${progress.steps}`,
    `loss ${showLoss(progress.smoothedLoss)}`,
    ...(progress.examplesPerSecond === undefined ? [] : [`${Math.round(progress.examplesPerSecond)} ${unit}/s`]),
    ...(progress.secondsLeft === undefined ? [] : [`${showDuration(progress.secondsLeft)} left`])
  ].join(", ")

/**
 * A loss with three digits that count.
 *
 * @example
 * showLoss(0.041234) // => "0.0412"
 */
export const showLoss = (loss: number): string =>
  Number.isFinite(loss) && loss !== 0 && Math.abs(loss) < 1e6 && Math.abs(loss) >= 1e-6
    ? Number(loss.toPrecision(3)).toFixed(decimals(loss))
    : loss.toPrecision(3)

/** So many decimals that three digits count. */
const decimals = (value: number): number => Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))

/**
 * A span of time in the two largest units that it has.
 *
 * @param seconds not negative
 * @example
 * showDuration(134) // => "2m 14s"
 */
export const showDuration = (seconds: number): string => {
  const whole = Math.round(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const days = Math.floor(hours / 24)
  if (days > 0) return `${days}d ${hours % 24}h`
  if (hours > 0) return `${hours}h ${minutes}m`
  return minutes > 0 ? `${minutes}m ${rest}s` : `${rest}s`
}
