/**
 * Guidance towards classes: its laws, by themselves and in sampling.
 */
import { assert, beforeAll, describe, it, layer } from "@effect/vitest"
import { conversionAt, type PredictionType } from "@effusion/core/diffusion"
import type { Tensor, Tensors } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Denoiser, type DenoiserInput, type DenoiserShape, Objective } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { ddim, ddpm, sampleOnHost, Sampling } from "@effusion/core/sampling"
import { levelAt, linear, NoiseSchedule, sigmaOf } from "@effusion/core/schedule"
import type { HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result } from "effect"
import * as fc from "fast-check"
import { type Guidance, guidedDenoiser, guidedSteps } from "../../../packages/core/src/sampling/internal/guided.ts"
import { startingNoise, stepNoise } from "../../../packages/core/src/sampling/internal/noise.ts"
import * as EagerEngine from "../../support/EagerEngine.ts"
import { denoiser as plain, exampleShape, exampleSize, onHost as plainOnHost, parameters } from "./denoiser.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const T = 50
const schedule = Result.getOrThrow(linear({ steps: T }))
const classes = 3

/** The small denoiser of these tests, moved by what it is told: its prediction is that of x + 0.3 (condition + 1). */
const denoiser: DenoiserShape = {
  ...plain,
  classes,
  apply: (parameters, { condition, x, ...input }) => {
    const shift = tf.reshape(tf.mul(tf.add(tf.cast(condition!, "float32"), 1), 0.3), [x.shape[0]!, 1, 1, 1])
    return plain.apply(parameters, { ...input, x: tf.add(x, shift) })
  }
}

/** The same on the host, each example with its class. */
const onHost = (x: Float64Array, t: number, classOf: (index: number) => number): Float64Array =>
  plainOnHost(x.map((value, i) => value + 0.3 * (classOf(Math.floor(i / exampleSize)) + 1)), t)

const place = ({ data, dtype, shape }: HostTensor): Tensor => tf.tensor(data, [...shape], dtype)
const weights: Tensors = Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, place(value)]))
const elements = (tensor: Tensor): ReadonlyArray<number> => Array.from(tensor.dataSync())

const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void => {
  assert.strictEqual(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    assert.isAtMost(Math.abs(actual[i]! - expected[i]!), tolerance * (1 + Math.abs(expected[i]!)), `element ${i}`)
  }
}

const batch = 4

/** What a denoiser is shown: normal x, any timesteps and classes. */
const inputs = fc.record({
  seed: fc.nat(10_000),
  t: fc.array(fc.integer({ min: 0, max: T - 1 }), { minLength: batch, maxLength: batch }),
  condition: fc.array(fc.nat(classes - 1), { minLength: batch, maxLength: batch })
})

const inputOf = (
  { condition, seed, t }: { seed: number; t: Array<number>; condition: Array<number> }
): DenoiserInput => ({
  x: place(draw(Key.make(seed), { distribution: Distribution.normal, shape: [batch, ...exampleShape] })),
  t: tf.tensor1d(t, "float32"),
  condition: tf.tensor1d(condition, "int32"),
  draws: {}
})

const whole = [0, T - 1] as const
const predict = (guidance: Guidance, input: DenoiserInput): Tensor =>
  guidedDenoiser(denoiser, guidance).apply(weights, input)
const towardsClasses = (classifierFree: Guidance["classifierFree"], input: DenoiserInput): Tensor =>
  predict({ classifierFree }, input)
const unconditional = (input: DenoiserInput): Tensor =>
  denoiser.apply(weights, { ...input, condition: tf.fill(input.t.shape, classes, "int32") })

const scales = fc.double({ min: 0, max: 8, noNaN: true })

/** The standard deviation of each example's elements. */
const deviations = (x: Tensor): ReadonlyArray<number> => {
  const data = elements(x)
  return Array.from({ length: batch }, (_, i) => {
    const own = data.slice(i * exampleSize, (i + 1) * exampleSize)
    const mean = own.reduce((sum, value) => sum + value, 0) / exampleSize
    return Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (exampleSize - 1))
  })
}

