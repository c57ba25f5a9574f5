import { assert, describe, it } from "@effect/vitest"
import {
  addNoise,
  conversion,
  convert,
  edm,
  edmWeighting,
  huberScale,
  huberSchedules,
  minSnrWeighting,
  mixtureOf,
  type Parameterization,
  predictionTypes,
  simpleWeighting,
  snrWeighting,
  softMinSnrWeighting,
  truncatedSnrWeighting,
  uniformWeighting,
  type Weighting,
  weightOf
} from "@effusion/core/diffusion"
import { Operations } from "@effusion/core/engine"
import {
  asNoise,
  Denoiser,
  Distance,
  forwardNoising,
  forwardNoisingWith,
  learnedUncertainty,
  LossWeighting,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  weightedLoss
} from "@effusion/core/pipeline"
import * as S from "@effusion/core/schedule"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"
import { apply, compute, difference, gradients, type HostTensors, rows, timesteps } from "./compute.ts"

const schedule = Result.getOrThrow(S.linear({ steps: 40, start: 1e-3, end: 0.2 }))
const flow: Parameterization = { name: "flow", mixture: () => ({ x0: -1, noise: 1 }) }
const edmHalf = Result.getOrThrow(edm({ sigmaData: 0.5 }))
const types = [...predictionTypes, flow, edmHalf]
const nameOf = (type: (typeof types)[number]) => typeof type === "string" ? type : type.name

const layerOf = (type: (typeof types)[number]): Layer.Layer<Objective, never, NoiseSchedule> => {
  switch (type) {
    case "epsilon":
      return Objective.noise
    case "sample":
      return Objective.sample
    case "v_prediction":
      return Objective.velocity
    case "score":
      return Objective.score
    default:
      return type === edmHalf ? Layer.orDie(Objective.edm({ sigmaData: 0.5 })) : Layer.orDie(Objective.predicting(type))
  }
}

const given = (type: (typeof types)[number], options: {
  readonly weighting?: Weighting
  readonly distance?: Layer.Layer<Distance, unknown>
} = {}) =>
  Layer.mergeAll(
    LossWeighting.layer(options.weighting ?? simpleWeighting),
    Layer.orDie(options.distance ?? Distance.squared),
    Layer.provideMerge(layerOf(type), NoiseSchedule.layer(schedule))
  )

const value = fc.double({ min: -2, max: 2, noNaN: true })
const example = fc.record({
  t: fc.nat(schedule.steps - 1),
  x0: fc.tuple(value, value),
  noise: fc.tuple(value, value),
  error: fc.tuple(value, value)
})
interface Example {
  readonly t: number
  readonly x0: readonly [number, number]
  readonly noise: readonly [number, number]
  readonly error: readonly [number, number]
}
const batch = fc.array(example, { minLength: 1, maxLength: 6 })

const noised = (examples: ReadonlyArray<Example>): HostTensors => ({
  x0: rows(examples.map(({ x0 }) => x0)),
  noise: rows(examples.map(({ noise }) => noise)),
  xt: rows(examples.map(({ noise, t, x0 }) => addNoise(schedule, t, x0, noise))),
  t: timesteps(examples.map(({ t }) => t))
})

const targetOf = ({ noise, t, x0 }: Example, type: (typeof types)[number]) => {
  const mixture = mixtureOf(S.levelAt(schedule, t), type)
  return x0.map((x, i) => mixture.x0 * x + mixture.noise * noise[i]!)
}

/** A record whose predictions of the noise are wrong by `error`, stated as predictions of a type. */
const predicted = (examples: ReadonlyArray<Example>, type: (typeof types)[number]): HostTensors => ({
  ...noised(examples),
  target: rows(examples.map((example) => targetOf(example, type))),
  prediction: rows(examples.map((example) => {
    const scale = conversion(schedule, example.t, { from: type, to: "epsilon" }).prediction
    return targetOf(example, type).map((target, i) => target + example.error[i]! / scale)
  }))
})

const assertAll = (actual: ArrayLike<number>, expected: ReadonlyArray<number>, tolerance: number) => {
  assert.strictEqual(actual.length, expected.length)
  expected.forEach((value, i) => assert.closeTo(actual[i]!, value, tolerance * (1 + Math.abs(value))))
}

