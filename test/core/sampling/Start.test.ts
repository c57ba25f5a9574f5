/**
 * What sampling on an engine starts from, what it keeps, and what the denoiser says besides: noised images, latents, known
 * pixels, dynamic thresholds and learned variances; each as on the host.
 */
import { layer } from "@effect/vitest"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Denoiser, type DenoiserShape, Objective } from "@effusion/core/pipeline"
import {
  ddim,
  ddimInversion,
  ddpm,
  dpmSolver,
  euler,
  heun,
  type Plan,
  type PlanOptions,
  repaint,
  sampleOnHost,
  type Sampler,
  Sampling,
  startOnHost,
  stepOnHost
} from "@effusion/core/sampling"
import { levelAt, linear, NoiseSchedule } from "@effusion/core/schedule"
import { float32, type HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result, Stream } from "effect"
import { assert } from "vitest"
import {
  knownNoise,
  type Samples,
  startingNoise,
  stepNoise
} from "../../../packages/core/src/sampling/internal/noise.ts"
import { closeAll } from "../../support/close.ts"
import { denoiser, exampleShape, exampleSize, onHost, parameters } from "./denoiser.ts"

const schedule = Result.getOrThrow(linear({ steps: 50 }))

/** With what it says of the variance: half of its prediction. */
const withVariance: DenoiserShape = {
  ...denoiser,
  name: "tanh with variance",
  learnsVariance: true,
  apply: (parameters, input) => {
    const prediction = denoiser.apply(parameters, input)
    return tf.concat([prediction, tf.mul(prediction, 0.5)], -1)
  }
}

const services = (shape: DenoiserShape) =>
  Layer.mergeAll(
    Layer.succeed(Denoiser, shape),
    NoiseSchedule.layer(schedule),
    Layer.succeed(Objective, {
      name: "v",
      predictionType: "v_prediction" as const,
      target: ({ noise }) => noise,
      noise: (prediction) => prediction
    })
  )

const axes = services(denoiser)
const options = { seed: 7, count: 3, steps: 8, parameters } as const
const samples: Samples = { seed: 7, first: 0, count: 3, exampleShape }

const planOf = (sampler: Sampler, more: object = {}): Plan =>
  Result.getOrThrow(sampler.plan(schedule, { steps: 8, predictionType: "v_prediction", ...more } as PlanOptions))

const pictures = (rows: number): HostTensor<"float32"> =>
  float32([rows, ...exampleShape], Float32Array.from({ length: rows * exampleSize }, (_, i) => 0.8 * Math.cos(3 * i)))

/** The two largest batches that the samples can be drawn in. */
const inAnyBatch = Effect.fnUntraced(function*(more: Partial<Sampling.SamplingOptions>) {
  const all = { ...options, sampler: ddim(), ...more } as Sampling.SamplingOptions
  const whole = yield* Sampling.images(all)
  const parts = yield* Sampling.images({ ...all, batchSize: 2 })
  closeAll(parts.data, whole.data, 1e-5)
  return whole
})

