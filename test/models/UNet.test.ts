/** The U-Net's parameters and its function, on tfjs's cpu backend; numbers are held to PyTorch's in `UNetGolden.test.ts`. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Denoiser } from "@effusion/core/pipeline"
import { Distribution } from "@effusion/core/random"
import { UNet } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import golden from "../fixtures/unet2d-golden.json" with { type: "json" }
import {
  assertClose,
  assertPermutationEquivariant,
  drawn,
  elements,
  initial,
  normal,
  perturbed,
  timesteps
} from "./support.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

/** Small configurations: every field that changes the computation, in all combinations that are valid. */
const configs = fc.record({
  groups: fc.constantFrom(1, 2),
  multiples: fc.array(fc.constantFrom(2, 4), { minLength: 1, maxLength: 3 }),
  attends: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  layers: fc.integer({ min: 1, max: 2 }),
  headSize: fc.constantFrom(null, 1, 2),
  padding: fc.constantFrom(0 as const, 1 as const),
  height: fc.integer({ min: 1, max: 2 }),
  width: fc.integer({ min: 1, max: 2 }),
  channels: fc.integer({ min: 1, max: 3 }),
  flip: fc.boolean(),
  addAttention: fc.boolean(),
  center: fc.boolean(),
  scale: fc.constantFrom(1, 2),
  dropout: fc.constantFrom(0, 0.25),
  learnsVariance: fc.boolean()
}).map((choice) => {
  const levels = choice.multiples.length
  const [first, ...rest] = choice.multiples.map((multiple) => multiple * choice.groups)
  const down = choice.multiples.map((_, i) => choice.attends[i] === true ? "AttnDownBlock2D" : "DownBlock2D")
  const up = choice.multiples.map((_, i) => choice.attends[3 + i] === true ? "AttnUpBlock2D" : "UpBlock2D")
  return UNet.Config.make({
    sample_size: [choice.height * 2 ** (levels - 1), choice.width * 2 ** (levels - 1)],
    in_channels: choice.channels,
    out_channels: (choice.learnsVariance ? 2 : 1) * choice.channels,
    center_input_sample: choice.center,
    flip_sin_to_cos: choice.flip,
    block_out_channels: [first as number, ...rest],
    down_block_types: down as [typeof down[number]],
    up_block_types: up as [typeof up[number]],
    layers_per_block: choice.layers,
    mid_block_scale_factor: choice.scale,
    downsample_padding: choice.padding,
    attention_head_dim: choice.headSize,
    norm_num_groups: choice.groups,
    add_attention: choice.addAttention,
    dropout: choice.dropout
  })
})

const seeds = fc.nat(1_000_000)

describe("UNet parameters", () => {
  it.effect("have the names and shapes of diffusers' state_dict", () =>
    Effect.gen(function*() {
      const config = yield* UNet.decode(golden.config)
      const shapes = Object.entries(UNet.make(config).parameters).map(([name, { shape }]) => ({ name, shape }))
      assert.deepStrictEqual(
        shapes.toSorted((a, b) => a.name < b.name ? -1 : 1),
        golden.params.map(({ name, shape }) => ({ name, shape }))
      )
      assert.strictEqual(UNet.parameterCount(config), golden.n_params)
    }))

  it("are as many as published", () => {
    assert.strictEqual(UNet.parameterCount(UNet.ddpmCifar10), 35_746_307)
    assert.strictEqual(UNet.parameterCount(UNet.ddpm256), 113_673_219)
    assert.strictEqual(UNet.parameterCount(UNet.small), 1_112_801)
    assert.strictEqual(UNet.parameterCount(UNet.cifar32), 6_472_195)
  })

  it("follow the size of the time embedding and the middle block's attention", () => {
    const { parameters } = UNet.make(UNet.Config.make({ ...tiny(0), time_embedding_dim: 10, add_attention: false }))
    assert.deepStrictEqual(parameters["time_embedding.linear_1.weight"]?.shape, [10, 4])
    assert.deepStrictEqual(parameters["time_embedding.linear_2.weight"]?.shape, [10, 10])
    assert.deepStrictEqual(parameters["mid_block.resnets.0.time_emb_proj.weight"]?.shape, [8, 10])
    assert.isEmpty(Object.keys(parameters).filter((path) => path.startsWith("mid_block.attentions")))
    assert.deepStrictEqual(UNet.make(tiny(0)).parameters["time_embedding.linear_1.weight"]?.shape, [16, 4])
  })

  it("begin at zero where a residual branch ends, and at random elsewhere", () => {
    const { parameters } = UNet.make(UNet.small)
    tf.tidy(() =>
      Object.entries(initial(parameters)).forEach(([path, tensor]) => {
        const found = new Set(elements(tensor))
        if (/norm\d?(_out)?\.weight$/u.test(path)) assert.deepStrictEqual([...found], [1], path)
        else if (/(conv2|to_out\.0|conv_out)\.weight$|bias$/u.test(path)) assert.deepStrictEqual([...found], [0], path)
        else assert.isAbove(found.size, tensor.size / 2, path)
      })
    )
  })

  it("of deprecated attention layers are renamed, and no others", () => {
    const today = golden.params.map(({ name }) => name)
    const old = today.map((name) =>
      name.replace(".to_q.", ".query.").replace(".to_k.", ".key.").replace(".to_v.", ".value.")
        .replace(".to_out.0.", ".proj_attn.")
    )
    assert.notDeepEqual(old, today)
    const renamed = UNet.renameDeprecated(Object.fromEntries(old.map((name, i) => [name, today[i]])))
    for (const [name, expected] of Object.entries(renamed)) assert.strictEqual(name, expected)
    const unrelated = { "key.weight": 1, "encoder.query.weight": 2 }
    assert.deepStrictEqual(UNet.renameDeprecated(unrelated), unrelated)
  })
})