describeEngines("objectives", (it) => {
  for (const type of types) {
    it.effect(`of ${nameOf(type)} ask for its mixture, and find the noise in it again`, () =>
      forAll(batch, (examples) =>
        Effect.gen(function*() {
          const objective = yield* Objective
          const { back, target } = yield* compute(noised(examples), (input) => {
            const record = input as Parameters<typeof objective.target>[0]
            return { target: objective.target(record), back: objective.noise(objective.target(record), record) }
          })
          assertAll(target!.data, examples.flatMap((example) => targetOf(example, type)), 1e-5)
          assertAll(back!.data, examples.flatMap(({ noise }) => noise), 1e-4)
          assert.deepStrictEqual(mixtureOf(S.levelAt(schedule, 3), objective.predictionType), {
            ...mixtureOf(S.levelAt(schedule, 3), type)
          })
        }), { numRuns: 10 }).pipe(Effect.provide(given(type))))

    it.effect(`of ${nameOf(type)} are evaluated as noise`, () =>
      forAll(batch, (examples) =>
        Effect.gen(function*() {
          const found = yield* apply(yield* asNoise, predicted(examples, type))
          assertAll(
            found["prediction"]!.data,
            examples.flatMap(({ error, noise }) => noise.map((n, i) => n + error[i]!)),
            2e-4
          )
          assertAll(found["target"]!.data, examples.flatMap(({ noise }) => noise), 1e-6)
        }), { numRuns: 10 }).pipe(Effect.provide(given(type))))
  }
})

describeEngines("objectives where no signal is left", (it) => {
  const ending = Result.getOrThrow(S.rescaleZeroTerminalSnr(schedule))
  for (const type of types) {
    it.effect(`of ${nameOf(type)} are finite, and find the noise`, () =>
      Effect.gen(function*() {
        const objective = yield* Objective
        const noise = [1, -2]
        const record = { x0: rows([[3, 4]]), noise: rows([noise]), xt: rows([noise]), t: timesteps([ending.steps - 1]) }
        const { back } = yield* compute(record, (input) => {
          const noised = input as Parameters<typeof objective.target>[0]
          return { back: objective.noise(objective.target(noised), noised) }
        })
        assertAll(back!.data, noise, 1e-6)
      }).pipe(Effect.provide(Layer.provide(layerOf(type), NoiseSchedule.layer(ending)))))
  }
})

const weightings: ReadonlyArray<Weighting> = [
  snrWeighting,
  truncatedSnrWeighting,
  uniformWeighting("v_prediction"),
  uniformWeighting(flow),
  Result.getOrThrow(minSnrWeighting()),
  Result.getOrThrow(softMinSnrWeighting()),
  Result.getOrThrow(edmWeighting())
]

describeEngines("the weighted loss", (it) => {
  for (const weighting of weightings) {
    it.effect(`weighted as ${weighting.name} is one and the same in every parameterisation`, () =>
      forAll(batch, (examples) =>
        Effect.gen(function*() {
          const expected = examples.map(({ error, t }) =>
            Result.getOrThrow(weightOf(weighting, schedule, t, "epsilon")) * (error[0] ** 2 + error[1] ** 2) / 2
          )
          for (const type of types) {
            const stage = yield* Effect.provide(weightedLoss, given(type, { weighting }))
            const { loss, perExample } = yield* apply(stage, predicted(examples, type))
            expected.forEach((value, i) =>
              // Where the noise hardly shows in a prediction, float32 tells less of it.
              assert.closeTo(perExample!.data[i]!, value, 2e-3 * value + 1e-4 * Math.sqrt(value) + 1e-6)
            )
            const mean = Array.from(perExample!.data).reduce((sum, value) => sum + value, 0) / examples.length
            assert.closeTo(loss!.data[0]!, mean, 1e-5 * mean + 1e-9)
          }
        }), { numRuns: 5 }))
  }

  it.effect("without weights is the mean squared error, and counts examples by their importance", () =>
    forAll(batch, (examples) =>
      Effect.gen(function*() {
        const record = {
          ...predicted(examples, "sample"),
          importance: float32([examples.length], examples.map((_, i) => i / 2))
        }
        const weighted = yield* apply(yield* weightedLoss, record)
        const plain = yield* apply(yield* meanSquaredError, record)
        assert.deepStrictEqual(Array.from(weighted["perExample"]!.data), Array.from(plain["perExample"]!.data))
        const expected = Array.from(weighted["perExample"]!.data).reduce((sum, loss, i) => sum + loss * i / 2, 0) /
          examples.length
        for (const { loss } of [weighted, plain]) assert.closeTo(loss!.data[0]!, expected, 1e-5 * expected + 1e-9)
      }), { numRuns: 10 }).pipe(Effect.provide(given("sample"))))

  it.effect("is refused where a weight is not defined", () =>
    Effect.gen(function*() {
      const withoutSignal = { ...schedule, steps: 2, beta: Float64Array.of(0.5, 1), alphaBar: Float64Array.of(0.5, 0) }
      const services = Layer.mergeAll(
        LossWeighting.truncatedSnr,
        Distance.squared,
        Objective.noise,
        NoiseSchedule.layer(withoutSignal)
      )
      const error = yield* Effect.flip(Effect.provide(weightedLoss, services))
      assert.strictEqual(error._tag, "UndefinedWeight")
    }))
})

