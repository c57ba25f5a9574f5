/**
 * Sampling on an engine: the numbers of the host, whatever the batches; and nothing left behind.
 */
import { layer } from "@effect/vitest"
import type { PredictionType } from "@effusion/core/diffusion"
import { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Denoiser, type DenoiserShape, Objective } from "@effusion/core/pipeline"
import {
  ddim,
  ddimInversion,
  ddpm,
  deis,
  dpmSolver,
  dpmSolverSinglestep,
  edm,
  euler,
  eulerAncestral,
  heun,
  lms,
  type Plan,
  sampleOnHost,
  Sampling,
  startOnHost,
  stepOnHost,
  uniPC
} from "@effusion/core/sampling"
import { linear, NoiseSchedule } from "@effusion/core/schedule"
import { float32, zeros } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Exit, Fiber, Layer, Result, Stream } from "effect"
import { assert, describe, it } from "vitest"
import { startingNoise, stepNoise } from "../../../packages/core/src/sampling/internal/noise.ts"
import { denoisingProgram, startingState, stepInput } from "../../../packages/core/src/sampling/internal/program.ts"
import { closeAll } from "../../support/close.ts"
import { denoiser, exampleShape, exampleSize, onHost, parameters } from "./denoiser.ts"
import * as diffusers from "./diffusers.ts"

const T = 50
const schedule = Result.getOrThrow(linear({ steps: T }))

const objective = (predictionType: PredictionType) =>
  Layer.succeed(Objective, {
    name: predictionType,
    predictionType,
    target: ({ noise }) => noise,
    noise: (prediction) => prediction
  })

const axes = Layer.mergeAll(
  Layer.succeed(Denoiser, denoiser),
  NoiseSchedule.layer(schedule),
  objective("v_prediction")
)

const nothingHeld = { executables: 0, instances: 0, tensors: 0, bytes: 0 }