describe("UNet prediction", () => {
  it("is shaped as the input, with twice the channels where there is a variance, finite, and zero before training", () => {
    fc.assert(
      fc.property(configs, seeds, (config, seed) =>
        tf.tidy(() => {
          const denoiser = UNet.make(config)
          const x = normal(seed, [2, ...denoiser.exampleShape])
          const t = timesteps(seed, 2)
          const untrained = denoiser.apply(initial(denoiser.parameters, seed), { x, t, draws: {} })
          assert.strictEqual(denoiser.learnsVariance, config.out_channels > config.in_channels)
          assert.deepStrictEqual(untrained.shape, [...x.shape.slice(0, 3), config.out_channels])
          assert.isTrue(elements(untrained).every((value) => value === 0))
          const trained = denoiser.apply(perturbed(denoiser.parameters, seed), { x, t, draws: {} })
          assert.isTrue(elements(trained).every((value) => Number.isFinite(value)))
          assert.isTrue(elements(trained).some((value) => value !== 0))
        })),
      { numRuns: 20 }
    )
  })

  it("of an example does not depend on its place in the batch", () => {
    fc.assert(
      fc.property(configs, seeds, (config, seed) => assertPermutationEquivariant(UNet.make(config), seed)),
      { numRuns: 10 }
    )
  })

  it("depends on the timestep", () =>
    tf.tidy(() => {
      const denoiser = UNet.make(tiny(0))
      const parameters = perturbed(denoiser.parameters)
      const x = normal(1, [1, ...denoiser.exampleShape])
      const at = (t: number) => elements(denoiser.apply(parameters, { x, t: tf.tensor1d([t], "int32"), draws: {} }))
      assert.notDeepEqual(at(10), at(900))
    }))

  it("centers its input where it is told to", () =>
    tf.tidy(() => {
      const denoiser = UNet.make(tiny(0))
      const parameters = perturbed(denoiser.parameters)
      const x = normal(1, [1, ...denoiser.exampleShape])
      const t = timesteps(1, 1)
      const centering = UNet.make(UNet.Config.make({ ...tiny(0), center_input_sample: true }))
      const expected = denoiser.apply(parameters, { x: tf.sub(tf.mul(x, 2), 1), t, draws: {} })
      assertClose(centering.apply(parameters, { x, t, draws: {} }), expected, 1e-6)
    }))

  const middleOnly = {
    down_block_types: ["DownBlock2D", "DownBlock2D"],
    up_block_types: ["UpBlock2D", "UpBlock2D"]
  } as const
  const levelsOnly = { add_attention: false } as const
  it.each<readonly [field: Partial<UNet.Config>, base: Partial<UNet.Config>]>([
    [{ freq_shift: 1 }, {}],
    [{ flip_sin_to_cos: false }, {}],
    [{ mid_block_scale_factor: 2 }, {}],
    [{ downsample_padding: 0 }, {}],
    [{ attention_head_dim: 2 }, middleOnly],
    [{ attention_head_dim: 2 }, levelsOnly],
    [{ norm_num_groups: 4 }, {}],
    [{ attn_norm_num_groups: 4 }, {}],
    [{ norm_eps: 0.1 }, {}]
  ])("depends on %o, given %o", (field, base) =>
    tf.tidy(() => {
      const predict = (fields: Partial<UNet.Config>) => {
        const denoiser = UNet.make(UNet.Config.make({ ...tiny(0), ...fields }))
        const input = { x: normal(1, [1, ...denoiser.exampleShape]), t: tf.tensor1d([500], "int32"), draws: {} }
        return elements(denoiser.apply(perturbed(denoiser.parameters), input))
      }
      assert.notDeepEqual(predict({ ...base, ...field }), predict(base))
      assert.deepStrictEqual(predict({ ...base, attn_norm_num_groups: 2, attention_head_dim: 8 }), predict(base))
    }))

  it("names a parameter that is missing", () =>
    tf.tidy(() => {
      const denoiser = UNet.make(tiny(0))
      const { "conv_in.weight": _, ...rest } = initial(denoiser.parameters)
      const input = { x: normal(1, [1, ...denoiser.exampleShape]), t: timesteps(1, 1), draws: {} }
      assert.throws(() => denoiser.apply(rest, input), /the parameter "conv_in.weight" is missing/u)
    }))
})