/** The distances in float64, by their definitions. */
const distances = (c: number): { readonly [name: string]: (d: number) => number } => ({
  squared: (d) => d ** 2,
  absolute: Math.abs,
  huber: (d) => 2 * c * (Math.sqrt(d ** 2 + c ** 2) - c),
  smoothL1: (d) => 2 * (Math.sqrt(d ** 2 + c ** 2) - c)
})

describeEngines("distances", (it) => {
  const options = fc.record({
    c: fc.double({ min: 0.05, max: 1, noNaN: true }),
    schedule: fc.constantFrom(...huberSchedules)
  })

  it.effect("have the values and the slopes of their definitions", () =>
    forAll(fc.tuple(batch, options), ([examples, huber]) =>
      Effect.gen(function*() {
        const layers = {
          squared: Distance.squared,
          absolute: Distance.absolute,
          huber: Distance.huber(huber),
          smoothL1: Distance.smoothL1(huber)
        }
        const scale = Result.getOrThrow(huberScale(huber))
        for (const [name, distance] of Object.entries(layers)) {
          const stage = yield* Effect.provide(weightedLoss, given("epsilon", { distance }))
          const record = predicted(examples, "epsilon")
          const { perExample } = yield* apply(stage, record)
          const { prediction } = yield* gradients(stage, record, ["prediction"])
          examples.forEach(({ error, t }, i) => {
            const exact = distances(scale(schedule, t))[name]!
            assert.closeTo(perExample!.data[i]!, (exact(error[0]) + exact(error[1])) / 2, 1e-5 * (1 + exact(2)))
            error.forEach((d, j) => {
              if (name === "absolute" && Math.abs(d) < 1e-4) return
              const slope = difference(exact, d, 1e-6) / 2 / examples.length
              assert.closeTo(prediction!.data[2 * i + j]!, slope, 1e-4)
            })
          })
        }
      }), { numRuns: 10 }))

  it.effect("are 0 exactly at the target, with no slope, and the same on both sides of it", () =>
    forAll(batch, (examples) =>
      Effect.gen(function*() {
        const record = predicted(examples, "epsilon")
        const hit = { ...record, prediction: record["target"]! }
        const mirrored = predicted(
          examples.map((example) => ({ ...example, error: [-example.error[0], -example.error[1]] as const })),
          "epsilon"
        )
        for (const distance of [Distance.squared, Distance.absolute, Distance.huber(), Distance.smoothL1()]) {
          const stage = yield* Effect.provide(weightedLoss, given("epsilon", { distance }))
          const { loss } = yield* apply(stage, hit)
          assert.strictEqual(loss!.data[0], 0)
          const { prediction } = yield* gradients(stage, hit, ["prediction"])
          assert.isTrue(prediction!.data.every((slope) => slope === 0))
          const one = yield* apply(stage, record)
          const other = yield* apply(stage, mirrored)
          assertAll(other["perExample"]!.data, Array.from(one["perExample"]!.data), 1e-5)
        }
      }), { numRuns: 5 }))
})