describe("guidance towards classes", () => {
  const property = <A>(name: string, arbitrary: fc.Arbitrary<A>, check: (value: A) => void) =>
    it(name, () => fc.assert(fc.property(arbitrary, (value) => tf.tidy(() => check(value))), { numRuns: 30 }))

  property("is the class's prediction at scale 1, and that of no class at scale 0", inputs, (value) => {
    const input = inputOf(value)
    const own = elements(denoiser.apply(weights, input))
    assert.deepStrictEqual(elements(towardsClasses({ scale: 1, timesteps: whole }, input)), own)
    close(elements(towardsClasses({ scale: 0, timesteps: whole }, input)), elements(unconditional(input)))
    assert.notDeepEqual(elements(unconditional(input)), own)
  })

  property("is none + scale (class - none)", fc.tuple(inputs, scales), ([value, scale]) => {
    const input = inputOf(value)
    const none = elements(unconditional(input))
    const expected = elements(denoiser.apply(weights, input)).map((own, i) => none[i]! + scale * (own - none[i]!))
    close(elements(towardsClasses({ scale, timesteps: whole }, input)), expected)
  })

  property(
    "is at work at the timesteps that it is for, and nowhere else",
    fc.tuple(inputs, scales),
    ([value, scale]) => {
      const input = inputOf(value)
      const [first, last] = [10, 30]
      const own = elements(denoiser.apply(weights, input))
      for (const rescale of [0, 0.5]) {
        const everywhere = elements(towardsClasses({ scale, rescale, timesteps: whole }, input))
        const found = elements(towardsClasses({ scale, rescale, timesteps: [first, last] }, input))
        value.t.forEach((t, i) => {
          const range = [i * exampleSize, (i + 1) * exampleSize] as const
          close(found.slice(...range), (t >= first && t <= last ? everywhere : own).slice(...range))
        })
      }
      assert.deepStrictEqual(elements(towardsClasses({ scale, timesteps: undefined }, input)), own)
    }
  )

  property("keeps the deviation of the class's prediction where it is rescaled in full", fc.tuple(inputs, scales), ([
    value,
    scale
  ]) => {
    const input = inputOf(value)
    const own = deviations(denoiser.apply(weights, input))
    close(deviations(towardsClasses({ scale, rescale: 1, timesteps: whole }, input)), own, 1e-4)
    // And is as diffusers' rescale_noise_cfg in between.
    const guided = towardsClasses({ scale, timesteps: whole }, input)
    const ratios = deviations(guided).map((deviation, i) => own[i]! / deviation)
    const expected = elements(guided).map((g, i) => 0.7 * g * ratios[Math.floor(i / exampleSize)]! + 0.3 * g)
    close(elements(towardsClasses({ scale, rescale: 0.7, timesteps: whole }, input)), expected, 1e-4)
  })

  it("is zero, and not NaN, of a network that predicts zero", () =>
    tf.tidy(() => {
      const untrained: DenoiserShape = { ...denoiser, apply: (_, { x }) => tf.zerosLike(x) }
      const guided = guidedDenoiser(untrained, { classifierFree: { scale: 3, rescale: 0.7, timesteps: whole } })
      const out = guided.apply(weights, inputOf({ seed: 1, t: [0, 10, 20, 30], condition: [0, 1, 2, 0] }))
      assert.deepStrictEqual(new Set(elements(out)), new Set([0]))
    }))

  property("follows examples and their classes into any other order", fc.tuple(inputs, scales), ([value, scale]) => {
    const order = tf.tensor1d([2, 0, 3, 1], "int32")
    const { condition, t, x } = inputOf(value)
    const guided = { scale, rescale: 0.3, timesteps: [10, 30] } as const
    const direct = towardsClasses(guided, { x, t, condition: condition!, draws: {} })
    const permuted = towardsClasses(guided, {
      x: tf.gather(x, order),
      t: tf.gather(t, order),
      condition: tf.gather(condition!, order),
      draws: {}
    })
    close(elements(permuted), elements(tf.gather(direct, order)))
  })

  const types = fc.constantFrom<PredictionType>("epsilon", "sample", "v_prediction", "score")
  property(
    "comes to the same in any prediction type",
    fc.tuple(inputs, scales, types, types, fc.integer({ min: 5, max: T - 1 })),
    ([value, scale, from, to, timestep]) => {
      const input = inputOf({ ...value, t: value.t.map(() => timestep) })
      const { prediction, xt } = conversionAt(levelAt(schedule, timestep), { from, to })
      const inOther: DenoiserShape = {
        ...denoiser,
        apply: (parameters, input) => tf.add(tf.mul(input.x, xt), tf.mul(denoiser.apply(parameters, input), prediction))
      }
      const guidance: Guidance = { classifierFree: { scale, timesteps: whole } }
      const there = elements(guidedDenoiser(inOther, guidance).apply(weights, input))
      const x = elements(input.x)
      const expected = elements(predict(guidance, input)).map((value, i) => xt * x[i]! + prediction * value)
      const magnitude = 1 + Math.abs(xt) + Math.abs(prediction) * (1 + scale)
      there.forEach((value, i) => assert.isAtMost(Math.abs(value - expected[i]!), 1e-5 * magnitude * 4))
    }
  )

  property("adds up with a guide, each going on beyond the same prediction", fc.tuple(inputs, scales, scales), ([
    value,
    scale,
    more
  ]) => {
    const input = inputOf(value)
    const bad = { weight: weights["bias"]!, bias: weights["weight"]! }
    const both = guidedDenoiser(denoiser, { guideScale: 1 + more, classifierFree: { scale, timesteps: whole } })
    const parameters = Object.fromEntries([
      ...Object.entries(weights).map(([name, tensor]) => [`trained.${name}`, tensor]),
      ...Object.entries(bad).map(([name, tensor]) => [`guide.${name}`, tensor])
    ])
    const own = elements(denoiser.apply(weights, input))
    const worse = elements(denoiser.apply(bad, input))
    const none = elements(unconditional(input))
    const expected = own.map((good, i) => good + more * (good - worse[i]!) + (scale - 1) * (good - none[i]!))
    close(elements(both.apply(parameters, input)), expected)
  })

  it("is for the steps that begin in its interval of noise, above the first end and up to the second", () => {
    const plan = Result.getOrThrow(ddim().plan(schedule, { steps: 10, predictionType: "epsilon" }))
    const timesteps = plan.steps.map(({ timestep }) => timestep)
    const sigmas = plan.steps.map(({ from }) => sigmaOf(from))
    const [from, to] = [sigmas[6]!, sigmas[2]!]
    assert.deepStrictEqual(guidedSteps(plan, { scale: 2, interval: [from, to] }).timesteps, [
      timesteps[5]!,
      timesteps[2]!
    ])
    assert.deepStrictEqual(guidedSteps(plan, { scale: 2 }).timesteps, [timesteps[9]!, timesteps[0]!])
    assert.isUndefined(guidedSteps(plan, { scale: 2, interval: [1e6, 1e7] }).timesteps)
  })
})