describe("UNet dropout", () => {
  it("asks for one mask a residual block, shaped as its activation", () => {
    assert.deepStrictEqual(UNet.make(tiny(0)).draws(5), {})
    const distribution = Distribution.bernoulli(0.75)
    const mask = (size: number, channels: number) => ({ distribution, shape: [5, size, size, channels] })
    assert.deepStrictEqual(UNet.make(tiny(0.25)).draws(5), {
      "down_blocks.0.resnets.0.dropout": mask(4, 4),
      "down_blocks.1.resnets.0.dropout": mask(2, 8),
      "mid_block.resnets.0.dropout": mask(2, 8),
      "mid_block.resnets.1.dropout": mask(2, 8),
      "up_blocks.0.resnets.0.dropout": mask(2, 8),
      "up_blocks.0.resnets.1.dropout": mask(2, 8),
      "up_blocks.1.resnets.0.dropout": mask(4, 4),
      "up_blocks.1.resnets.1.dropout": mask(4, 4)
    })
  })

  it("is a function of the masks, and absent without them", () => {
    fc.assert(
      fc.property(seeds, (seed) =>
        tf.tidy(() => {
          const denoiser = UNet.make(tiny(0.25))
          const parameters = perturbed(denoiser.parameters, seed)
          const x = normal(seed, [2, ...denoiser.exampleShape])
          const t = timesteps(seed, 2)
          const predict = (draws: ReturnType<typeof drawn>) => denoiser.apply(parameters, { x, t, draws })
          const masks = drawn(denoiser.draws(2), seed)
          assert.deepStrictEqual(elements(predict(masks)), elements(predict(drawn(denoiser.draws(2), seed))))
          assert.notDeepEqual(elements(predict(masks)), elements(predict(drawn(denoiser.draws(2), seed + 1))))
          const evaluated = predict({})
          assertClose(UNet.make(tiny(0)).apply(parameters, { x, t, draws: {} }), evaluated, 0)
          // A mask of 1 - p everywhere, divided by 1 - p, changes nothing.
          const neutral = Object.entries(masks).map(([name, mask]) => [name, tf.fill(mask.shape, 0.75)])
          assertClose(predict(Object.fromEntries(neutral)), evaluated, 1e-4)
          const { "mid_block.resnets.0.dropout": _, ...rest } = masks
          assert.throws(() => predict(rest), /the draw "mid_block.resnets.0.dropout" is missing/u)
        })),
      { numRuns: 5 }
    )
  })
})

describe("UNet.layer", () => {
  it.effect("provides the denoiser", () =>
    Effect.gen(function*() {
      const denoiser = yield* Denoiser
      assert.deepStrictEqual(denoiser.exampleShape, [28, 28, 1])
    }).pipe(Effect.provide(UNet.layer(UNet.small))))
})

const tiny = (dropout: number): UNet.Config =>
  UNet.Config.make({
    sample_size: 4,
    in_channels: 1,
    out_channels: 1,
    block_out_channels: [4, 8],
    down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
    up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
    layers_per_block: 1,
    attention_head_dim: null,
    norm_num_groups: 2,
    dropout
  })