describe("the scale of Huber losses", () => {
  const linear = Result.getOrThrow(S.linear({ steps: 1000 }))
  const at = (form: (typeof huberSchedules)[number], t: number) =>
    Result.getOrThrow(huberScale({ c: 0.1, schedule: form }))(linear, t)

  it("goes as in diffusers' training scripts", () => {
    // Of alphaBar at t = 0, 500 and 999: 0.9999, 0.0777966584, 4.03582977e-5.
    const snr = (alphaBar: number) => 0.9 / (1 + Math.sqrt((1 - alphaBar) / alphaBar)) ** 2 + 0.1
    for (const [t, alphaBar] of [[0, 0.9999], [500, 0.0777966584], [999, 4.03582977e-5]] as const) {
      assert.strictEqual(at("constant", t), 0.1)
      assert.closeTo(at("exponential", t), Math.exp(Math.log(0.1) / 1000 * t), 1e-12)
      assert.closeTo(at("snr", t), snr(alphaBar), 1e-8)
    }
  })

  it("is refused when it is none", () => {
    for (const c of [0, -1, NaN]) assert.isTrue(Result.isFailure(huberScale({ c })))
    assert.isTrue(Result.isFailure(huberScale({ c: 2, schedule: "snr" })))
    assert.isTrue(Result.isSuccess(huberScale({ c: 2 })))
  })
})

describeEngines("learned uncertainty", (it) => {
  const record = (perExample: ReadonlyArray<number>, ts: ReadonlyArray<number>): HostTensors => ({
    ...predicted(ts.map((t) => ({ t, x0: [0, 0], noise: [0, 0], error: [0, 0] })), "epsilon"),
    perExample: float32([ts.length], perExample),
    loss: float32([], [0])
  })

  it.effect("begins with the loss as it is, and is loss / exp(u) + u", () =>
    Effect.gen(function*() {
      const stage = yield* learnedUncertainty({ features: 4 })
      const input = record([0.5, 2, 3], [0, 20, 39])
      const initial = Pipeline.initialize(stage.parameters, { seed: 0 })
      const run = (bias: number) =>
        compute({ ...input, ...initial, "uncertainty.bias": float32([], [bias]) }, (all) => {
          const { loss, perExample } = stage.apply(all as never, { parameters: all, draws: {} })
          return { loss, perExample }
        })
      assertAll((yield* run(0))["perExample"]!.data, [0.5, 2, 3], 1e-6)
      const u = 0.75
      const changed = [0.5, 2, 3].map((loss) => loss / Math.exp(u) + u)
      const { loss, perExample } = yield* run(u)
      assertAll(perExample!.data, changed, 1e-6)
      assertAll(loss!.data, [changed.reduce((sum, value) => sum + value, 0) / 3], 1e-6)
    }).pipe(Effect.provide(given("epsilon"))))

  it.effect("learns the loss of each level of noise", () =>
    Effect.gen(function*() {
      const stage = yield* learnedUncertainty({})
      const ts = Array.from({ length: schedule.steps }, (_, t) => t)
      // What losses of the noise look like: large at the first timesteps, small at the last.
      const losses = ts.map((t) => 0.02 + 0.98 / (1 + S.sigmaOf(S.levelAt(schedule, t)) ** 2))
      const input = record(losses, ts)
      const names = Object.keys(stage.parameters)
      let parameters = Pipeline.initialize(stage.parameters, { seed: 0 })
      let u: ReadonlyArray<number> = []
      for (let step = 0; step < 20; step++) {
        const next = yield* compute({ ...input, ...parameters }, (all) => {
          let values = names.map((name) => all[name]!)
          // Descent, many steps in one program.
          for (let i = 0; i < 20; i++) {
            const slopes = tf.grads((...given: Array<tf.Tensor>) =>
              stage.apply(all as never, {
                parameters: Object.fromEntries(names.map((name, k) => [name, given[k]!])),
                draws: {}
              }).loss
            )(values)
            values = values.map((value, k) => tf.sub(value, tf.mul(slopes[k]!, 0.15)))
          }
          const known = Object.fromEntries(names.map((name, k) => [name, values[k]!]))
          // loss / exp(u) + u at a loss of 0 is u.
          const zero = { ...all, perExample: tf.zerosLike(all["perExample"]!) }
          return { ...known, u: stage.apply(zero as never, { parameters: known, draws: {} }).perExample }
        })
        parameters = Object.fromEntries(names.map((name) => [name, next[name]!])) as typeof parameters
        u = Array.from(next["u"]!.data)
      }
      losses.forEach((loss, t) => assert.closeTo(u[t]!, Math.log(loss), 0.2, `t = ${t}`))
    }).pipe(Effect.provide(given("epsilon"))))
})