layer(OnnxEngine.layer())("on the onnx engine", (it) => {
  it.effect("one program takes every step of every sampler as the host does", () =>
    Effect.gen(function*() {
      const batch = 2
      const engine = yield* Engine
      const plans: ReadonlyArray<Plan> = [
        ...(["epsilon", "sample", "v_prediction"] as const).flatMap((predictionType) =>
          [ddpm(), ddpm({ variance: "fixed-large" }), ddim(), ddim({ eta: 0.7 }), ddim({ useClippedModelOutput: true })]
            .flatMap((sampler) =>
              [{ steps: T }, { steps: 7, spacing: "trailing" } as const, { steps: 1 }].map((grid) =>
                Result.getOrThrow(sampler.plan(schedule, { ...grid, predictionType }))
              )
            )
        ),
        Result.getOrThrow(ddpm().plan(schedule, { steps: T, predictionType: "sample", clip: "none" })),
        Result.getOrThrow(ddim().plan(schedule, { steps: 5, predictionType: "sample", clip: 0.2 }))
      ]
      const executable = yield* engine.compile(denoisingProgram(denoiser, parameters, { batch, memory: [] }))
      const instance = yield* executable.start({ x: zeros([batch, ...exampleShape]) })
      for (const plan of plans) {
        const samples = { seed: 3, first: 0, count: batch, exampleShape }
        const start = startingNoise(samples)
        yield* instance.write(startingState(plan, start))
        for (const [i, step] of plan.steps.entries()) {
          yield* instance.step(stepInput(plan, step, stepNoise(samples, i)))
        }
        const expected = sampleOnHost(plan, {
          noise: start.data,
          predict: onHost,
          stepNoise: (i) => stepNoise(samples, i).data
        })
        closeAll((yield* instance.read)["x"]!.data, expected, 1e-4)
      }
    }))

  it.effect("solvers that remember run as they do on the host", () =>
    Effect.gen(function*() {
      const batch = 3
      const engine = yield* Engine
      const solvers = [
        euler({ churn: 3 }),
        eulerAncestral(),
        heun(),
        edm(),
        dpmSolver({ order: 3 }),
        dpmSolver({ algorithm: "sde-dpmsolver++" }),
        dpmSolver({ algorithm: "dpmsolver", solverType: "heun" }),
        dpmSolverSinglestep({ order: 3 }),
        deis({ order: 3 }),
        uniPC({ order: 3 }),
        lms(),
        ddimInversion()
      ]
      for (const solver of solvers) {
        const plan = {
          ...Result.getOrThrow(solver.plan(schedule, { steps: 7, predictionType: "v_prediction" })),
          initialNoiseSigma: 0.5
        }
        const executable = yield* engine.compile(denoisingProgram(denoiser, parameters, { batch, memory: plan.memory }))
        const start = startingNoise({ seed: 3, first: 0, count: batch, exampleShape })
        const instance = yield* executable.start(startingState(plan, start))
        let expected = startOnHost(plan, start.data)
        for (const [i, step] of plan.steps.entries()) {
          const noise = stepNoise({ seed: 3, first: 0, count: batch, exampleShape }, i)
          yield* instance.step(stepInput(plan, step, noise))
          expected = stepOnHost(plan, step, expected, onHost(expected.x, step.timestep), noise.data)
          const state = yield* instance.read
          closeAll(state["x"]!.data, expected.x, 1e-4)
          for (const name of plan.memory) closeAll(state[`memory.${name}`]!.data, expected.memory[name]!, 1e-4)
        }
      }
    }))

  it.effect("meets diffusers' numbers", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const dummy: DenoiserShape = {
        name: "dummy",
        exampleShape: diffusers.shape.slice(1),
        parameters: {},
        draws: () => ({}),
        apply: (_, { t, x }) => {
          const time = tf.reshape(tf.cast(t, "float32"), [4, 1, 1, 1])
          return tf.mul(x, tf.div(time, tf.add(time, 1)))
        }
      }
      const start = float32(diffusers.shape, Float32Array.from(diffusers.sample))
      const executable = yield* engine.compile(denoisingProgram(dummy, {}, { batch: 4, memory: [] }))
      const instance = yield* executable.start({ x: start })
      for (
        const name of ["ddim.no_noise", "ddim.v_prediction", "ddim.eps.trailing", "ddpm.zeronoise.eps.50steps.leading"]
      ) {
        const golden = diffusers.goldens.find((golden) => golden.name === name)!
        const { prediction_type: predictionType = "epsilon", timestep_spacing: spacing } = golden.config
        const sampler = name.startsWith("ddpm") ? ddpm() : ddim()
        const plan = Result.getOrThrow(sampler.plan(diffusers.scheduleOf(golden.config), {
          steps: golden.loop.num_inference_steps,
          spacing,
          predictionType
        }))
        yield* instance.write(startingState(plan, start))
        for (const step of plan.steps) yield* instance.step(stepInput(plan, step, zeros(diffusers.shape)))
        const x = Float64Array.from((yield* instance.read)["x"]!.data)
        closeAll([diffusers.absSum(x)], [golden.abs_sum], 1e-4 * golden.abs_sum)
        closeAll(diffusers.elements(x), [golden.x_0_0_0_0, golden.x_3_2_7_7, golden.x_1_1_3_4], 1e-4)
      }
    }))

  const options = { sampler: ddpm(), steps: 10, count: 5, seed: 7, parameters } as const

  it.effect("gives the samples that the host gives for the same noise", () =>
    Effect.gen(function*() {
      const images = yield* Sampling.images(options)
      const plan = Result.getOrThrow(ddpm().plan(schedule, { steps: 10, predictionType: "v_prediction" }))
      const samples = { seed: 7, first: 0, count: 5, exampleShape }
      const expected = sampleOnHost(plan, {
        noise: startingNoise(samples).data,
        predict: onHost,
        stepNoise: (i) => stepNoise(samples, i).data
      })
      assert.deepStrictEqual(images.shape, [5, ...exampleShape])
      closeAll(images.data, expected, 1e-4)
    }).pipe(Effect.provide(axes)))

  it.effect("gives the same samples for the same seed, bit by bit, and others for another", () =>
    Effect.gen(function*() {
      const images = yield* Sampling.images(options)
      assert.deepStrictEqual(yield* Sampling.images(options), images)
      const other = yield* Sampling.images({ ...options, seed: 8 })
      assert.isAbove(Math.max(...other.data.map((value, i) => Math.abs(value - images.data[i]!))), 0.1)
    }).pipe(Effect.provide(axes)))

  it.effect("gives sample i whatever the batches and the number of samples", () =>
    Effect.gen(function*() {
      const images = yield* Sampling.images({ ...options, batchSize: 5 })
      for (const [count, batchSize] of [[5, 1], [5, 2], [5, 3], [5, 4], [5, 64], [1, 64], [3, 2], [4, 3]] as const) {
        const again = yield* Sampling.images({ ...options, count, batchSize })
        assert.deepStrictEqual(again.shape, [count, ...exampleShape])
        closeAll(again.data, images.data.slice(0, count * exampleSize), 1e-5)
      }
    }).pipe(Effect.provide(axes)))

  it.effect("reports every step, batch by batch, with x at the end of each", () =>
    Effect.gen(function*() {
      const reports = yield* Stream.runCollect(Sampling.run({ ...options, steps: 4, batchSize: 3 }))
      const { steps } = Result.getOrThrow(ddpm().plan(schedule, { steps: 4, predictionType: "v_prediction" }))
      assert.deepStrictEqual(
        reports.map(({ x, ...report }) => ({ ...report, x: x?.shape })),
        [{ first: 0, count: 3 }, { first: 3, count: 2 }].flatMap(({ count, first }) =>
          steps.map(({ timestep }, i) => ({
            first,
            count,
            step: i + 1,
            of: 4,
            timestep,
            x: i === 3 ? [count, ...exampleShape] : undefined
          }))
        )
      )
    }).pipe(Effect.provide(axes)))

  it.effect("reads x after every step for a trajectory, which ends where sampling ends", () =>
    Effect.gen(function*() {
      const reports = yield* Stream.runCollect(Sampling.run({ ...options, trajectory: true }))
      const plan = Result.getOrThrow(ddpm().plan(schedule, { steps: 10, predictionType: "v_prediction" }))
      const samples = { seed: 7, first: 0, count: 5, exampleShape }
      let state = startOnHost(plan, startingNoise(samples).data)
      assert.strictEqual(reports.length, plan.steps.length)
      for (const [i, step] of plan.steps.entries()) {
        state = stepOnHost(plan, step, state, onHost(state.x, step.timestep), stepNoise(samples, i).data)
        closeAll(reports[i]!.x!.data, state.x, 1e-4)
      }
      assert.deepStrictEqual(reports.at(-1)!.x, yield* Sampling.images(options))
    }).pipe(Effect.provide(axes)))

  it.effect("is guided as the host is by guide + scale (trained - guide)", () =>
    Effect.gen(function*() {
      const others = { weight: parameters.bias, bias: parameters.weight }
      const plan = Result.getOrThrow(ddpm().plan(schedule, { steps: 10, predictionType: "v_prediction" }))
      const samples = { seed: 7, first: 0, count: 5, exampleShape }
      for (const scale of [1, 1.5, 3]) {
        const images = yield* Sampling.images({ ...options, guide: { parameters: others, scale } })
        const expected = sampleOnHost(plan, {
          noise: startingNoise(samples).data,
          predict: (x, t) => {
            const bad = onHost(x, t, others)
            return onHost(x, t).map((good, i) => bad[i]! + scale * (good - bad[i]!))
          },
          stepNoise: (i) => stepNoise(samples, i).data
        })
        closeAll(images.data, expected, 1e-4)
      }
    }).pipe(Effect.provide(axes)))

  it.effect("is not moved by a guide that predicts the same, whatever the scale", () =>
    Effect.gen(function*() {
      const images = yield* Sampling.images(options)
      for (const scale of [1, 2, 7]) {
        closeAll((yield* Sampling.images({ ...options, guide: { parameters, scale } })).data, images.data, 1e-4)
      }
    }).pipe(Effect.provide(axes)))

  it.effect("clips estimates to [-1, 1] unless told", () =>
    Effect.gen(function*() {
      const constant: DenoiserShape = {
        ...denoiser,
        parameters: {},
        apply: (_, { x }) => tf.fill(x.shape, -3)
      }
      const end = (clip?: number | "none") =>
        Sampling.images({ sampler: ddim(), steps: 5, count: 1, seed: 0, parameters: {}, clip }).pipe(
          Effect.map(({ data }) => new Set(data)),
          Effect.provide([Layer.succeed(Denoiser, constant), NoiseSchedule.layer(schedule), objective("sample")])
        )
      assert.deepStrictEqual(yield* end(), new Set([-1]))
      assert.deepStrictEqual(yield* end(2), new Set([-2]))
      assert.deepStrictEqual(yield* end("none"), new Set([-3]))
    }))

  it.effect("holds nothing once it has ended, been left early, failed or been interrupted", () =>
    Effect.gen(function*() {
      const { memory } = yield* Engine
      const run = Sampling.run(options)
      yield* Stream.runDrain(run)
      assert.deepStrictEqual(yield* memory, nothingHeld)

      const held = yield* Stream.runCollect(run.pipe(Stream.mapEffect(() => memory), Stream.take(3)))
      assert.deepStrictEqual(held.map(({ executables, instances }) => [executables, instances]), [[1, 1], [1, 1], [
        1,
        1
      ]])
      assert.deepStrictEqual(yield* memory, nothingHeld)

      const failed = yield* Effect.exit(
        Stream.runForEach(run, ({ step }) => step === 2 ? Effect.fail("enough") : Effect.void)
      )
      assert.isTrue(Exit.isFailure(failed))
      assert.deepStrictEqual(yield* memory, nothingHeld)

      const fiber = yield* Effect.forkChild(
        Stream.runForEach(run, ({ step }) => step === 2 ? Effect.never : Effect.void)
      )
      while ((yield* memory).instances === 0) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* memory, nothingHeld)
    }).pipe(Effect.provide(axes)))

  const failureOf = (changed: Partial<Sampling.SamplingOptions>) =>
    Effect.flip(Sampling.images({ ...options, ...changed } as Sampling.SamplingOptions))

  it.effect("refuses what it cannot do, by name, before it compiles anything", () =>
    Effect.gen(function*() {
      for (
        const [option, value] of [["count", 0], ["count", 1.5], ["count", NaN], ["batchSize", 0], [
          "batchSize",
          -1
        ]] as const
      ) {
        const error = yield* failureOf({ [option]: value })
        assert.strictEqual(error._tag, "InvalidSampling")
        assert.include(error.message, `"${option}" ${value}`)
      }
      for (const steps of [0, T + 1, 2.5]) {
        const error = yield* failureOf({ steps })
        assert.strictEqual(error._tag, "InvalidTimesteps")
        assert.include(error.message, `${steps} timesteps`)
      }
      assert.strictEqual((yield* failureOf({ sampler: ddim({ eta: 2 }) }))._tag, "InvalidSampling")
      assert.strictEqual((yield* failureOf({ clip: -1 }))._tag, "InvalidSampling")

      const missing = yield* failureOf({ parameters: { weight: parameters.weight } })
      assert.strictEqual(missing._tag, "ParameterMismatch")
      assert.include(missing.message, `"bias"`)
      const unguided = yield* failureOf({ guide: { parameters: { weight: parameters.weight }, scale: 2 } })
      assert.strictEqual(unguided._tag, "ParameterMismatch")
      assert.include(unguided.message, `"bias"`)
      for (const scale of [0.5, NaN, Infinity]) {
        const error = yield* failureOf({ guide: { parameters, scale } })
        assert.strictEqual(error._tag, "InvalidSampling")
        assert.include(error.message, `"guide.scale" ${scale}`)
      }
      const misshapen = yield* failureOf({ parameters: { ...parameters, weight: zeros([12]) } })
      assert.strictEqual(misshapen._tag, "ParameterMismatch")
      assert.include(misshapen.message, "shape [3, 2, 2], and was given shape [12]")
    }).pipe(Effect.provide(axes)))
})