layer(OnnxEngine.layer())("on the onnx engine", (it) => {
  for (
    const [name, sampler] of [
      ["learned-range", ddpm({ variance: "learned-range" })],
      ["learned-log", ddpm({ variance: "learned-log" })],
      ["learned", ddpm({ variance: "learned" })],
      ["nothing of the variance", ddim({ eta: 0.5 })]
    ] as const
  ) {
    it.effect(`takes of a denoiser that learns the variance: ${name}`, () =>
      Effect.gen(function*() {
        const x = yield* Sampling.images({ ...options, sampler })
        const expected = sampleOnHost(planOf(sampler), {
          noise: startingNoise(samples).data,
          predict: onHost,
          variance: (x, t) => onHost(x, t).map((value) => value / 2),
          stepNoise: (i) => stepNoise(samples, i).data
        })
        closeAll(x.data, expected, 2e-4)
      }).pipe(Effect.provide(services(withVariance))))
  }

  it.effect("guides the prediction, and leaves what is said of the variance", () =>
    Effect.gen(function*() {
      const sampler = ddpm({ variance: "learned-range" })
      const worse = { ...parameters, bias: float32(exampleShape, parameters.bias.data.map((b) => b - 0.2)) }
      const x = yield* Sampling.images({ ...options, sampler, guide: { parameters: worse, scale: 2 } })
      const expected = sampleOnHost(planOf(sampler), {
        noise: startingNoise(samples).data,
        predict: (x, t) => {
          const bad = onHost(x, t, worse)
          return onHost(x, t).map((good, i) => bad[i]! + 2 * (good - bad[i]!))
        },
        variance: (x, t) => onHost(x, t).map((value) => value / 2),
        stepNoise: (i) => stepNoise(samples, i).data
      })
      closeAll(x.data, expected, 2e-4)
    }).pipe(Effect.provide(services(withVariance))))

  it.effect("refuses a learned variance of a denoiser that learns none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Sampling.images({ ...options, sampler: ddpm({ variance: "learned-range" }) }))
      assert.strictEqual(error._tag, "InvalidSampling")
      assert.include(error.message, `"tanh" predicts none`)
    }).pipe(Effect.provide(axes)))

  for (const clip of [{ ratio: 0.6, maximum: 1.5 }, { ratio: 0.995, maximum: 0.5 }, { ratio: 1, maximum: 10 }]) {
    it.effect(`thresholds each example by itself: ${JSON.stringify(clip)}`, () =>
      Effect.gen(function*() {
        const sampler = dpmSolver()
        const wild = { weight: float32(exampleShape, parameters.weight.data.map((w) => 4 * w)), bias: parameters.bias }
        const x = yield* inAnyBatch({ sampler, clip, parameters: wild })
        const expected = sampleOnHost(planOf(sampler, { clip }), {
          noise: startingNoise(samples).data,
          predict: (x, t) => onHost(x, t, wild),
          examples: 3
        })
        closeAll(x.data, expected, 2e-4)
      }).pipe(Effect.provide(axes)))
  }

  it.effect("starts from noised images, part of the way down", () =>
    Effect.gen(function*() {
      for (const sampler of [ddim(), heun(), dpmSolver()]) {
        for (const [strength, skip] of [[0.3, 6], [0.5, 4], [1, 0]] as const) {
          const plan = planOf(sampler, { skip })
          const { signal, spread } = plan.steps[0]!.from
          const images = pictures(3)
          const noise = startingNoise(samples).data
          const start = Float64Array.from(noise, (z, i) => signal * images.data[i]! + spread * z)
          const x = yield* inAnyBatch({ sampler, from: { images, strength } })
          closeAll(x.data, sampleOnHost(plan, { noise: start, predict: onHost }), 2e-4)
        }
      }
    }).pipe(Effect.provide(axes)))

  it.effect("starts every sample from the one image that there is", () =>
    Effect.gen(function*() {
      const one = pictures(1)
      const three = float32([3, ...exampleShape], [...one.data, ...one.data, ...one.data])
      const [a, b] = [
        yield* inAnyBatch({ from: { images: one, strength: 0.5 } }),
        yield* inAnyBatch({ from: { images: three, strength: 0.5 } })
      ]
      assert.deepStrictEqual(a, b)
    }).pipe(Effect.provide(axes)))

  it.effect("refuses what is no image and no strength", () =>
    Effect.gen(function*() {
      const images = pictures(1)
      const misfits: ReadonlyArray<readonly [Partial<Sampling.SamplingOptions>, string]> = [
        [{ from: { images, strength: 0.1 } }, `"strength" 0.1`],
        [{ from: { images, strength: 1.5 } }, `"strength" 1.5`],
        [{ from: { images, strength: NaN } }, `"strength" NaN`],
        [{ from: { images: float32([3, 4], new Float32Array(12)), strength: 1 } }, `"from.images" [3, 4]`],
        [{ from: { latents: float32([0, ...exampleShape], []) } }, `"from.latents" [0, 3, 2, 2]`],
        [{ known: { images, mask: float32([2], [1, 0]) } }, `"known.mask" [2]`],
        [{ known: { images, mask: float32([1, 3, 2, 2], new Float32Array(12).fill(2)) } }, `"known.mask" 2`],
        [
          { known: { images: float32([1, 3, 2, 2], new Float32Array(12).fill(NaN)), mask: images } },
          `"known.images" NaN`
        ]
      ]
      for (const [more, message] of misfits) {
        const error = yield* Effect.flip(
          Sampling.images({ ...options, sampler: ddim(), ...more } as Sampling.SamplingOptions)
        )
        assert.strictEqual(error._tag, "InvalidSampling")
        assert.include(error.message, message)
      }
    }).pipe(Effect.provide(axes)))

  for (const sNoise of [1, 1.1]) {
    it.effect(`takes what it starts from up to the level of churn, with noise times ${sNoise}`, () =>
      Effect.gen(function*() {
        const churned = { sampler: euler({ churn: 4, sNoise }), timesteps: [20, 10, 0], steps: undefined }
        const gamma = Math.min(4 / 3, Math.SQRT2 - 1)
        const { signal, spread } = levelAt(schedule, 20)
        const sigma = spread / signal
        // Karras et al. 2022, algorithm 2: y + sNoise sqrt(sigma_hat^2 - sigma^2) z, for y = x / signal.
        const signalHat = 1 / Math.sqrt(1 + (sigma * (1 + gamma)) ** 2)
        const more = sNoise * sigma * Math.sqrt((1 + gamma) ** 2 - 1)
        const plan = planOf(churned.sampler, churned)
        closeAll([plan.steps[0]!.from.signal], [signalHat], 1e-12)
        const z = startingNoise(samples).data
        const starting = (x: ArrayLike<number>) =>
          sampleOnHost({ ...plan, initialNoiseSigma: 1 }, {
            noise: x,
            predict: onHost,
            stepNoise: (i) => stepNoise(samples, i).data
          })
        const latents = pictures(3)
        const ofLatents = yield* Sampling.images({ ...options, ...churned, from: { latents } })
        const raised = latents.data.map((value, i) => signalHat * (value / signal + more * z[i]!))
        closeAll(ofLatents.data, starting(raised), 2e-4)
        // The image's noise and that of the churn are independent, and drawn as one.
        const ofImages = yield* Sampling.images({ ...options, ...churned, from: { images: latents, strength: 1 } })
        const noised = latents.data.map((value, i) => signalHat * (value + Math.hypot(sigma, more) * z[i]!))
        closeAll(ofImages.data, starting(noised), 2e-4)
      }).pipe(Effect.provide(axes)))
  }

  it.effect("encodes images as DDIM's inversion does, and latents give the images again", () =>
    Effect.gen(function*() {
      const images = float32([3, ...exampleShape], pictures(3).data.map((value) => 0.3 * value))
      const coding = { steps: 50, parameters, clip: "none" } as const
      const latents = yield* Sampling.encode({ ...coding, images })
      const expected = sampleOnHost(planOf(ddimInversion(), { steps: 50, clip: "none" }), {
        noise: images.data,
        predict: onHost
      })
      closeAll(latents.data, expected, 2e-4)
      const again = yield* Sampling.images({ ...options, ...coding, sampler: ddim(), from: { latents } })
      const error = Math.max(...again.data.map((value, i) => Math.abs(value - images.data[i]!)))
      const unrelated = yield* Sampling.images({ ...options, ...coding, sampler: ddim() })
      const distance = Math.max(...unrelated.data.map((value, i) => Math.abs(value - images.data[i]!)))
      assert.isBelow(error, 0.2 * distance)
    }).pipe(Effect.provide(axes)))

  it.effect("puts known pixels back after every step, at its level", () =>
    Effect.gen(function*() {
      const images = pictures(3)
      const mask = float32(
        [1, ...exampleShape],
        Float32Array.from({ length: exampleSize }, (_, i) => i % 3 === 0 ? 1 : 0)
      )
      const known = { images, mask }
      for (
        const sampler of [ddim({ eta: 1 }), dpmSolver(), heun(), repaint(ddpm(), { jumpLength: 2, resamplings: 3 })]
      ) {
        const plan = planOf(sampler)
        const steps = yield* Stream.runCollect(
          Sampling.run({ ...options, sampler, known, trajectory: true, clip: "none" })
        )
        assert.strictEqual(steps.length, plan.steps.length)
        const unclipped = planOf(sampler, { clip: "none" })
        let state = startOnHost(unclipped, startingNoise(samples).data)
        for (const [i, { x }] of steps.entries()) {
          const step = unclipped.steps[i]!
          state = stepOnHost(unclipped, step, state, onHost(state.x, step.timestep), stepNoise(samples, i).data)
          const noise = knownNoise(samples, i).data
          const { signal, spread } = step.to
          state = {
            ...state,
            x: state.x.map((value, k) =>
              k % exampleSize % 3 === 0 ? signal * images.data[k]! + spread * noise[k]! : value
            )
          }
          closeAll(x!.data, state.x, 1e-3)
        }
        for (const [k, value] of steps.at(-1)!.x!.data.entries()) {
          if (k % exampleSize % 3 === 0) assert.strictEqual(value, images.data[k])
        }
      }
      const whole = yield* inAnyBatch({ sampler: ddim(), known })
      const none = float32([1, ...exampleShape], new Float32Array(exampleSize))
      const free = yield* inAnyBatch({ sampler: ddim(), known: { images, mask: none } })
      assert.deepStrictEqual(free, yield* inAnyBatch({ sampler: ddim() }))
      assert.notDeepEqual(whole, free)
    }).pipe(Effect.provide(axes)))
})