describe("learned uncertainty", () => {
  it.effect("is refused with features that are none", () =>
    Effect.gen(function*() {
      for (const features of [0, 3, -2, 1.5]) {
        const error = yield* Effect.flip(Effect.provide(learnedUncertainty({ features }), given("epsilon")))
        assert.include(error.message, `"features" is ${features}`)
      }
    }))
})

describeEngines("changes to the noise", (it) => {
  const clean: HostTensors = { x0: float32([2, 2, 2, 1], [1, 2, 3, 4, 5, 6, 7, 8]), t: timesteps([3, 39]) }
  const specs = {
    x0: { shape: [2, 2, 2, 1], dtype: "float32" },
    t: { shape: [2], dtype: "int32" }
  } as const

  const run = (options: Parameters<typeof forwardNoisingWith>[0], mode: "training" | "evaluation") =>
    Effect.gen(function*() {
      const stage = yield* forwardNoisingWith(options)
      const draws = Pipeline.draws(stage, specs, { seed: 4, step: 2, mode })
      const qualified = Object.fromEntries(Object.entries(draws).map(([name, draw]) => [`draw.${name}`, draw]))
      const out = yield* compute({ ...clean, ...qualified }, (all) => {
        const given = Object.fromEntries(Object.keys(draws).map((name) => [name, all[`draw.${name}`]!]))
        const { noise, xt } = stage.apply({ x0: all["x0"]!, t: all["t"]! }, { parameters: {}, draws: given })
        return { noise, xt }
      })
      return { draws, noise: Array.from(out["noise"]!.data), xt: Array.from(out["xt"]!.data) }
    })

  it.effect("are none unless asked for", () =>
    Effect.gen(function*() {
      const plain = yield* forwardNoising
      const draws = Pipeline.draws(plain, specs, { seed: 4, step: 2 })
      assert.hasAllKeys(draws, ["noise"])
      const found = yield* run({}, "training")
      assert.deepStrictEqual(found.draws, draws)
      assert.deepStrictEqual(found.noise, Array.from(draws["noise"]!.data))
    }).pipe(Effect.provide(given("epsilon"))))

  it.effect("offset all positions of an image alike, and are to be predicted", () =>
    Effect.gen(function*() {
      const plain = yield* run({}, "training")
      for (const mode of ["training", "evaluation"] as const) {
        const { draws, noise, xt } = yield* run({ offset: 0.1 }, mode)
        assert.deepStrictEqual(draws["noiseOffset"]!.shape, [2, 1, 1, 1])
        noise.forEach((value, i) => {
          const image = i >> 2
          assert.closeTo(value, plain.noise[i]! + 0.1 * draws["noiseOffset"]!.data[image]!, 1e-6)
          const { signal, spread } = S.levelAt(schedule, image === 0 ? 3 : 39)
          assert.closeTo(xt[i]!, signal * (i + 1) + spread * value, 1e-5)
        })
      }
    }).pipe(Effect.provide(given("epsilon"))))

  it.effect("perturb what is shown in training, and not what is to be predicted", () =>
    Effect.gen(function*() {
      const plain = yield* run({}, "training")
      const { draws, noise, xt } = yield* run({ perturbation: 0.1 }, "training")
      assert.deepStrictEqual(noise, plain.noise)
      xt.forEach((value, i) => {
        const { spread } = S.levelAt(schedule, i < 4 ? 3 : 39)
        assert.closeTo(value, plain.xt[i]! + 0.1 * spread * draws["inputPerturbation"]!.data[i]!, 1e-5)
      })
      assert.deepStrictEqual((yield* run({ perturbation: 0.1 }, "evaluation")).xt, plain.xt)
    }).pipe(Effect.provide(given("epsilon"))))

  it.effect("offset both coordinates of a point alike", () =>
    Effect.gen(function*() {
      const stage = yield* forwardNoisingWith({ offset: 0.1 })
      const points = { x0: { shape: [5, 2], dtype: "float32" }, t: { shape: [5], dtype: "int32" } } as const
      assert.deepStrictEqual(stage.draws(points, "training")["noiseOffset"]!.shape, [5, 1])
    }).pipe(Effect.provide(given("epsilon"))))

  it.effect("are refused when negative", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(forwardNoisingWith({ offset: -1 }))
      assert.include(error.message, `"offset" is -1`)
    }).pipe(Effect.provide(given("epsilon"))))
})

