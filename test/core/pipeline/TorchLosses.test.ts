/**
 * Losses and their gradients with respect to the parameters of a network, held to torch's.
 */
import { assert } from "@effect/vitest"
import {
  boundLoss,
  Denoiser,
  Distance,
  forwardNoising,
  hybridLoss,
  learnedUncertainty,
  type Loss,
  LossWeighting,
  meanSquaredError,
  type Noised,
  noisePrediction,
  Objective,
  Pipeline,
  type Predicted,
  type Stage,
  type Timed,
  weightedLoss
} from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Record } from "effect"
import goldens from "../../fixtures/torch-losses.json" with { type: "json" }
import { describeEngines } from "../../support/engines.ts"
import { compute, type HostTensors, timesteps } from "./compute.ts"

const [batch, dimensions, hidden] = [4, 2, 3]

const numbers = (shape: ReadonlyArray<number>, value: (i: number) => number) =>
  float32(shape, Array.from({ length: shape.reduce((size, n) => size * n, 1) }, (_, i) => value(i)))

const wave = (s: number) => (shape: ReadonlyArray<number>) =>
  numbers(shape, (i) => 0.7 * Math.sin(1.3 * i * (1 + 0.37 * s) + s))

const denoiserOf = ({ learns, selfs }: { readonly learns: boolean; readonly selfs: boolean }) => {
  const inputs = dimensions + 1 + (selfs ? dimensions : 0)
  const outputs = learns ? 2 * dimensions : dimensions
  return Layer.succeed(Denoiser, {
    name: "tiny",
    exampleShape: [dimensions],
    learnsVariance: learns,
    selfConditions: selfs,
    parameters: {
      w1: { shape: [inputs, hidden], initializer: (_, shape) => wave(1)(shape).data },
      w2: { shape: [hidden, outputs], initializer: (_, shape) => wave(2)(shape).data },
      b2: { shape: [outputs], initializer: (_, shape) => wave(3)(shape).data }
    },
    draws: () => ({}),
    apply: ({ b2, w1, w2 }, { selfCondition, t, x }) => {
      const time = tf.expandDims(tf.div(tf.cast(t, "float32"), 1000), 1)
      const shown = selfCondition === undefined ? [x, time] : [x, time, selfCondition]
      return tf.add(tf.matMul(tf.tanh(tf.matMul(tf.concat(shown, 1), w1!)), w2!), b2!)
    }
  })
}

const objectives = {
  noise: Objective.noise,
  sample: Objective.sample,
  velocity: Objective.velocity,
  score: Objective.score,
  edm: Layer.orDie(Objective.edm({ sigmaData: 0.7 }))
}

/** The last stage of a pipeline, which makes the loss. */
type Last = Effect.Effect<Stage<Predicted, Loss>, never, NoiseSchedule | Objective | Denoiser>

const weighted = (weighting: Layer.Layer<LossWeighting>, distance: Layer.Layer<Distance>): Last =>
  weightedLoss.pipe(Effect.provide(Layer.merge(weighting, distance)), Effect.orDie)

const andThen = <E>(last: Effect.Effect<Stage<Loss, Loss>, E, NoiseSchedule | Objective | Denoiser>): Last =>
  Effect.map(Pipeline.make(meanSquaredError, Effect.orDie(last)), Pipeline.fuse)

const { simple } = LossWeighting

const losses: { readonly [loss: string]: Last } = {
  simple: meanSquaredError,
  "min-snr": weighted(Layer.orDie(LossWeighting.minSnr({ gamma: 5 })), Distance.squared),
  "huber-snr": weighted(simple, Layer.orDie(Distance.huber({ c: 0.1, schedule: "snr" }))),
  "smooth-l1-exponential": weighted(simple, Layer.orDie(Distance.smoothL1({ c: 0.1, schedule: "exponential" }))),
  bound: Effect.orDie(boundLoss({})),
  hybrid: andThen(hybridLoss({})),
  uncertainty: andThen(learnedUncertainty({ features: 4 }))
}

type Golden = (typeof goldens.cases)[number] & {
  readonly learnsVariance?: boolean
  readonly selfConditions?: boolean
  readonly importance?: boolean
}

const servicesOf = ({ learnsVariance = false, objective, selfConditions = false }: Golden) =>
  Layer.merge(
    denoiserOf({ learns: learnsVariance, selfs: selfConditions }),
    Layer.provideMerge(
      objectives[objective as keyof typeof objectives],
      Layer.orDie(NoiseSchedule.linear({ steps: 1000 }))
    )
  )

const uncertainty: HostTensors = {
  "uncertainty.weight": float32([4], [0.3, -0.2, 0.1, 0.5]),
  "uncertainty.bias": float32([], [0.2])
}

describeEngines("losses and their gradients are torch's", (it) => {
  for (const golden of goldens.cases as ReadonlyArray<Golden>) {
    const { importance = false, learnsVariance, loss, objective, selfConditions } = golden
    const besides = Object.entries({ learnsVariance, selfConditions, importance })
      .flatMap(([name, has]) => has === true ? [name] : [])
    it.effect([loss, objective, ...besides].join(", "), () =>
      Effect.gen(function*() {
        const pipeline = yield* Pipeline.make(
          forwardNoising,
          noisePrediction,
          losses[loss]!
        )
        const stage: Stage<Timed, Noised & Loss> = Pipeline.fuse(pipeline)
        const parameters = Record.map(
          Pipeline.initialize(stage.parameters, { seed: 0 }),
          (initial, name) => uncertainty[name] ?? initial
        )
        const names = Object.keys(parameters)
        const record = {
          x0: numbers([batch, dimensions], (i) => ((37 * i) % 256) / 127.5 - 1),
          t: timesteps([0, 1, 500, 999]),
          ...(importance ? { importance: float32([batch], [0.5, 2, 1, 0.25]) } : {})
        }
        const draws = {
          noise: numbers([batch, dimensions], (i) => Math.SQRT2 * Math.sin(0.37 * i + 1)),
          ...(selfConditions === true ? { selfCondition: float32([batch], [1, 0, 1, 1]) } : {})
        }
        const found = yield* compute({ ...record, ...draws, ...parameters }, (given) => {
          let perExample: tf.Tensor | undefined
          const { grads, value } = tf.engine().gradients(
            () => {
              const out = stage.apply(given as never, { parameters: given, draws: given })
              perExample = tf.keep(tf.clone(out.perExample))
              return out.loss
            },
            names.map((name) => given[name]!),
            undefined,
            true
          )
          const slopes = Object.fromEntries(
            names.map((name, i) => [`slope.${name}`, (grads[i] as tf.Tensor | null) ?? tf.zerosLike(given[name]!)])
          )
          return { value, perExample: tf.clone(perExample!), ...slopes }
        })
        const assertClose = (name: string, expected: ReadonlyArray<number>) => {
          const { data } = found[name]!
          assert.strictEqual(data.length, expected.length)
          const size = name === "perExample" ? 0 : Math.max(...expected.map(Math.abs))
          expected.forEach((value, i) =>
            assert.closeTo(data[i]!, value, 2e-5 * Math.max(Math.abs(value), size), `${name}[${i}]`)
          )
        }
        assertClose("perExample", golden.perExample)
        assertClose("value", [golden.mean])
        for (const [name, expected] of Object.entries(golden.gradients)) assertClose(`slope.${name}`, expected)
        assert.sameMembers(Object.keys(golden.gradients), names)
      }).pipe(Effect.provide(servicesOf(golden))))
  }
})