describe("the noise of a sample", () => {
  it("is a function of seed, index and step: not of the batch", () => {
    const at = (first: number, count: number) => ({ seed: 5, first, count, exampleShape })
    const whole = { start: startingNoise(at(0, 7)).data, third: stepNoise(at(0, 7), 3).data }
    for (const [first, count] of [[0, 1], [0, 7], [2, 3], [6, 1]] as const) {
      const range = [first * exampleSize, (first + count) * exampleSize] as const
      assert.deepStrictEqual(startingNoise(at(first, count)).data, whole.start.slice(...range))
      assert.deepStrictEqual(stepNoise(at(first, count), 3).data, whole.third.slice(...range))
    }
  })

  it("is nowhere the same: 8 seeds, 4 samples, the start and 6 steps", () => {
    const firsts = Array.from({ length: 8 }, (_, seed) => {
      const samples = { seed, first: 0, count: 4, exampleShape }
      return [startingNoise(samples), ...Array.from({ length: 6 }, (_, position) => stepNoise(samples, position))]
    }).flat().flatMap(({ data }) => Array.from(data))
    assert.strictEqual(firsts.length, 8 * 7 * 4 * exampleSize)
    // Of 2688 float32 normals a few may coincide by chance; a repeated tensor would give at least 12.
    assert.isAtLeast(new Set(firsts).size, firsts.length - 6)
  })
})
