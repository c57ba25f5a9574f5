/**
 * Real trainings, of seconds, of everything that can be learned.
 */
import { assert, describe, it } from "@effect/vitest"
import { points } from "@effusion/core/data"
import type { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { adam } from "@effusion/core/optimizer"
import {
  asNoise,
  boundLoss,
  type Clean,
  Denoiser,
  Distance,
  forwardNoising,
  forwardNoisingWith,
  hybridLoss,
  learnedUncertainty,
  type Loss,
  LossWeighting,
  meanSquaredError,
  noisePrediction,
  Objective,
  ownParameters,
  Pipeline,
  scheduleSampling,
  TimestepSampler,
  weightedLoss
} from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { Training } from "@effusion/core/training"
import { MLP } from "@effusion/models"
import { Effect, Layer, Stream } from "effect"

type Services = Denoiser | Distance | LossWeighting | NoiseSchedule | Objective | TimestepSampler

const data = points({ kind: "swiss-roll", size: 2000, seed: 1 })
const heldOut = points({ kind: "swiss-roll", size: 500, seed: 2 })

const weighted = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, weightedLoss)

/** What is trained, and on which layers; `simple` predicts the noise, unweighted. */
interface Case {
  readonly name: string
  readonly objective?: Layer.Layer<Objective, unknown, NoiseSchedule>
  readonly weighting?: Layer.Layer<LossWeighting, unknown>
  readonly distance?: Layer.Layer<Distance, unknown>
  readonly pipeline?: Effect.Effect<Pipeline.Pipeline<Clean, Loss>, unknown, Services>
  readonly learnsVariance?: boolean
}

const cases: ReadonlyArray<Case> = [
  { name: "noise" },
  { name: "data", objective: Objective.sample, weighting: LossWeighting.truncatedSnr },
  { name: "velocity, min-SNR", objective: Objective.velocity, weighting: LossWeighting.minSnr() },
  { name: "score, weighted as noise", objective: Objective.score, weighting: LossWeighting.uniform("epsilon") },
  { name: "EDM", objective: Objective.edm({ sigmaData: 0.6 }) },
  {
    name: "a flow",
    objective: Objective.predicting({ name: "flow", mixture: () => ({ x0: -1, noise: 1 }) }),
    weighting: LossWeighting.softMinSnr()
  },
  { name: "noise, P2", weighting: LossWeighting.p2({ gamma: 0.5 }) },
  { name: "noise, by a Huber loss", distance: Distance.huber({ c: 0.1, schedule: "snr" }) },
  { name: "noise, by its size", distance: Distance.absolute },
  {
    name: "noise, offset and perturbed",
    pipeline: Pipeline.make(
      scheduleSampling,
      forwardNoisingWith({ offset: 0.1, perturbation: 0.1 }),
      noisePrediction,
      meanSquaredError
    )
  },
  {
    name: "noise, with learned uncertainty",
    pipeline: Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, weightedLoss, learnedUncertainty({}))
  },
  {
    name: "noise and variance (hybrid)",
    learnsVariance: true,
    pipeline: Pipeline.make(
      scheduleSampling,
      forwardNoising,
      noisePrediction,
      weightedLoss,
      hybridLoss({ decoder: "gaussian" })
    )
  },
  {
    name: "noise and variance (bound)",
    learnsVariance: true,
    pipeline: Pipeline.make(
      scheduleSampling,
      forwardNoising,
      noisePrediction,
      boundLoss({ decoder: "gaussian", scale: "term" })
    )
  }
]

const servicesOf = (
  {
    distance = Distance.squared,
    learnsVariance = false,
    objective = Objective.noise,
    weighting = LossWeighting.simple
  }: Case
): Layer.Layer<Services> =>
  Layer.orDie(Layer.mergeAll(
    MLP.layer(MLP.Config.make({ width: 32, depth: 2, learns_variance: learnsVariance })),
    TimestepSampler.stratified,
    distance,
    weighting,
    Layer.provideMerge(objective, NoiseSchedule.cosine({ steps: 50 }))
  ))

const evaluation = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, asNoise, meanSquaredError)

/** Trains for 200 steps; the losses of the first and last steps, and the errors of the noise before and after. */
const train = (options: Case) =>
  Effect.gen(function*() {
    const pipeline = yield* options.pipeline ?? weighted
    const run = yield* Training.start({
      pipeline,
      data,
      batchSize: 64,
      optimizer: adam({ learningRate: 3e-3 }),
      steps: 200,
      seed: 5
    })
    const errorOfNoise = Effect.gen(function*() {
      const { parameters } = yield* run.snapshot
      const ofNetwork = ownParameters(yield* Denoiser, parameters)
      return (yield* Training.evaluate({ pipeline: evaluation, data: heldOut, parameters: ofNetwork, seed: 0 })).loss
    })
    const before = yield* errorOfNoise
    const losses = yield* run.reports.pipe(Stream.map(({ loss }) => loss), Stream.runCollect)
    const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
    return {
      first: mean(losses.slice(0, 10)),
      last: mean(losses.slice(-40)),
      before,
      after: yield* errorOfNoise
    }
  }).pipe(Effect.scoped, Effect.provide(servicesOf(options)))

const engine: Layer.Layer<Engine> = Layer.orDie(OnnxEngine.layer({ threads: 1 }))

describe("training", () => {
  for (const one of cases) {
    it.live(`learns ${one.name}`, () =>
      Effect.gen(function*() {
        const { after, before, first, last } = yield* train(one)
        assert.isBelow(last, first)
        assert.isBelow(after, before)
        // The best that these networks come to is about 0.28; networks that predict nothing are at 1.
        assert.isBelow(after, 0.42)
      }).pipe(Effect.provide(engine)))
  }
})
