import { assert, describe, it as test, layer } from "@effect/vitest"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { adam, ema, LearningRate, sgd } from "@effusion/core/optimizer"
import { ContinuousTime, Denoiser, Objective, Pipeline } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { ddim, Sampling } from "@effusion/core/sampling"
import { Continuous, InvalidSchedule, logSnr as logSnrAt, NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result, Stream } from "effect"
import * as fc from "fast-check"
import { assertRelative } from "../../support/close.ts"
import { describeEngines } from "../../support/engines.ts"
import { entropyOfTwoHills, gaussianData, gaussianDenoiser, gaussianEntropy, network, twoHills } from "./continuous.ts"

const { ContinuousNoise } = ContinuousTime

type Noise = ContinuousTime.ContinuousNoiseShape

const fixedLinear = (ends: { readonly logSnrMax: number; readonly logSnrMin: number }): Noise =>
  ContinuousTime.fixed(Result.getOrThrow(Continuous.linear(ends)))

const learnedNoise = (options: ContinuousTime.LearnedOptions): Noise =>
  Result.getOrThrow(ContinuousTime.learned(options))

/** Values of the schedule's parameters, far from where training begins. */
const anyValues = (noise: Noise, seed: number, scale: number) =>
  Object.fromEntries(
    Object.entries(noise.parameters).map(([name, { shape }]) => [
      name,
      float32(
        shape,
        draw(Key.fold(Key.make(seed), name), { distribution: Distribution.normal, shape }).data.map((z) => scale * z)
      )
    ])
  )

/** The whole pipeline, on a schedule and a denoiser. */
const pipelineOf = (
  noise: Noise,
  denoiser: Layer.Layer<Denoiser>,
  options: ContinuousTime.TimingOptions & ContinuousTime.VariationalBoundOptions & {
    readonly predictionType?: "epsilon" | "sample" | "v_prediction"
  } = {}
) =>
  Pipeline.make(
    ContinuousTime.timing(options),
    ContinuousTime.noising,
    ContinuousTime.predicting(options),
    ContinuousTime.variationalBound(options)
  ).pipe(Effect.provide(Layer.merge(denoiser, Layer.succeed(ContinuousNoise, noise))))

const onHost = <A>(compute: () => A): Effect.Effect<A> =>
  Effect.promise(async () => {
    await tf.setBackend("cpu")
    return tf.tidy(compute as () => tf.TensorContainer) as A
  })

describe("the learned schedule", () => {
  test("falls from end to end, whatever is trained, with the derivative that it says", () => {
    fc.assert(fc.property(
      fc.nat(10_000),
      fc.double({ min: 0.1, max: 4, noNaN: true }),
      fc.constantFrom("learned" as const, "fixed" as const),
      (seed, scale, ends) => {
        const noise = learnedNoise({ features: 8, ends })
        const schedule = noise.continuous(anyValues(noise, seed, scale))
        let previous = Infinity
        for (let i = 0; i <= 200; i++) {
          const value = schedule.logSnr(i / 200)
          assert.isBelow(value, previous)
          assert.isBelow(schedule.derivative(i / 200), 0)
          previous = value
        }
        if (ends === "fixed") {
          assert.closeTo(schedule.logSnr(0), 13.3, 1e-12)
          assert.closeTo(schedule.logSnr(1), -5, 1e-12)
        }
        for (const u of [0.001, 0.3, 0.7, 0.999]) {
          const h = 1e-5
          const slope = (schedule.logSnr(u + h) - schedule.logSnr(u - h)) / (2 * h)
          assertRelative(schedule.derivative(u), slope, 1e-4)
        }
      }
    ))
  })

  test("begins close to the line between its ends", () => {
    const noise = learnedNoise({ logSnrMax: 10, logSnrMin: -6 })
    const schedule = noise.continuous(Pipeline.initialize(noise.parameters, { seed: 3 }))
    for (let i = 0; i <= 20; i++) assert.closeTo(schedule.logSnr(i / 20), 10 - 16 * i / 20, 1)
    assert.closeTo(schedule.logSnr(0), 10, 1e-5)
    assert.closeTo(schedule.logSnr(1), -6, 1e-5)
  })

  test.effect("is the same as tensors and on the host", () =>
    Effect.gen(function*() {
      const u = [0, 0.01, 0.3, 0.5, 0.8, 0.99, 1]
      for (let seed = 0; seed < 20; seed++) {
        const noise = seed === 0 ? fixedLinear({ logSnrMax: 9, logSnrMin: -4 }) : learnedNoise({ features: 1 + seed })
        const values = anyValues(noise, seed, 2)
        const schedule = noise.continuous(values)
        const found = yield* onHost(() => {
          const tensors = Object.fromEntries(
            Object.entries(values).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])])
          )
          const { derivative, logSnr } = noise.at(tensors, tf.tensor1d(u))
          return { derivative: Array.from(derivative.dataSync()), logSnr: Array.from(logSnr.dataSync()) }
        })
        for (const [i, at] of u.entries()) {
          assert.closeTo(found.logSnr[i]!, schedule.logSnr(at), 1e-4)
          assertRelative(found.derivative[i]!, schedule.derivative(at), 1e-4)
        }
      }
    }))

  test.each<[string, ContinuousTime.LearnedOptions, string]>([
    ["no features", { features: 0 }, "\"features\" is 0"],
    ["half a feature", { features: 1.5 }, "\"features\" is 1.5"],
    ["ends the wrong way round", { logSnrMax: -6 }, "above \"logSnrMin\""],
    ["an end beyond float64", { logSnrMin: -40 }, "\"logSnrMin\" is -40"]
  ])("%s: fails with InvalidSchedule", (_, options, named) => {
    const error = Result.getOrThrow(Result.flip(ContinuousTime.learned(options)))
    assert.instanceOf(error, InvalidSchedule)
    assert.include(error.message, named)
  })
})

