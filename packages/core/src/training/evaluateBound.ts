/**
 * The variational bound of a denoiser on a dataset.
 *
 * An engine runs the network, as one program for all timesteps; everything else is done on the host in float64, by the
 * functions of `diffusion` that define the bound. So float32 is in the network's own numbers alone: x_t is rounded before
 * the network sees it and is taken as rounded in the bound, and no small difference of log-variances or of means is ever
 * taken in float32 (docs/decisions/0008-the-bound-is-finished-on-the-host.md).
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import type { Dataset } from "../data/index.ts"
import {
  addNoise,
  type BoundOptions,
  boundTerm,
  boundWeight,
  conversion,
  fixedLogVariance,
  type ModelOptions,
  predictionName,
  priorTerm,
  type VarianceType
} from "../diffusion/index.ts"
import type { CompileError, Engine, RunError } from "../engine/index.ts"
import { Denoiser, type DenoiserShape, Objective, ownParameters, requireExamples } from "../pipeline/index.ts"
import type { WrongClasses, WrongExampleShape } from "../pipeline/index.ts"
import type { HostTensors } from "../pipeline/Pipeline.ts"
import { Distribution, draw, Key } from "../random/index.ts"
import { alphaBar, NoiseSchedule, type Schedule } from "../schedule/index.ts"
import { sizeOf } from "../tensor/HostTensor.ts"
import { boundNetwork, undefinedAt } from "./internal/boundNetwork.ts"
import { anySeed, isSeed } from "./internal/seed.ts"
import { strata, type Stratum } from "./internal/strata.ts"
import { InvalidEvaluation, NoExamples, StateMismatch, UndefinedBound } from "./TrainingError.ts"
import { tensorDifferences } from "./TrainingState.ts"

/** What the bound is evaluated of, and how. */
export interface BoundEvaluationOptions
  extends Pick<BoundOptions, "clip" | "decoder" | "levels" | "minimumProbability">
{
  /** The examples, all of which are looked at (`take` makes fewer of them). */
  readonly data: Dataset
  /** The weights: a state's average, as a rule. */
  readonly parameters: HostTensors
  /** What timesteps and noise are a function of, together with the number of the example: not of `batchSize`. */
  readonly seed: number
  /**
   * How many timesteps to look at for each example, from 2 to T; all of them unless given. Fewer are drawn from strata,
   * one from each, weighted so that no sum is biased: a timestep is looked at by some examples and not by others.
   */
  readonly timesteps?: number | undefined
  /** The variance of the model's steps: the learned one where the denoiser learns one, else `fixed-small`, unless given. */
  readonly variance?: VarianceType | undefined
  /** How many examples, each at a timestep, the network sees at once; 64 unless given. */
  readonly batchSize?: number | undefined
  /** Told how many of how many times the network has been asked. */
  readonly onProgress?: ((done: number, of: number) => Effect.Effect<void>) | undefined
}

/** A mean over examples, and its standard error from their spread; NaN for one example. */
export interface Estimate {
  readonly mean: number
  readonly standardError: number
}

/** What there is to say of some consecutive timesteps, `from` and `to` included; of one, where all are looked at. */
export interface BoundRow extends Stratum {
  /** The term of one of these timesteps, in nats an example: a divergence, or at t = 0 a negative log-likelihood. */
  readonly term: Estimate
  /** The mean squared error of the noise, over elements. */
  readonly noiseError: Estimate
  /** The mean squared error of the clipped estimate of x_0, over elements. */
  readonly dataError: Estimate
  /**
   * The factor of the summed squared error of the noise in the bound (`boundWeight`), at the posterior variance where the
   * variance is learned, and averaged over these timesteps. There is none at t = 0.
   */
  readonly boundWeight: number | undefined
  /** The factor of the squared error of the noise in that of what the denoiser predicts: 1 where that is the noise. */
  readonly lossWeight: number
}

