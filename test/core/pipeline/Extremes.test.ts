/**
 * Every objective under every loss, on schedules of every kind, at both of their ends in float32: finite, or refused.
 */
import { assert, layer } from "@effect/vitest"
import { addNoise, mixtureOf } from "@effusion/core/diffusion"
import type { Tensors } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import {
  boundLoss,
  Denoiser,
  Distance,
  hybridLoss,
  learnedUncertainty,
  type Loss,
  LossWeighting,
  Objective,
  Pipeline,
  type Predicted,
  type Stage,
  weightedLoss
} from "@effusion/core/pipeline"
import * as S from "@effusion/core/schedule"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Record, Result } from "effect"
import { compute, rows, timesteps } from "./compute.ts"

const orThrow = Result.getOrThrow

const schedules: { readonly [name: string]: S.Schedule } = {
  cosine: orThrow(S.cosine({ steps: 1000 })),
  "cosine without an end": orThrow(Result.flatMap(S.cosine({ steps: 1000 }), S.rescaleZeroTerminalSnr)),
  laplace: orThrow(S.laplace({ steps: 1000, scale: 2 })),
  "log-SNR from 30 to -30": orThrow(
    Result.flatMap(
      S.Continuous.linear({ logSnrMax: 30, logSnrMin: -30 }),
      (continuous) => S.Continuous.discretize(continuous, { steps: 100 })
    )
  )
}

const objectives = {
  noise: Objective.noise,
  sample: Objective.sample,
  velocity: Objective.velocity,
  score: Objective.score,
  edm: Layer.orDie(Objective.edm())
}

const weighted = (weighting: Layer.Layer<LossWeighting>, distance: Layer.Layer<Distance> = Distance.squared) =>
  weightedLoss.pipe(Effect.provide(Layer.merge(weighting, distance)))

const onSimple = <E, R>(last: Effect.Effect<Stage<Loss, Loss>, E, R>) =>
  Effect.map(Effect.all([weighted(LossWeighting.simple), last]), ([first, second]): Stage<Predicted, Loss> => ({
    ...first,
    parameters: second.parameters,
    apply: (input, context) => second.apply(first.apply(input, context), context)
  }))

const losses = {
  simple: weighted(LossWeighting.simple),
  snr: weighted(LossWeighting.snr),
  "truncated snr": weighted(LossWeighting.truncatedSnr),
  "min snr": weighted(Layer.orDie(LossWeighting.minSnr())),
  "soft min snr": weighted(Layer.orDie(LossWeighting.softMinSnr())),
  p2: weighted(Layer.orDie(LossWeighting.p2())),
  edm: weighted(Layer.orDie(LossWeighting.edm())),
  "weight of the bound": weighted(LossWeighting.bound()),
  absolute: weighted(LossWeighting.simple, Distance.absolute),
  huber: weighted(LossWeighting.simple, Layer.orDie(Distance.huber({ schedule: "snr" }))),
  "smooth l1": weighted(LossWeighting.simple, Layer.orDie(Distance.smoothL1({ schedule: "exponential" }))),
  bound: boundLoss({}),
  "bound of densities": boundLoss({ decoder: "gaussian" }),
  hybrid: onSimple(hybridLoss({})),
  uncertainty: onSimple(learnedUncertainty({}))
}

/** What counts without bound where no signal is left, of predictions that say nothing of the data there. */
const refused = ["truncated snr", "edm", "weight of the bound", "bound", "bound of densities", "hybrid"]

const denoiser = Layer.succeed(Denoiser, {
  name: "none",
  exampleShape: [4],
  parameters: {},
  learnsVariance: true,
  draws: () => ({}),
  apply: ({ x }) => x!
})