describe("a fixed schedule", () => {
  test.effect("is a curve joined by lines, whose slopes are its derivative", () =>
    Effect.gen(function*() {
      const cosine = Result.getOrThrow(Continuous.cosine())
      const u = [0.011, 0.1, 0.25, 0.5, 0.77, 0.98]
      const found = yield* onHost(() => {
        const { derivative, logSnr } = ContinuousTime.fixed(cosine).at({}, tf.tensor1d(u))
        return { derivative: Array.from(derivative.dataSync()), logSnr: Array.from(logSnr.dataSync()) }
      })
      for (const [i, at] of u.entries()) {
        assert.closeTo(found.logSnr[i]!, cosine.logSnr(at), 2e-4)
        assertRelative(found.derivative[i]!, cosine.derivative(at), 2e-2)
      }
    }))
})

describe("a pipeline in continuous time", () => {
  test("refuses numbers of steps and of levels that there are not", () => {
    assert.throws(() => ContinuousTime.timing({ steps: 0 }), RangeError, "not 0")
    assert.throws(() => ContinuousTime.timing({ steps: 1.5 }), RangeError, "not 1.5")
    assert.throws(() => ContinuousTime.variationalBound({ data: { levels: 1 } }), RangeError, "not 1")
    assert.throws(() => ContinuousTime.variationalBound({ data: { levels: 2.5 } }), RangeError, "not 2.5")
  })

  test.effect("spreads times evenly over the micro-batches of a step, unless told", () =>
    Effect.gen(function*() {
      const noise = fixedLinear({ logSnrMax: 4, logSnrMin: -4 })
      const timesOf = Effect.fnUntraced(function*(options: ContinuousTime.TimingOptions) {
        const stage = yield* ContinuousTime.timing(options).pipe(Effect.provideService(ContinuousNoise, noise))
        const x0 = { shape: [3, 2], dtype: "float32" } as const
        return Array.from(
          { length: 4 },
          (_, i) => Pipeline.draws(stage, { x0 }, { seed: 1, step: 8 + i, accumulate: 4 })["time"]!.data
        ).flatMap((times) => Array.from(times))
      })
      const parts = (times: ReadonlyArray<number>) => new Set(times.map((time) => Math.floor(12 * time))).size
      assert.strictEqual(parts(yield* timesOf({})), 12)
      assert.isBelow(parts(yield* timesOf({ sampling: "uniform" })), 12)
    }))

  test("tells a denoiser the level of noise, not the time", () => {
    const told = { logSnrMax: 13.3, logSnrMin: -5 }
    assert.strictEqual(ContinuousTime.toldTimestep(told, 13.3), 0)
    assertRelative(ContinuousTime.toldTimestep(told, -5), 1000, 1e-12)
    assertRelative(ContinuousTime.toldTimestep(told, 4.15), 500, 1e-12)
  })

  // The loss of a batch as a function of the schedule's parameters alone, differentiated by hand and by the tape.
  test.effect("has gradients that lead to the schedule", () =>
    Effect.gen(function*() {
      const noise = learnedNoise({ features: 3, logSnrMax: 5, logSnrMin: -4 })
      const values = anyValues(noise, 5, 1)
      const names = Object.keys(values)
      for (const steps of ["continuous" as const, 6]) {
        const pipeline = yield* pipelineOf(noise, gaussianDenoiser(0.5, noise.told, 0.3), { steps })
        const stage = Pipeline.fuse(pipeline)
        const batch = gaussianData(1, 32, 0.5)
        const drawn = Pipeline.draws(stage, { x0: batch.x0 }, { seed: 2, step: 0 })
        const lossOf = (given: ReadonlyArray<tf.Tensor>) => {
          const place = (name: string) => tf.tensor(drawn[name]!.data, [...drawn[name]!.shape])
          return stage.apply({ x0: tf.tensor(batch.x0.data, [32, 2]) }, {
            parameters: Object.fromEntries(names.map((name, i) => [name, given[i]!])),
            draws: { time: place("time"), noise: place("noise") }
          }).loss as tf.Scalar
        }
        const tensorsOf = (shift: number, of: string, element: number) =>
          names.map((name) =>
            tf.tensor(values[name]!.data.map((x, i) => name === of && i === element ? x + shift : x), [
              ...values[name]!.shape
            ])
          )
        const gradients = yield* onHost(() =>
          tf.grads((...given) => lossOf(given))(tensorsOf(0, "", 0)).map((gradient) => Array.from(gradient.dataSync()))
        )
        for (const [p, name] of names.entries()) {
          for (const i of values[name]!.data.keys()) {
            const h = 0.02
            const [up, down] = yield* onHost(() =>
              [h, -h].map((shift) => lossOf(tensorsOf(shift, name, i)).dataSync()[0]!)
            )
            assert.closeTo(gradients[p]![i]!, (up! - down!) / (2 * h), 2e-3, `${name}[${i}] of ${steps} steps`)
          }
        }
        assert.isAbove(Math.max(...gradients.flat().map(Math.abs)), 0.01)
      }
    }))
})

