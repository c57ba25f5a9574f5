/**
 * The models compiled by the onnx engine against the same functions run by tfjs's cpu backend: what the golden fixture
 * does not cover (several heads, both paddings, dropout, the MLP).
 */
import { assert, beforeAll, layer } from "@effect/vitest"
import { Engine, stateless, type Tensor, type Tensors } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import type { DenoiserShape } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { type HostTensor, int32 } from "@effusion/core/tensor"
import { MLP, UNet } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { toTensor } from "./support.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const batch = 3

/** Everything that a denoiser computes with, normal where nothing else is asked for. */
const inputsOf = (denoiser: DenoiserShape): { readonly [name: string]: HostTensor } => {
  const normal = (name: string, shape: ReadonlyArray<number>) =>
    draw(Key.fold(Key.make(5), name), { distribution: Distribution.normal, shape })
  const parameters = Object.entries(denoiser.parameters).map(([path, { shape }]) => {
    const { data } = normal(path, shape)
    return [`parameters.${path}`, { dtype: "float32", shape, data: data.map((value) => 0.2 * value) }]
  })
  const draws = Object.entries(denoiser.draws(batch)).map(([name, spec]) => [
    `draws.${name}`,
    draw(Key.fold(Key.make(6), name), spec)
  ])
  return Object.fromEntries([
    ...parameters,
    ...draws,
    ["x", normal("x", [batch, ...denoiser.exampleShape])],
    ["t", int32([batch], [0, 400, 999])],
    ...(denoiser.classes === undefined ? [] : [["condition", int32([batch], [1, denoiser.classes, 1])]]),
    ...(denoiser.selfConditions === true
      ? [["selfCondition", normal("estimate", [batch, ...denoiser.exampleShape])]]
      : [])
  ])
}

const underPrefix = (tensors: Tensors, prefix: string): Tensors =>
  Object.fromEntries(
    Object.entries(tensors).filter(([name]) => name.startsWith(prefix)).map((
      [name, t]
    ) => [name.slice(prefix.length), t])
  )

/** The prediction, and the gradient of its squared sum in every parameter. */
const gradients = (denoiser: DenoiserShape) => {
  const names = Object.keys(denoiser.parameters)
  return stateless<Tensors, Tensors>("denoiser", inputsOf(denoiser), (input) => {
    const draws = underPrefix(input, "draws.")
    const predict = (values: ReadonlyArray<Tensor>): Tensor =>
      denoiser.apply(Object.fromEntries(names.map((name, i) => [name, values[i]!])), {
        x: input["x"]!,
        t: input["t"]!,
        ...(input["condition"] === undefined ? {} : { condition: input["condition"] }),
        ...(input["selfCondition"] === undefined ? {} : { selfCondition: input["selfCondition"] }),
        draws
      })
    const values = names.map((name) => input[`parameters.${name}`]!)
    const all = tf.grads((...values: Array<Tensor>) => tf.sum(tf.square(predict(values))))(values)
    return { prediction: predict(values), ...Object.fromEntries(names.map((name, i) => [`d ${name}`, all[i]!])) }
  })
}

const mixed = (fields: Partial<UNet.Config>) =>
  UNet.make(UNet.Config.make({
    ...UNet.small,
    sample_size: [8, 12],
    in_channels: 2,
    out_channels: 2,
    block_out_channels: [8, 12, 16],
    norm_num_groups: 4,
    dropout: 0.25,
    ...fields
  }))

const denoisers = {
  "U-Net, DDPM conventions, one head": mixed({}),
  "U-Net, diffusers conventions, several heads": mixed({
    attention_head_dim: 4,
    downsample_padding: 1,
    flip_sin_to_cos: true,
    freq_shift: 0,
    mid_block_scale_factor: 2,
    center_input_sample: true,
    down_block_types: ["AttnDownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
    up_block_types: ["UpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D"]
  }),
  "U-Net, told classes and its own estimate": mixed({ num_class_embeds: 4, self_condition: true }),
  "MLP, told classes and its own estimate": MLP.make(
    MLP.Config.make({ width: 8, depth: 1, num_class_embeds: 4, self_condition: true })
  ),
  "MLP": MLP.make(MLP.Config.make({ dimensions: 3, width: 16, depth: 2 })),
  "MLP without Fourier features": MLP.make(MLP.Config.make({ width: 8, depth: 1, octaves: 0 }))
}

layer(OnnxEngine.layer())("the onnx engine and tfjs agree", (it) => {
  it.effect.each(Object.entries(denoisers))("on %s", ([, denoiser]) =>
    Effect.gen(function*() {
      const program = gradients(denoiser)
      const inputs = inputsOf(denoiser)
      const engine = yield* Engine
      const instance = yield* (yield* engine.compile(program)).start({})
      const compiled = yield* instance.step(inputs)
      const tensors = Object.fromEntries(Object.entries(inputs).map(([name, host]) => [name, toTensor(host)]))
      for (const [name, expected] of Object.entries(program.apply({}, tensors).output)) {
        const actual = Array.from(compiled[name]!.data)
        const reference = Array.from(expected.dataSync())
        assert.deepStrictEqual(compiled[name]!.shape, expected.shape, name)
        const scale = Math.max(1, ...reference.map(Math.abs))
        const error = Math.max(...actual.map((value, i) => Math.abs(value - reference[i]!)))
        assert.isAtMost(error, 1e-4 * scale, name)
      }
    }))
})