describeEngines("noise prediction", (it) => {
  it.effect("shows the denoiser what the objective says, tells it the class, and takes its variance apart", () =>
    Effect.gen(function*() {
      const echo = Layer.succeed(Denoiser, {
        name: "echo",
        exampleShape: [2],
        parameters: {},
        learnsVariance: true,
        draws: () => ({}),
        apply: (_, { condition, x }) =>
          tf.concat([x, tf.mul(tf.onesLike(x), tf.reshape(tf.cast(condition!, "float32"), [-1, 1]))], 1)
      })
      const examples = [
        { t: 3, x0: [1, -1], noise: [0.5, 2], error: [0, 0] },
        { t: 30, x0: [0, 1], noise: [-1, 1], error: [0, 0] }
      ] as const
      const stage = yield* Effect.provide(noisePrediction, echo)
      const record = { ...noised(examples), condition: timesteps([7, 2]) }
      const { prediction, variance } = yield* apply(stage, record)
      const shown = examples.flatMap(({ noise, t, x0 }) =>
        Array.from(addNoise(schedule, t, x0, noise), (x) => x * edmHalf.inputScale!(S.levelAt(schedule, t)))
      )
      assertAll(prediction!.data, shown, 1e-5)
      assert.deepStrictEqual(Array.from(variance!.data), [7, 7, 2, 2])
      assert.hasAllKeys(
        stage.specs(Object.fromEntries(
          Object.entries(record).map(([name, { dtype, shape }]) => [name, { dtype, shape }])
        ) as never),
        ["x0", "noise", "xt", "t", "condition", "prediction", "target", "variance"]
      )
    }).pipe(Effect.provide(given(edmHalf))))
})

describeEngines("a stopped gradient", (it) => {
  it.effect("keeps the numbers and lets nothing through", () =>
    Effect.gen(function*() {
      const x = float32([3], [1, -2, 3])
      const { gradient, value } = yield* compute({ x }, ({ x }) => ({
        value: Operations.stopGradient(x!),
        gradient: tf.grad((y) => tf.sum(tf.mul(y, Operations.stopGradient(tf.square(y)))))(x!)
      }))
      assert.deepStrictEqual(Array.from(value!.data), [1, -2, 3])
      assert.deepStrictEqual(Array.from(gradient!.data), [1, 4, 9])
    }))
})

describe("an objective", () => {
  it.effect("is refused when its predictions say nothing of the noise", () =>
    Effect.gen(function*() {
      const same: Parameterization = { name: "xt", mixture: ({ signal, spread }) => ({ x0: signal, noise: spread }) }
      const error = yield* Effect.flip(
        Objective.pipe(Effect.provide(Layer.provide(Objective.predicting(same), NoiseSchedule.layer(schedule))))
      )
      assert.strictEqual(error._tag, "InvalidObjective")
      const bad = yield* Effect.flip(
        Objective.pipe(Effect.provide(Layer.provide(Objective.edm({ sigmaData: 0 }), NoiseSchedule.layer(schedule))))
      )
      assert.include(bad.message, `"sigmaData" is 0`)
    }))

  it("turned into noise is what the mathematics on the host makes of it", () => {
    // The tables of the objectives come from `conversion`; this is the other way to it.
    for (const type of types) {
      const { noise: q, x0: p } = mixtureOf(S.levelAt(schedule, 7), type)
      const xt = addNoise(schedule, 7, [0.3], [-1.2])
      const [noise] = convert(schedule, 7, xt, [p * 0.3 + q * -1.2], { from: type, to: "epsilon" })
      assert.closeTo(noise!, -1.2, 1e-9)
    }
  })
})