describe("training the inside of a schedule for low variance", () => {
  // A network whose squared error is a known function of log-SNR, the same for all data and noise: 1 + t / 500.
  const knownError: Layer.Layer<Denoiser> = Layer.succeed(Denoiser, {
    name: "known error",
    exampleShape: [2],
    parameters: {},
    draws: () => ({}),
    apply: (_, { t, x }) => {
      const logSnr = tf.sub(5, tf.mul(t, 9 / 1000))
      const spread = tf.sqrt(tf.sigmoid(tf.neg(logSnr)))
      const column = (values: tf.Tensor) => tf.reshape(values, [-1, 1])
      return tf.add(tf.div(x, column(spread)), column(tf.sqrt(tf.add(1, tf.div(t, 500)))))
    }
  })
  const count = 4000
  // All data is 0, so that x is spread times noise, and times are spread evenly.
  const x0 = float32([count, 2], new Float32Array(2 * count))
  const noise = learnedNoise({ features: 3, logSnrMax: 5, logSnrMin: -4 })
  const begun = Pipeline.initialize(noise.parameters, { seed: 5 })
  // Far more bent than where training begins.
  const values: Pipeline.HostTensors = { ...begun, "noise_schedule.out.weight": float32([3], [4, 2, 3]) }
  const names = Object.keys(values)
  const inner = names.filter((name) => !name.includes("log_snr"))

  const gradientsOf = Effect.fnUntraced(function*(inside: "variance" | "bound") {
    const stage = Pipeline.fuse(yield* pipelineOf(noise, knownError, { inside }))
    const drawn = Pipeline.draws(stage, { x0 }, { seed: 2, step: 0 })
    return yield* onHost(() => {
      const place = ({ data, shape }: { readonly data: ArrayLike<number>; readonly shape: ReadonlyArray<number> }) =>
        tf.tensor(Float32Array.from(data), [...shape])
      let value = 0
      const gradients = tf.grads((...given) => {
        const parameters = Object.fromEntries(names.map((name, i) => [name, given[i]!]))
        const out = stage.apply({ x0: place(x0) }, {
          parameters,
          draws: {
            time: tf.tensor1d(Float32Array.from({ length: count }, (_, i) => (i + 0.5) / count)),
            noise: place(drawn["noise"]!)
          }
        })
        value = out.loss.dataSync()[0]!
        assert.closeTo(value, tf.mean(out.perExample).dataSync()[0]!, 1e-4 * Math.abs(value))
        return out.loss as tf.Scalar
      })(names.map((name) => place(values[name]!)))
      return Object.fromEntries(names.map((name, i) => [name, Array.from(gradients[i]!.dataSync())]))
    })
  })

  /** E[L^2] of the diffusion loss, in float64: L = -logSnr' / 2 (1 + t / 500), at `count` times spread evenly. */
  const secondMoment = (parameters: Pipeline.HostTensors) => {
    const schedule = noise.continuous(parameters)
    let sum = 0
    for (let i = 0; i < count; i++) {
      const u = (i + 0.5) / count
      const error = 1 + ContinuousTime.toldTimestep(noise.told, schedule.logSnr(u)) / 500
      sum += (schedule.derivative(u) / 2 * error) ** 2 / count
    }
    return sum
  }

  test.effect("has the gradient of the second moment of the loss inside, and of the bound at the ends", () =>
    Effect.gen(function*() {
      const [variance, bound] = [yield* gradientsOf("variance"), yield* gradientsOf("bound")]
      for (const name of names) {
        for (const i of values[name]!.data.keys()) {
          if (!inner.includes(name)) {
            assert.closeTo(variance[name]![i]!, bound[name]![i]!, 1e-3 * (1 + Math.abs(bound[name]![i]!)))
            continue
          }
          const h = 1e-3
          const [up, down] = [h, -h].map((shift) =>
            secondMoment({
              ...values,
              [name]: float32(values[name]!.shape, values[name]!.data.map((x, j) => j === i ? x + shift : x))
            })
          )
          const expected = (up! - down!) / (2 * h)
          assert.closeTo(variance[name]![i]!, expected, 0.02 * Math.abs(expected) + 0.02, `${name}[${i}]`)
        }
      }
      // Of the bound itself there is no gradient inside.
      const largest = (gradients: { readonly [name: string]: ReadonlyArray<number> }) =>
        Math.max(...inner.flatMap((name) => gradients[name]!.map(Math.abs)))
      assert.isAbove(largest(variance), 1)
      assert.isBelow(largest(bound), 0.02 * largest(variance))
    }))
})

