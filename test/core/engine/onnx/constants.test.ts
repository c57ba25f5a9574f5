/** Whether weights are constants: of programs that train and that sample, with a network that resizes images. */
import { assert, describe, it } from "@effect/vitest"
import { type Program, stateless, type Tensors } from "@effusion/core/engine"
import { Optimizations } from "@effusion/core/engine/onnx"
import { adam, ema } from "@effusion/core/optimizer"
import { Denoiser, type DenoiserShape, Pipeline } from "@effusion/core/pipeline"
import { float32, sizeOf } from "@effusion/core/tensor"
import { trainingProgram } from "@effusion/core/training"
import { MLP, UNet } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Record } from "effect"
import { settingsOf } from "../../../../packages/core/src/engine/onnx/internal/settings.ts"
import { computesWithConstants } from "../../../../packages/core/src/engine/onnx/lowering/constants.ts"
import { lower } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import { withKnown } from "../../../../packages/core/src/sampling/internal/known.ts"
import { denoisingProgram } from "../../../../packages/core/src/sampling/internal/program.ts"
import { pipelineOf } from "../../../support/simplifiedObjective.ts"
import { tinyUNet } from "../../../support/tinyTraining.ts"

const batch = 2
const shapes = { in: [3, 3, 1, 16], middle: [3, 3, 16, 16], out: [3, 3, 16, 1] }

const convolve = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same")

/** Computes on images twice as large. */
const resizing: DenoiserShape = {
  name: "resizing",
  exampleShape: [32, 32, 1],
  parameters: Record.map(shapes, (shape) => ({ shape, initializer: (_, shape) => new Float32Array(sizeOf(shape)) })),
  draws: () => ({}),
  apply: (weights, { t, x }) => {
    const time = tf.reshape(tf.div(tf.cast(t, "float32"), 1000), [batch, 1, 1, 1])
    const small = tf.add(convolve(x, weights["in"]!), time)
    const large = tf.image.resizeBilinear(small as tf.Tensor4D, [64, 64], false, true)
    const same = tf.avgPool(tf.relu(convolve(large, weights["middle"]!)) as tf.Tensor4D, 2, 2, "valid")
    return convolve(same, weights["out"]!)
  }
}

const lowered = <S extends Tensors, I extends Tensors, O extends Tensors>(
  program: Program<S, I, O>,
  options: Parameters<typeof lower>[1] = {}
) => Effect.map(trace(program, "onnx"), (graph) => lower(graph, options))

const training = Effect.gen(function*() {
  const stage = Pipeline.fuse(yield* pipelineOf(Layer.succeed(Denoiser, resizing), 1000))
  const x0 = float32([batch, ...resizing.exampleShape], new Float32Array(2048))
  const average = ema({ decay: 0.9 })
  return trainingProgram({ stage, input: { x0 }, optimizer: adam({ learningRate: 1e-3 }), average }).program
})

const sines = (shape: ReadonlyArray<number>) =>
  float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i)))

const weights = Record.map(shapes, sines)

/** The matrices of a model that could be weights. */
const matrices = ({ initializers }: ReturnType<typeof lower>) =>
  initializers.filter(({ data, shape }) => shape.length === 2 && data.length >= 1024)

describe("the weights of a network that resizes", () => {
  it.effect("are state where it is trained, though the gradient of resizing has constant matrices", () =>
    Effect.gen(function*() {
      const program = yield* training
      for (const options of [{}, { convolutionBlock: 16 }, { stateBlock: 100 }, { rematerialize: true }]) {
        const model = yield* lowered(program, options)
        assert.isNotEmpty(matrices(model))
        assert.isFalse(computesWithConstants(model))
        const { optimize, overwritten } = settingsOf(model, Optimizations.all)
        assert.isFalse(optimize)
        assert.includeMembers([...overwritten!], ["parameters", "average", "optimizer.adam.firstMoment"])
        assert.isTrue(model.nodes.some(({ op }) => op === "Compress"), "shapes are hidden")
      }
      assert.isFalse(computesWithConstants(yield* lowered(program, { optimizations: Optimizations.none })))
    }))

  it.effect("are constants where it samples, though the images are state", () =>
    Effect.gen(function*() {
      const model = yield* lowered(denoisingProgram(resizing, weights, { batch, memory: ["before"] }))
      assert.isAtLeast(sizeOf(model.inputs.find(({ name }) => name === "state.x")!.shape), 1024)
      assert.isTrue(computesWithConstants(model))
      assert.isTrue(settingsOf(model, Optimizations.all).optimize)
    }))
})