/** Examples at the ends of a schedule and in its middle, with predictions that are about right, and not at all. */
const recordOf = (schedule: S.Schedule, type: Parameters<typeof mixtureOf>[1]) => {
  const { steps } = schedule
  const ts = [0, 1, Math.floor(steps / 2), steps - 2, steps - 1].flatMap((t) => [t, t])
  const x0 = [-1, 1, 0, 127 / 127.5 - 1]
  const noise = [0.5, -2, 3, 0]
  const targets = ts.map((t) => {
    const mixture = mixtureOf(S.levelAt(schedule, t), type)
    return x0.map((value, i) => mixture.x0 * value + mixture.noise * noise[i]!)
  })
  return {
    x0: rows(ts.map(() => x0)),
    noise: rows(ts.map(() => noise)),
    xt: rows(ts.map((t) => addNoise(schedule, t, x0, noise))),
    t: timesteps(ts),
    target: rows(targets),
    prediction: rows(targets.map((row, i) => row.map((value, j) => i % 2 === 0 ? value + 0.01 * (j - 1) : 30 - value))),
    variance: rows(ts.map((_, i) => [-1, 1, 0.3, i % 2 === 0 ? 0 : -2]))
  }
}

layer(Layer.orDie(OnnxEngine.layer()), { excludeTestServices: true })("at the ends of schedules", (it) => {
  for (const [name, schedule] of Object.entries(schedules)) {
    it.effect(`every loss of every prediction is finite with its gradient, or refused: ${name}`, () =>
      Effect.gen(function*() {
        for (const [of, objective] of Object.entries(objectives)) {
          const services = Layer.merge(denoiser, Layer.provideMerge(objective, NoiseSchedule.layer(schedule)))
          const stages: { [loss: string]: Stage<Predicted, Loss> } = {}
          const undefinedLosses: Array<string> = []
          for (const [loss, made] of Object.entries(losses)) {
            const stage = yield* Effect.result(made.pipe(Effect.provide(services)))
            if (Result.isSuccess(stage)) stages[loss] = stage.success
            else {
              assert.strictEqual(stage.failure._tag, "UndefinedWeight", `${of}, ${loss}`)
              undefinedLosses.push(loss)
            }
          }
          const saysNothing = schedule.alphaBar.at(-1) === 0 && ["noise", "score"].includes(of)
          assert.deepStrictEqual(undefinedLosses, saysNothing ? refused : [], of)

          const { predictionType } = yield* Objective.pipe(Effect.provide(services))
          const found = yield* compute(
            recordOf(schedule, predictionType),
            ({ prediction, variance, ...others }) =>
              Record.map(stages, (stage) => {
                const parameters = Record.map(
                  Pipeline.initialize(stage.parameters, { seed: 0 }),
                  ({ data, shape }) => tf.tensor(data, [...shape])
                )
                const variables = [prediction!, variance!]
                const { grads, value } = tf.engine().gradients(
                  () => {
                    const input = { ...others, prediction: variables[0]!, variance: variables[1]! } as Tensors
                    return stage.apply(input as unknown as Predicted, { parameters, draws: {} }).loss
                  },
                  variables,
                  undefined,
                  true
                )
                const all = [value, ...grads.flatMap((grad) => (grad as tf.Tensor | null) ?? [])]
                return tf.concat(all.map((tensor) => tf.reshape(tensor, [-1])))
              })
          )
          for (const [loss, { data }] of Object.entries(found)) {
            assert.isTrue(data.every(Number.isFinite), `${of}, ${loss}`)
            assert.isAbove(data.length, 1)
          }
        }
      }))
  }

  it.effect("gradients of the bound stay finite where a term that is not taken overflows", () =>
    Effect.gen(function*() {
      // The squares of these distances are float32, and their third powers, which decoding has, are not.
      const schedule = schedules["cosine"]!
      const record = recordOf(schedule, "sample")
      const far = { ...record, prediction: float32([10, 4], record.prediction.data.map((value) => 1e14 * value)) }
      const stage = yield* boundLoss({ scale: "term" }).pipe(
        Effect.provide(Layer.provideMerge(Objective.sample, NoiseSchedule.layer(schedule)))
      )
      const { slope } = yield* compute(far, ({ prediction, ...others }) => ({
        slope: tf.grad((prediction) =>
          stage.apply({ ...others, prediction } as unknown as Predicted, { parameters: {}, draws: {} }).loss
        )(prediction! as tf.Tensor)
      }))
      assert.isTrue(slope!.data.every(Number.isFinite))
    }))
})