describeEngines("the bound in continuous time", (it) => {
  it.effect("has the terms of its formulas", () =>
    Effect.gen(function*() {
      const noise = learnedNoise({ features: 4, logSnrMax: 6, logSnrMin: -3 })
      const parameters = anyValues(noise, 7, 1)
      const schedule = noise.continuous(parameters)
      for (const steps of ["continuous" as const, 1, 5]) {
        for (const sampling of ["stratified", "uniform"] as const) {
          const pipeline = yield* pipelineOf(noise, gaussianDenoiser(0.5, noise.told), { steps, sampling })
          const stage = Pipeline.fuse(pipeline)
          const batch = gaussianData(3, 9, 0.5)
          const drawn = Pipeline.draws(stage, { x0: batch.x0 }, { seed: 4, step: 0, mode: "evaluation" })
          const [out] = yield* Stream.make(batch).pipe(
            Pipeline.through(stage, { seed: 4, parameters }),
            Stream.runCollect
          )
          const field = (name: string) => Array.from((out as { readonly [name: string]: typeof batch.x0 })[name]!.data)
          const [logSnrMax, logSnrMin] = [schedule.logSnr(0), schedule.logSnr(1)]
          assert.closeTo(field("logSnrMax")[0]!, logSnrMax, 1e-4)
          assert.closeTo(field("logSnrMin")[0]!, logSnrMin, 1e-4)
          let mean = 0
          for (let i = 0; i < 9; i++) {
            const { data } = drawn["time"]!
            const time = sampling === "uniform" ? data[i]! : (data[0]! + i / 9) % 1
            const step = steps === "continuous" ? 0 : Math.floor(time * steps)
            const u = steps === "continuous" ? time : (step + 1) / steps
            const logSnr = schedule.logSnr(u)
            const weight = steps === "continuous"
              ? -schedule.derivative(u) / 2
              : steps / 2 * Math.expm1(schedule.logSnr(step / steps) - logSnr)
            assert.closeTo(field("logSnr")[i]!, logSnr, 2e-4)
            assertRelative(field("boundWeight")[i]!, weight, 5e-4)
            assert.closeTo(field("t")[i]!, ContinuousTime.toldTimestep(noise.told, logSnr), 5e-2)
            const alphaBar = 1 / (1 + Math.exp(-logSnr))
            let [diffusion, prior] = [0, 0]
            const left = 1 / (1 + Math.exp(-logSnrMin))
            for (let j = 2 * i; j < 2 * i + 2; j++) {
              const [x0, z] = [batch.x0.data[j]!, drawn["noise"]!.data[j]!]
              assert.closeTo(field("xt")[j]!, Math.sqrt(alphaBar) * x0 + Math.sqrt(1 - alphaBar) * z, 1e-4)
              diffusion += weight * (z - field("prediction")[j]!) ** 2 / 2
              prior += (left * x0 ** 2 - left - Math.log(1 - left)) / 4
            }
            assertRelative(field("diffusionLoss")[i]!, diffusion, 2e-3)
            assertRelative(field("priorLoss")[i]!, prior, 1e-3)
            const reconstruction = (Math.log(2 * Math.PI) + 1 - logSnrMax) / 2
            assert.closeTo(field("reconstructionLoss")[i]!, reconstruction, 1e-4)
            assert.closeTo(field("perExample")[i]!, diffusion + prior + reconstruction, 2e-3 * (1 + diffusion))
            mean += field("perExample")[i]! / 9
          }
          assert.closeTo(field("loss")[0]!, mean, 1e-4 * (1 + mean))
        }
      }
    }), 60_000)

  it.effect("has the noise of its schedule at both ends, however little there is, whatever is predicted", () =>
    Effect.gen(function*() {
      const noise = fixedLinear({ logSnrMax: 25, logSnrMin: -25 })
      const { logSnr } = noise.continuous({})
      for (const predictionType of ["epsilon", "sample", "v_prediction"] as const) {
        const pipeline = yield* pipelineOf(noise, gaussianDenoiser(0.5, noise.told), { predictionType })
        const stage = Pipeline.fuse(pipeline)
        const x0 = float32([8, 2], [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
        const drawn = Pipeline.draws(stage, { x0 }, { seed: 4, step: 0 })
        const [out] = yield* Stream.make({ x0 }).pipe(Pipeline.through(stage, { seed: 4 }), Stream.runCollect)
        const { data: z } = drawn["noise"]!
        for (let i = 0; i < 8; i++) {
          const at = logSnr((drawn["time"]!.data[0]! + i / 8) % 1)
          const signal = Math.sqrt(1 / (1 + Math.exp(-at)))
          const spread = Math.sqrt(1 / (1 + Math.exp(at)))
          const xt = [0, 1].map((j) => out!.xt.data[2 * i + j]!)
          assert.closeTo(xt[0]!, signal + spread * z[2 * i]!, 1e-5)
          assert.closeTo(xt[1]! / (spread * z[2 * i + 1]!), 1, 1e-4)
        }
        assert.isTrue(out!.perExample.data.every(Number.isFinite))
      }
    }))

  it.effect("decodes levels by a softmax over all of them", () =>
    Effect.gen(function*() {
      const levels = 5
      const noise = fixedLinear({ logSnrMax: 2, logSnrMin: -3 })
      const pipeline = yield* pipelineOf(noise, gaussianDenoiser(0.5, noise.told), { data: { levels } })
      const stage = Pipeline.fuse(pipeline)
      const x0 = float32([4, 2], [-1, -0.5, 0, 0.5, 1, 1, 0.5, -1])
      const drawn = Pipeline.draws(stage, { x0 }, { seed: 4, step: 0 })
      const [out] = yield* Stream.make({ x0 }).pipe(Pipeline.through(stage, { seed: 4 }), Stream.runCollect)
      for (let i = 0; i < 4; i++) {
        let expected = 0
        for (let j = 2 * i; j < 2 * i + 2; j++) {
          const seen = x0.data[j]! + Math.exp(-1) * drawn["decoderNoise"]!.data[j]!
          const logit = (value: number) => -0.5 * Math.exp(2) * (seen - value) ** 2
          const sum = Array.from({ length: levels }, (_, k) => Math.exp(logit(2 * k / (levels - 1) - 1)))
            .reduce((sum, term) => sum + term)
          expected += (Math.log(sum) - logit(x0.data[j]!)) / 2
        }
        assert.closeTo(out!.reconstructionLoss.data[i]!, expected, 1e-4)
      }
    }))

  it.effect("of levels trains where the schedule begins too", () =>
    Effect.gen(function*() {
      const max = "noise_schedule.log_snr_max"
      const noise = learnedNoise({ features: 2, logSnrMax: 2, logSnrMin: -3 })
      const pipeline = yield* pipelineOf(noise, network(4), { data: { levels: 5 }, steps: 10 })
      const stage = Pipeline.fuse(pipeline)
      const x0 = float32([4, 1], [-1, -0.5, 0, 0.5])
      const begun = Pipeline.initialize(stage.parameters, { seed: 4 })
      const lossAt = Effect.fnUntraced(function*(change: number) {
        const parameters = { ...begun, [max]: float32([], [begun[max]!.data[0]! + change]) }
        const [out] = yield* Stream.make({ x0 }).pipe(
          Pipeline.through(stage, { seed: 4, parameters }),
          Stream.runCollect
        )
        return out!.loss.data[0]!
      })
      const slope = ((yield* lossAt(0.02)) - (yield* lossAt(-0.02))) / 0.04
      const run = yield* Training.start({
        pipeline,
        data: () => Stream.make({ x0 }),
        optimizer: sgd({ learningRate: 0.125 }),
        steps: 1,
        seed: 4
      })
      yield* Stream.runDrain(run.reports)
      const moved = (yield* run.snapshot).parameters[max]!.data[0]! - begun[max]!.data[0]!
      assertRelative(moved / -0.125, slope, 1e-2)
      assert.isAbove(Math.abs(slope), 0.01)
    }))

  it.effect("is the same whatever of the data and the noise is predicted", () =>
    Effect.gen(function*() {
      const noise = fixedLinear({ logSnrMax: 4, logSnrMin: -4 })
      const deviation = 0.7
      // What predicts v or the data best, for the same Gaussian data.
      const predictor = (type: "sample" | "v_prediction"): Layer.Layer<Denoiser> =>
        Layer.effect(
          Denoiser,
          Effect.map(Denoiser, (epsilon) => ({
            ...epsilon,
            apply: (parameters, input) => {
              const { logSnrMax, logSnrMin } = noise.told
              const logSnr = tf.sub(logSnrMax, tf.mul(input.t, (logSnrMax - logSnrMin) / 1000))
              const [a, s] = [logSnr, tf.neg(logSnr)].map((x) => tf.reshape(tf.sqrt(tf.sigmoid(x)), [-1, 1]))
              const eps = epsilon.apply(parameters, input)
              const x0 = tf.div(tf.sub(input.x, tf.mul(s!, eps)), a!)
              return type === "sample" ? x0 : tf.sub(tf.mul(a!, eps), tf.mul(s!, x0))
            }
          }))
        ).pipe(Layer.provide(gaussianDenoiser(deviation, noise.told, 0.1)))
      const losses = yield* Effect.forEach(["epsilon", "sample", "v_prediction"] as const, (predictionType) =>
        Effect.gen(function*() {
          const denoiser = predictionType === "epsilon"
            ? gaussianDenoiser(deviation, noise.told, 0.1)
            : predictor(predictionType)
          const pipeline = yield* pipelineOf(noise, denoiser, { predictionType })
          const [out] = yield* Stream.make(gaussianData(2, 16, deviation)).pipe(
            Pipeline.through(Pipeline.fuse(pipeline), { seed: 1 }),
            Stream.runCollect
          )
          return Array.from(out!.perExample.data)
        }))
      for (const other of losses.slice(1)) {
        for (const [i, value] of other.entries()) {
          assertRelative(value, losses[0]![i]!, 1e-3)
        }
      }
    }))

  // The best prediction leaves of the bound what the two ends lose, and nothing else (Kingma et al. 2021, section 5.1).
  it.effect(
    "is the entropy of Gaussian data under the best prediction, for every schedule between the same ends",
    () =>
      Effect.gen(function*() {
        const ends = { logSnrMax: 9, logSnrMin: -9 }
        const deviation = 0.6
        const schedules = [
          fixedLinear(ends),
          ...[1, 2].map(() => learnedNoise({ ...ends, ends: "fixed", features: 8 }))
        ]
        for (const [i, noise] of schedules.entries()) {
          const pipeline = yield* pipelineOf(noise, gaussianDenoiser(deviation, noise.told))
          const { loss, standardError } = yield* Training.evaluate({
            pipeline,
            data: Stream.range(1, 20).pipe(Stream.map((seed) => gaussianData(seed, 1000, deviation))),
            parameters: anyValues(noise, i, 1),
            seed: 3
          })
          assert.isBelow(standardError, 0.1)
          assert.closeTo(loss, gaussianEntropy(deviation), 4 * standardError + 1e-3)
          const wrong = yield* Training.evaluate({
            pipeline: yield* pipelineOf(noise, gaussianDenoiser(deviation, noise.told, 0.2)),
            data: Stream.range(1, 20).pipe(Stream.map((seed) => gaussianData(seed, 1000, deviation))),
            parameters: anyValues(noise, i, 1),
            seed: 3
          })
          assert.isAbove(wrong.loss, loss + 0.1)
        }
      }),
    60_000
  )

  it.effect("is looser the fewer its timesteps are", () =>
    Effect.gen(function*() {
      const noise = fixedLinear({ logSnrMax: 6, logSnrMin: -6 })
      const losses = yield* Effect.forEach([2, 6, 20, "continuous" as const], (steps) =>
        Effect.flatMap(pipelineOf(noise, gaussianDenoiser(0.6, noise.told), { steps }), (pipeline) =>
          Training.evaluate({
            pipeline,
            data: Stream.range(1, 5).pipe(Stream.map((seed) =>
              gaussianData(seed, 1000, 0.6)
            )),
            parameters: {},
            seed: 3
          })))
      for (const [i, { loss }] of losses.slice(1).entries()) {
        assert.isBelow(loss, losses[i]!.loss)
      }
    }))
})

layer(Layer.orDie(OnnxEngine.layer()), { excludeTestServices: true })("training on the bound", (it) => {
  const steps = 300

  const train = Effect.fnUntraced(function*(noise: Noise, options: ContinuousTime.TimingOptions) {
    const pipeline = yield* pipelineOf(noise, network(32), options)
    const run = yield* Training.start({
      pipeline,
      data: (from: number) =>
        Stream.unfold(from, (index) => Effect.sync(() => [twoHills(index, 128), index + 1] as const)),
      optimizer: adam({ learningRate: LearningRate.cosine({ peak: 1e-2, steps, warmUp: 20 }) }),
      average: ema({ decay: 0.98, warmUp: "ratio" }),
      steps,
      seed: 1
    })
    const reports = yield* Stream.runCollect(run.reports)
    for (const { timesteps } of reports) {
      // What a denoiser is told goes from 0 to about 1000; a schedule whose ends are learned may go beyond.
      assert.isTrue(timesteps!.every((t) => Number.isInteger(t) && t >= -100 && t <= 1200))
    }
    const { average, parameters } = yield* run.snapshot
    const evaluate = (parameters: Pipeline.HostTensors) =>
      Training.evaluate({
        pipeline,
        data: Stream.range(10_000, 10_009).pipe(Stream.map((seed) => twoHills(seed, 500))),
        parameters,
        seed: 5
      })
    const before = yield* evaluate(Pipeline.initialize(pipeline.parameters, { seed: 1 }))
    const after = yield* evaluate(average!)
    return { before, after, parameters, average: average! }
  })

  const requireFalling = (noise: Noise, parameters: Pipeline.HostTensors) => {
    const schedule = noise.continuous(parameters)
    for (let i = 1; i <= 100; i++) assert.isBelow(schedule.logSnr(i / 100), schedule.logSnr((i - 1) / 100))
    return schedule
  }

  it.effect(
    "learns a schedule with the network: with few timesteps, a better one than the line",
    () =>
      Effect.gen(function*() {
        const ends = { logSnrMax: 8, logSnrMin: -6 }
        const noise = learnedNoise({ ...ends, features: 16 })
        const learnt = yield* train(noise, { steps: 8 })
        const line = yield* train(fixedLinear(ends), { steps: 8 })
        assert.isBelow(learnt.after.loss, 0.3 * learnt.before.loss)
        assert.isBelow(learnt.after.loss, line.after.loss - 1)
        assert.isAbove(learnt.after.loss, entropyOfTwoHills)
        const schedule = requireFalling(noise, learnt.parameters)
        requireFalling(noise, learnt.average)
        assert.isAbove(Math.abs(schedule.logSnr(0) - 8), 0.3)
        assert.isAbove(Math.abs(schedule.logSnr(0.5) - (schedule.logSnr(0) + schedule.logSnr(1)) / 2), 0.5)
      }),
    60_000
  )

  it.effect("bounds the entropy in continuous time, and keeps the ends that are fixed", () =>
    Effect.gen(function*() {
      const noise = learnedNoise({ logSnrMax: 8, logSnrMin: -6, ends: "fixed", features: 16 })
      const { after, average, before } = yield* train(noise, {})
      assert.isBelow(after.loss, before.loss - 2)
      assert.isAbove(after.loss + 4 * after.standardError, entropyOfTwoHills)
      const schedule = requireFalling(noise, average)
      assert.closeTo(schedule.logSnr(0), 8, 1e-9)
      assert.closeTo(schedule.logSnr(1), -6, 1e-9)
      // The loss of one example is spread less than on a schedule whose inside has only the gradient of the bound.
      const plain = yield* train(noise, { inside: "bound" })
      assert.closeTo(after.loss, plain.after.loss, 0.4)
      assert.isBelow(after.standardError, 0.92 * plain.after.standardError)
    }), 60_000)
})

describeEngines("onTimesteps", (it) => {
  it.effect("draws with a denoiser of continuous time: Gaussian data from its best prediction", () =>
    Effect.gen(function*() {
      const noise = learnedNoise({ logSnrMax: 8, logSnrMin: -8, ends: "fixed", features: 8 })
      const parameters = anyValues(noise, 3, 0.5)
      const exact = yield* Denoiser.pipe(Effect.provide(gaussianDenoiser(0.6, noise.told)))
      const { denoiser, schedule } = yield* Effect.fromResult(
        ContinuousTime.onTimesteps(exact, noise, parameters, { steps: 200 })
      )
      const continuous = noise.continuous(parameters)
      for (const t of [0, 99, 199]) assert.closeTo(logSnrAt(schedule, t), continuous.logSnr((t + 1) / 200), 1e-9)
      const { data } = yield* Sampling.images({
        sampler: ddim(),
        steps: 200,
        count: 2000,
        batchSize: 2000,
        seed: 3,
        clip: "none",
        parameters: {}
      }).pipe(Effect.provide(
        Layer.mergeAll(Layer.succeed(Denoiser, denoiser), NoiseSchedule.layer(schedule), Objective.noise)
      ))
      const deviation = Math.sqrt(data.reduce((sum, x) => sum + x ** 2, 0) / data.length)
      assert.closeTo(deviation, 0.6, 0.03)
    }))
})

describe("a denoiser on timesteps", () => {
  test.effect("tells the denoiser log-SNR, between timesteps too", () =>
    Effect.gen(function*() {
      const noise = fixedLinear({ logSnrMax: 8, logSnrMin: -8 })
      const shown: Array<ReadonlyArray<number>> = []
      const { denoiser } = Result.getOrThrow(ContinuousTime.onTimesteps(
        {
          name: "listening",
          exampleShape: [1],
          parameters: {},
          draws: () => ({}),
          apply: (_, { t, x }) => {
            shown.push(Array.from(t.dataSync()))
            return x
          }
        },
        noise,
        {},
        { steps: 4 }
      ))
      yield* onHost(() => denoiser.apply({}, { x: tf.zeros([4, 1]), t: tf.tensor1d([0, 1.5, 2.25, 3]), draws: {} }))
      yield* onHost(() => denoiser.apply({}, { x: tf.zeros([1, 1]), t: tf.tensor1d([2], "int32"), draws: {} }))
      for (const [i, expected] of [250, 625, 812.5, 1000].entries()) assert.closeTo(shown[0]![i]!, expected, 1e-3)
      assert.closeTo(shown[1]![0]!, 750, 1e-3)
    }))

  test("refuses no steps", () => {
    const noise = fixedLinear({ logSnrMax: 8, logSnrMin: -8 })
    const denoiser = { name: "none", exampleShape: [1], parameters: {}, draws: () => ({}), apply: () => tf.scalar(0) }
    const error = Result.getOrThrow(Result.flip(ContinuousTime.onTimesteps(denoiser, noise, {}, { steps: 0 })))
    assert.include(error.message, "\"steps\" is 0")
  })
})