describe("the weights of every network", () => {
  const unet = (options: Partial<UNet.Config>) => UNet.make(UNet.Config.make({ ...tinyUNet, ...options }))
  const mlp = (options: Partial<MLP.Config>) => MLP.make(MLP.Config.make(options))
  const networks: ReadonlyArray<readonly [string, DenoiserShape]> = [
    ["U-Net", unet({})],
    ["U-Net that has classes and self-conditions", unet({ num_class_embeds: 11, self_condition: true })],
    ["U-Net that learns a variance", unet({ out_channels: 2 })],
    ["MLP", mlp({})],
    ["MLP of bare coordinates that self-conditions", mlp({ octaves: 0, self_condition: true })]
  ]
  for (const [name, network] of networks) {
    it.effect(`are constants where it samples: ${name}`, () =>
      Effect.gen(function*() {
        const ofNetwork = Record.map(network.parameters, ({ shape }) => sines(shape))
        const program = denoisingProgram(network, ofNetwork, { batch: 2, memory: [] })
        for (const one of [program, withKnown(program)]) {
          assert.isTrue(computesWithConstants(yield* lowered(one, { convolutionBlock: 16 })))
        }
      }))
  }
})

describe("weights", () => {
  const f32 = (...shape: ReadonlyArray<number>) => ({ shape, dtype: "float32" }) as const
  const constant = () => tf.tensor2d(Float32Array.from({ length: 4096 }, (_, i) => Math.cos(i)), [64, 64])

  it.effect("are state where they are computed from state", () =>
    Effect.gen(function*() {
      const program: Program<{ w: tf.Tensor }, { x: tf.Tensor }, { y: tf.Tensor }> = {
        name: "normalized weights",
        state: { w: f32(4096) },
        input: { x: f32(64, 64) },
        apply: ({ w }, { x }) => {
          const normalized = tf.div(w, tf.norm(w))
          return { state: { w }, output: { y: tf.matMul(constant(), tf.matMul(x, tf.reshape(normalized, [64, 64]))) } }
        }
      }
      assert.isFalse(computesWithConstants(yield* lowered(program)))
    }))

  it.effect("are constants where state meets only them", () =>
    Effect.gen(function*() {
      const program: Program<{ x: tf.Tensor }, { scale: tf.Tensor }, {}> = {
        name: "x as it is",
        state: { x: f32(64, 64) },
        input: { scale: f32() },
        apply: ({ x }, { scale }) => ({ state: { x: tf.mul(tf.matMul(x, constant()), scale) }, output: {} })
      }
      assert.isTrue(computesWithConstants(yield* lowered(program)))
    }))

  it.effect("are constants where state that was scaled attends to the input", () =>
    Effect.gen(function*() {
      const program: Program<{ x: tf.Tensor }, { scale: tf.Tensor; text: tf.Tensor }, {}> = {
        name: "cross attention",
        state: { x: f32(64, 64) },
        input: { scale: f32(), text: f32(16, 64) },
        apply: ({ x }, { scale, text }) => {
          const queries = tf.matMul(tf.mul(x, scale), constant())
          return { state: { x: tf.matMul(tf.softmax(tf.matMul(queries, text, false, true)), text) }, output: {} }
        }
      }
      assert.isTrue(computesWithConstants(yield* lowered(program)))
    }))

  it.effect("are not constants where there are none", () =>
    Effect.gen(function*() {
      const none = stateless("none", { x: f32(64, 64) }, ({ x }) => ({ y: tf.matMul(x, x) }))
      assert.isFalse(computesWithConstants(yield* lowered(none)))
    }))
})