/** The variational bound over a dataset, in nats an example; see `bitsPerDimension`. */
export interface BoundEvaluation {
  readonly examples: number
  /** Elements an example. */
  readonly dimensions: number
  /** The timesteps of the schedule, T. */
  readonly steps: number
  readonly variance: VarianceType
  /** L_T: what the last x_t still tells of the data. */
  readonly prior: Estimate
  /** The sum of the divergences, t from 1. */
  readonly divergences: Estimate
  /** L_0: the negative log-likelihood of the data at the last step. */
  readonly decoder: Estimate
  /** The sum of all three. */
  readonly total: Estimate
  /** From t = 0 on. */
  readonly rows: ReadonlyArray<BoundRow>
}

/** Why there is no bound. */
export type BoundError =
  | InvalidEvaluation
  | WrongExampleShape
  | WrongClasses
  | UndefinedBound
  | StateMismatch
  | NoExamples
  | CompileError
  | RunError

/**
 * The variational bound of a denoiser with given weights on a dataset, term by term: an unbiased estimate, with its
 * standard error, of what `variationalBound` of `diffusion` is for each example. Nothing is dropped out; the same seed
 * draws the same timesteps and noise for the same examples.
 *
 * A denoiser with classes is told the labels of the dataset. Parameters of stages, such as those of a learned schedule, may be
 * among the weights.
 *
 * Fails with `InvalidEvaluation` when an option is out of range, with `WrongExampleShape` or `WrongClasses` when the data does
 * not fit the denoiser, with `UndefinedBound` when x_0 does not follow from the prediction at some timestep, with
 * `StateMismatch` when weights of the denoiser are missing, and with `NoExamples`.
 *
 * @example
 * const { average, parameters } = yield* run.snapshot
 * const { dimensions, total } = yield* Training.evaluateBound({ data: test, parameters: average ?? parameters, seed: 7 })
 * bitsPerDimension(total.mean, dimensions)
 */
export const evaluateBound = Effect.fnUntraced(
  function*(
    options: BoundEvaluationOptions
  ): Effect.fn.Return<BoundEvaluation, BoundError, Engine | Denoiser | NoiseSchedule | Objective | Scope.Scope> {
    const denoiser = yield* Denoiser
    const schedule = yield* NoiseSchedule
    const { predictionType } = yield* Objective
    const { data, onProgress, seed, timesteps = schedule.steps } = options
    const parameters = ownParameters(denoiser, options.parameters)
    yield* requireSense({ ...options, parameters }, denoiser, schedule, predictionType)

    const batch = options.batchSize ?? 64
    const variance = options.variance ?? (denoiser.learnsVariance === true ? "learned-range" : "fixed-small")
    const rows = strata(schedule.steps, timesteps)
    const of = data.size * rows.length
    const prior = new Float64Array(data.size)
    const table = () => rows.map(() => new Float64Array(data.size))
    const term = table()
    const noiseError = table()
    const dataError = table()

    const ask = yield* boundNetwork({ denoiser, parameters, schedule, predictionType, batch: Math.min(batch, of) })
    const read = exampleReader(data)
    const key = Key.fold(Key.make(seed), "bound")
    for (let start = 0; start < of; start += batch) {
      const cells = Array.from({ length: Math.min(batch, of - start) }, (_, i) => {
        const example = Math.floor((start + i) / rows.length)
        const row = (start + i) % rows.length
        const { label, x0 } = read(example)
        const t = timestepOf(rows[row]!, Key.fold(Key.fold(key, example), row))
        return { example, row, label, x0, t, xt: noised(schedule, t, x0, Key.fold(Key.fold(key, example), row)) }
      })
      const outputs = yield* ask(cells)
      for (const [i, { example, row, t, x0, xt }] of cells.entries()) {
        const here = boundTerm(schedule, t, { x0, xt }, outputs[i]!, { ...options, predictionType, variance })
        term[row]![example] = sumOf(here.nats)
        noiseError[row]![example] = here.noiseError
        dataError[row]![example] = here.dataError
        if (row === 0) prior[example] = sumOf(priorTerm(schedule, x0))
      }
      if (onProgress !== undefined) yield* onProgress(start + cells.length, of)
      yield* Effect.yieldNow
    }

    const divergences = prior.map((_, example) =>
      rows.reduce((sum, { from, to }, row) => row === 0 ? 0 : sum + (to - from + 1) * term[row]![example]!, 0)
    )
    return {
      examples: data.size,
      dimensions: sizeOf(denoiser.exampleShape),
      steps: schedule.steps,
      variance,
      prior: estimate(prior),
      divergences: estimate(divergences),
      decoder: estimate(term[0]!),
      total: estimate(prior.map((value, example) => value + divergences[example]! + term[0]![example]!)),
      rows: rows.map((stratum, row) => ({
        ...stratum,
        term: estimate(term[row]!),
        noiseError: estimate(noiseError[row]!),
        dataError: estimate(dataError[row]!),
        ...weightsOf(schedule, stratum, predictionType, variance)
      }))
    }
  },
  Effect.scoped
)