const axes = Layer.mergeAll(
  Layer.succeed(Denoiser, denoiser),
  NoiseSchedule.layer(schedule),
  Layer.succeed(Objective, {
    name: "v",
    predictionType: "v_prediction",
    target: ({ noise }) => noise,
    noise: (prediction) => prediction
  })
)

const options = { sampler: ddpm(), steps: 8, count: 5, seed: 7, parameters } as const

for (const [name, engine] of [["onnx", OnnxEngine.layer()], ["eager", EagerEngine.layer]] as const) {
  layer(engine)(`sampling by classes (${name})`, (it) => {
    it.effect("gives what the host gives: each sample of its class, guided at the steps in the interval", () =>
      Effect.gen(function*() {
        const plan = Result.getOrThrow(ddpm().plan(schedule, { steps: 8, predictionType: "v_prediction" }))
        const samples = { seed: 7, first: 0, count: 5, exampleShape }
        const sigmas = plan.steps.map(({ from }) => sigmaOf(from))
        const interval = [sigmas[6]!, sigmas[1]!] as const
        const levelOf = new Map(plan.steps.map(({ from, timestep }) => [timestep, sigmaOf(from)]))
        // 3 is none of the three classes.
        for (const labels of [undefined, [1], [2, 0], [3, 1]]) {
          const classOf = (i: number) => labels === undefined ? classes : labels[i % labels.length]!
          const scale = labels === undefined ? 1 : 3
          const images = yield* Sampling.images({
            ...options,
            labels,
            classifierFree: labels === undefined ? undefined : { scale, interval }
          })
          const expected = sampleOnHost(plan, {
            noise: startingNoise(samples).data,
            predict: (x, t) => {
              const sigma = levelOf.get(t)!
              const own = onHost(x, t, classOf)
              if (!(sigma > interval[0] && sigma <= interval[1])) return own
              const none = onHost(x, t, () => classes)
              return own.map((value, i) => none[i]! + scale * (value - none[i]!))
            },
            stepNoise: (i) => stepNoise(samples, i).data
          })
          close(images.data, expected, 1e-4)
        }
      }).pipe(Effect.provide(axes)))

    it.effect("gives sample i whatever the batches", () =>
      Effect.gen(function*() {
        const classy = { ...options, labels: [0, 1, 2], classifierFree: { scale: 2, rescale: 0.5 } } as const
        const images = yield* Sampling.images(classy)
        for (const [count, batchSize] of [[5, 2], [5, 3], [2, 64]] as const) {
          const again = yield* Sampling.images({ ...classy, count, batchSize })
          close(again.data, images.data.slice(0, count * exampleSize))
        }
      }).pipe(Effect.provide(axes)))

    it.effect("refuses classes that there are not, and guidance towards none", () =>
      Effect.gen(function*() {
        const failureOf = (changed: Partial<Sampling.SamplingOptions>) =>
          Effect.map(
            Effect.flip(Sampling.images({ ...options, ...changed } as Sampling.SamplingOptions)),
            ({ message }) => message
          )
        assert.include(yield* failureOf({ labels: [0, 4] }), `"labels" 4: it is a class from 0 to 2, or 3 for none`)
        assert.include(yield* failureOf({ labels: [-1] }), `"labels" -1`)
        assert.include(yield* failureOf({ labels: [0.5] }), `"labels" 0.5`)
        assert.include(yield* failureOf({ labels: [] }), "at least one class")
        assert.include(yield* failureOf({ classifierFree: { scale: 2 } }), "for samples with labels")
        const labels = [1]
        assert.include(yield* failureOf({ labels, classifierFree: { scale: -1 } }), `"classifierFree.scale" -1`)
        assert.include(yield* failureOf({ labels, classifierFree: { scale: NaN } }), `"classifierFree.scale" NaN`)
        assert.include(
          yield* failureOf({ labels, classifierFree: { scale: 2, rescale: 2 } }),
          `"classifierFree.rescale" 2`
        )
        assert.include(
          yield* failureOf({ labels, classifierFree: { scale: 2, interval: [3, 1] } }),
          `"classifierFree.interval" 3,1`
        )
        const untold = (changed: Partial<Sampling.SamplingOptions>) =>
          Effect.provideService(failureOf(changed), Denoiser, plain)
        assert.include(yield* untold({ labels }), "the network is told no classes")
        assert.include(yield* untold({ classifierFree: { scale: 2 } }), "the network is told no classes")
      }).pipe(Effect.provide(axes)))
  })
}
