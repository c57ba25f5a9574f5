/**
 * Sampling with a denoiser that is shown its own estimate: each prediction the one of the prediction before.
 */
import { assert, layer } from "@effect/vitest"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Denoiser, type DenoiserShape, Objective } from "@effusion/core/pipeline"
import { ddpm, sampleOnHost, Sampling } from "@effusion/core/sampling"
import { linear, NoiseSchedule } from "@effusion/core/schedule"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result } from "effect"
import { startingNoise, stepNoise } from "../../../packages/core/src/sampling/internal/noise.ts"
import * as EagerEngine from "../../support/EagerEngine.ts"
import { denoiser as plain, exampleShape, exampleSize, onHost as plainOnHost, parameters } from "./denoiser.ts"

const schedule = Result.getOrThrow(linear({ steps: 50 }))

/** The small denoiser of these tests, moved by what it is shown: its prediction is that of x + estimate / 2. */
const denoiser: DenoiserShape = {
  ...plain,
  selfConditions: true,
  apply: (parameters, { selfCondition, x, ...input }) =>
    plain.apply(parameters, { ...input, x: tf.add(x, tf.mul(selfCondition!, 0.5)) })
}

const axes = Layer.mergeAll(
  Layer.succeed(Denoiser, denoiser),
  NoiseSchedule.layer(schedule),
  Layer.succeed(Objective, {
    name: "noise",
    predictionType: "epsilon",
    target: ({ noise }) => noise,
    noise: (prediction) => prediction
  })
)

const clipped = (value: number) => Math.min(1, Math.max(-1, value))

for (const [name, engine] of [["onnx", OnnxEngine.layer()], ["eager", EagerEngine.layer]] as const) {
  layer(engine)(`a denoiser that self-conditions (${name})`, (it) => {
    it.effect("begins each batch with zeros, and is shown the last estimate, within the range of data", () =>
      Effect.gen(function*() {
        const samples = { seed: 7, first: 0, count: 5, exampleShape }
        for (const clip of [1, "none", 0.5] as const) {
          const plan = Result.getOrThrow(ddpm().plan(schedule, { steps: 8, predictionType: "epsilon", clip }))
          const bound = clip === "none" ? Infinity : clip
          let estimate = new Float64Array(5 * exampleSize)
          const expected = sampleOnHost(plan, {
            noise: startingNoise(samples).data,
            predict: (x, t) => {
              const { sample } = plan.steps.find(({ timestep }) => timestep === t)!
              const prediction = plainOnHost(x.map((value, i) => value + 0.5 * estimate[i]!), t)
              estimate = x.map((value, i) =>
                clipped(Math.min(bound, Math.max(-bound, sample.xt * value + sample.prediction * prediction[i]!)))
              )
              return prediction
            },
            stepNoise: (i) => stepNoise(samples, i).data
          })
          for (const batchSize of [5, 2]) {
            const images = yield* Sampling.images({
              sampler: ddpm(),
              steps: 8,
              count: 5,
              seed: 7,
              parameters,
              clip,
              batchSize
            })
            images.data.forEach((value, i) => assert.closeTo(value, expected[i]!, 1e-4 * (1 + Math.abs(expected[i]!))))
          }
        }
      }).pipe(Effect.provide(axes)))
  })
}