const requireSense = Effect.fnUntraced(function*(
  { batchSize = 64, data, parameters, seed, timesteps, variance }: BoundEvaluationOptions,
  denoiser: DenoiserShape,
  schedule: Schedule,
  predictionType: ModelOptions["predictionType"]
) {
  const fail = (option: string, value: string | number, expected: string) =>
    new InvalidEvaluation({ option, value, expected })
  if (!(Number.isSafeInteger(batchSize) && batchSize >= 1)) {
    return yield* fail("batchSize", batchSize, "a positive integer")
  }
  if (!isSeed(seed)) return yield* fail("seed", seed, anySeed)
  const { steps } = schedule
  const fewest = Math.min(2, steps)
  if (timesteps !== undefined && !(Number.isInteger(timesteps) && timesteps >= fewest && timesteps <= steps)) {
    return yield* fail("timesteps", timesteps, `an integer from ${fewest} to ${steps}, the timesteps of the schedule`)
  }
  if (variance === "learned-range" && denoiser.learnsVariance !== true) {
    return yield* fail(
      "variance",
      variance,
      `"fixed-small" or "fixed-large": the denoiser "${denoiser.name}" learns none`
    )
  }
  yield* requireExamples(denoiser, data)
  const differences = tensorDifferences("parameters", denoiser.parameters, parameters)
  if (differences.length > 0) return yield* new StateMismatch({ checkpoint: undefined, differences })
  if (data.size === 0) return yield* new NoExamples()
  const t = undefinedAt(schedule, predictionType)
  if (t !== undefined) {
    const name = predictionName(predictionType)
    return yield* new UndefinedBound({ predictionType: name, timestep: t, alphaBar: alphaBar(schedule, t) })
  }
})

/** Reads one example after the other. It remembers the one that it read last, which changes no result. */
const exampleReader = (data: Dataset) => {
  let last: { readonly index: number; readonly x0: Float32Array; readonly label: number } | undefined
  return (index: number) => {
    if (last?.index === index) return last
    const { label, x0 } = data.read([index])
    last = { index, x0: x0.data, label: label.data[0]! }
    return last
  }
}

const timestepOf = ({ from, to }: Stratum, key: Key.Key): number =>
  from === to
    ? from
    : draw(Key.fold(key, "t"), { distribution: Distribution.integers(from, to + 1), shape: [] }).data[0]!

const noised = (schedule: Schedule, t: number, x0: Float32Array, key: Key.Key): Float32Array => {
  const noise = draw(Key.fold(key, "noise"), { distribution: Distribution.normal, shape: [x0.length] }).data
  return Float32Array.from(addNoise(schedule, t, x0, noise))
}

const weightsOf = (
  schedule: Schedule,
  { from, to }: Stratum,
  predictionType: ModelOptions["predictionType"],
  variance: VarianceType
): Pick<BoundRow, "boundWeight" | "lossWeight"> => {
  const mean = (of: (t: number) => number) =>
    Array.from({ length: to - from + 1 }, (_, i) => of(from + i)).reduce((sum, value) => sum + value, 0) /
    (to - from + 1)
  const type = variance === "learned-range" ? "fixed-small" : variance
  return {
    boundWeight: from === 0
      ? undefined
      : mean((t) => boundWeight(schedule, t, Math.exp(fixedLogVariance(schedule, t, type)))),
    lossWeight: mean((t) => conversion(schedule, t, { from: "epsilon", to: predictionType }).prediction ** 2)
  }
}

const estimate = (values: Float64Array): Estimate => {
  const mean = sumOf(values) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return { mean, standardError: Math.sqrt(variance / values.length) }
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0)
