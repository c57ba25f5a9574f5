/**
 * Self-conditioning: what the denoiser is shown of its own estimate, and that no gradient flows through it.
 */
import { assert, describe, it } from "@effect/vitest"
import { conversion, type PredictionType, predictionTypes } from "@effusion/core/diffusion"
import { Engine, stateless, type Tensor, type Tensors } from "@effusion/core/engine"
import { Denoiser, noisePrediction, Objective, Pipeline } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { cosine, levelAt, NoiseSchedule, rescaleZeroTerminalSnr } from "@effusion/core/schedule"
import { float32, type HostTensor, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"

const T = 20
const schedule = Result.getOrThrow(cosine({ steps: T }))
const zeroTerminal = Result.getOrThrow(rescaleZeroTerminalSnr(schedule))

/** prediction = w x + u estimate, with dropout of the whole where there are draws. */
const linear = Layer.succeed(Denoiser, {
  name: "linear",
  exampleShape: [2],
  parameters: {
    w: { shape: [], initializer: () => Float32Array.of(0.7) },
    u: { shape: [], initializer: () => Float32Array.of(-0.4) }
  },
  selfConditions: true,
  draws: (batch) => ({ mask: { distribution: Distribution.bernoulli(0.5), shape: [batch, 2] } }),
  apply: ({ u, w }, { draws, selfCondition, x }) => {
    const prediction = tf.add(tf.mul(x, w!), tf.mul(selfCondition!, u!))
    return draws["mask"] === undefined ? prediction : tf.mul(prediction, draws["mask"])
  }
})

const objective = (predictionType: PredictionType) =>
  Layer.succeed(Objective, {
    name: predictionType,
    predictionType,
    target: ({ noise }) => noise,
    noise: (prediction) => prediction
  })

const services = (predictionType: PredictionType) =>
  Layer.mergeAll(linear, objective(predictionType), NoiseSchedule.layer(schedule))

const batch = 4
const normal = (seed: number, name: string) =>
  draw(Key.fold(Key.make(seed), name), { distribution: Distribution.normal, shape: [batch, 2] })

/** A batch as the stage finds it. */
const inputsOf = (seed: number): { readonly [name: string]: HostTensor } => {
  const t = draw(Key.make(seed), { distribution: Distribution.integers(0, T), shape: [batch] })
  const [x0, noise] = [normal(seed, "x0"), normal(seed, "noise")]
  const at = (i: number) => levelAt(schedule, t.data[i >> 1]!)
  const xt = Float32Array.from(x0.data, (value, i) => at(i).signal * value + at(i).spread * noise.data[i]!)
  return { x0, noise, xt: float32([batch, 2], xt), t: int32([batch], Array.from(t.data)) }
}

/** What the denoiser is shown, in float64 on the host. */
const estimates = (inputs: { readonly [name: string]: HostTensor }, from: PredictionType, w: number) =>
  Array.from(inputs["xt"]!.data, (xt, i) => {
    const { prediction, xt: ofX } = conversion(schedule, inputs["t"]!.data[i >> 1]!, { from, to: "sample" })
    return Math.min(1, Math.max(-1, ofX * xt + prediction * w * xt))
  })

const close = (actual: ArrayLike<number>, expected: ReadonlyArray<number>, tolerance: number) => {
  assert.strictEqual(actual.length, expected.length)
  expected.forEach((value, i) => assert.closeTo(actual[i]!, value, tolerance * (1 + Math.abs(value))))
}

describeEngines("self-conditioning", (it) => {
  it.effect("shows the denoiser its own estimate, clipped, or zeros to those that the draw says, without gradient", () =>
    forAll(
      fc.record({ seed: fc.nat(1000), predictionType: fc.constantFrom(...predictionTypes), training: fc.boolean() }),
      Effect.fnUntraced(function*({ predictionType, seed, training }) {
        const stage = yield* Effect.provide(noisePrediction, services(predictionType))
        const [w, u] = [0.7, -0.4]
        const inputs = inputsOf(seed)
        const specs = { x0: inputs["x0"]!, xt: inputs["xt"]!, noise: inputs["noise"]!, t: inputs["t"]! }
        const drawn = training ? Pipeline.draws(stage, specs, { seed, step: 0 }) : {}
        const all = { ...inputs, ...drawn, w: float32([], [w]), u: float32([], [u]) }
        const program = stateless<Tensors, Tensors>("self-conditioning", all, (input) => {
          const predict = (w: Tensor, u: Tensor) =>
            stage.apply(input as never, {
              parameters: { w, u },
              draws: Object.fromEntries(Object.keys(drawn).map((name) => [name, input[name]!]))
            }).prediction
          const [dw, du] = tf.grads((w: Tensor, u: Tensor) => tf.sum(predict(w, u)))([input["w"]!, input["u"]!])
          return { prediction: predict(input["w"]!, input["u"]!), dw: dw!, du: du! }
        })
        const engine = yield* Engine
        const instance = yield* (yield* engine.compile(program)).start({})
        const out = yield* instance.step(all)

        const mask = (i: number) => training ? drawn["mask"]!.data[i]! : 1
        const shown = estimates(inputs, predictionType, w).map((value, i) =>
          training ? value * drawn["selfCondition"]!.data[i >> 1]! : value
        )
        const xt = Array.from(inputs["xt"]!.data)
        close(out["prediction"]!.data, xt.map((x, i) => mask(i) * (w * x + u * shown[i]!)), 1e-3)
        // Were there a gradient through the estimate, d prediction / d w would have a term u d estimate / d w.
        close(out["dw"]!.data, [xt.reduce((sum, x, i) => sum + mask(i) * x, 0)], 1e-4)
        close(out["du"]!.data, [shown.reduce((sum, e, i) => sum + mask(i) * e, 0)], 1e-3)
      }),
      { numRuns: 12 }
    ))
})

describe("self-conditioning", () => {
  it.effect("has no estimate where a prediction says nothing of the data", () =>
    Effect.gen(function*() {
      const stage = yield* noisePrediction
      yield* Effect.promise(() => tf.setBackend("cpu"))
      const place = (shape: ReadonlyArray<number>, dtype: "float32" | "int32", values: ReadonlyArray<number>) =>
        tf.tensor(values, [...shape], dtype)
      const x = place([2, 2], "float32", [0.3, -0.2, 0.5, 0.9])
      // The second example is pure noise, of which the prediction is the noise.
      const input = { x0: x, noise: x, xt: x, t: place([2], "int32", [0, T - 1]) }
      const { prediction } = stage.apply(input, { parameters: { w: tf.scalar(0), u: tf.scalar(1) }, draws: {} })
      const [a, b, ...rest] = Array.from(prediction.dataSync())
      close([a!, b!], [0.3, -0.2].map((value) => value / levelAt(zeroTerminal, 0).signal), 1e-5)
      assert.deepStrictEqual(rest, [0, 0])
    }).pipe(Effect.provide(Layer.mergeAll(linear, objective("epsilon"), NoiseSchedule.layer(zeroTerminal)))))

  it.effect("is for half of the examples, each by itself", () =>
    Effect.gen(function*() {
      const stage = yield* noisePrediction
      const count = 20_000
      const spec = { shape: [count, 2], dtype: "float32" as const }
      const specs = { x0: spec, xt: spec, noise: spec, t: { shape: [count], dtype: "int32" as const } }
      const shown = Pipeline.draws(stage, specs, { seed: 3, step: 1 })["selfCondition"]!
      assert.deepStrictEqual(shown.shape, [count])
      assert.closeTo(Array.from(shown.data).filter((one) => one === 1).length / count, 0.5, 5 * Math.sqrt(0.25 / count))
      assert.deepStrictEqual(Pipeline.draws(stage, specs, { seed: 3, step: 1, mode: "evaluation" }), {})
    }).pipe(Effect.provide(services("epsilon"))))
})
