/** Configurations: what decodes, with which defaults, and how wrong input is refused. */
import { assert, describe, it } from "@effect/vitest"
import { InvalidConfig, MLP, UNet } from "@effusion/models"
import { Effect, Schema } from "effect"

/** The fields that an error names, in order. */
const wrongFields = (error: InvalidConfig): ReadonlyArray<string> =>
  error.reasons.map((reason) => reason.split(":")[0] as string)

describe("UNet.Config", () => {
  it.effect("decodes a config.json as diffusers writes it", () =>
    Effect.gen(function*() {
      // The file of google/ddpm-cifar10-32.
      const config = yield* UNet.decode({
        _class_name: "UNet2DModel",
        _diffusers_version: "0.0.4",
        act_fn: "silu",
        attention_head_dim: null,
        block_out_channels: [128, 256, 256, 256],
        center_input_sample: false,
        down_block_types: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
        downsample_padding: 0,
        flip_sin_to_cos: false,
        freq_shift: 1,
        in_channels: 3,
        layers_per_block: 2,
        mid_block_scale_factor: 1,
        norm_eps: 1e-6,
        norm_num_groups: 32,
        out_channels: 3,
        sample_size: 32,
        time_embedding_type: "positional",
        up_block_types: ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"]
      })
      assert.deepStrictEqual(config, UNet.Config.make({ ...UNet.ddpmCifar10, dropout: 0 }))
    }))

  it.effect("has diffusers' defaults", () =>
    Effect.gen(function*() {
      const { block_out_channels, down_block_types, up_block_types, ...rest } = yield* UNet.decode({ sample_size: 64 })
      assert.deepStrictEqual(block_out_channels, [224, 448, 672, 896])
      assert.deepStrictEqual(down_block_types, [
        "DownBlock2D",
        "AttnDownBlock2D",
        "AttnDownBlock2D",
        "AttnDownBlock2D"
      ])
      assert.deepStrictEqual(up_block_types, ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"])
      assert.deepStrictEqual({ ...rest }, {
        sample_size: 64,
        in_channels: 3,
        out_channels: 3,
        center_input_sample: false,
        time_embedding_type: "positional",
        time_embedding_dim: null,
        freq_shift: 0,
        flip_sin_to_cos: true,
        mid_block_type: "UNetMidBlock2D",
        layers_per_block: 2,
        mid_block_scale_factor: 1,
        downsample_padding: 1,
        downsample_type: "conv",
        upsample_type: "conv",
        dropout: 0,
        act_fn: "silu",
        attention_head_dim: 8,
        norm_num_groups: 32,
        attn_norm_num_groups: null,
        norm_eps: 1e-5,
        resnet_time_scale_shift: "default",
        class_embed_type: null,
        num_class_embeds: null,
        num_train_timesteps: null,
        add_attention: true,
        self_condition: false
      })
    }))

  it.effect("survives JSON", () =>
    Effect.forEach([UNet.small, UNet.cifar32, UNet.ddpmCifar10, UNet.ddpm256], (config) =>
      Effect.gen(function*() {
        const json = JSON.stringify(yield* Schema.encodeEffect(UNet.Config)(config))
        assert.deepStrictEqual(yield* UNet.decode(JSON.parse(json)), config)
      })))

  it.effect("names every wrong field", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(UNet.decode({
        sample_size: 0,
        in_channels: 1.5,
        time_embedding_type: "fourier",
        down_block_types: ["ResnetDownsampleBlock2D"],
        block_out_channels: [],
        dropout: 1,
        act_fn: "gelu",
        norm_num_groups: "8",
        norm_epsilon: 1e-6,
        num_class_embeds: 1,
        self_condition: 1
      }))
      assert.sameMembers([...new Set(wrongFields(error).map((field) => field.split(".")[0]))], [
        "sample_size",
        "in_channels",
        "time_embedding_type",
        "down_block_types",
        "block_out_channels",
        "dropout",
        "act_fn",
        "norm_num_groups",
        "norm_epsilon",
        "num_class_embeds",
        "self_condition"
      ])
      assert.include(error.message, "the U-Net configuration is not valid")
      assert.include(error.message, `act_fn: Expected "silu", got "gelu"`)
    }))

  it.effect("names every field that does not fit the others", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(UNet.decode({
        sample_size: [30, 32],
        in_channels: 1,
        block_out_channels: [32, 33, 64],
        up_block_types: ["UpBlock2D", "UpBlock2D"],
        norm_num_groups: 8,
        attn_norm_num_groups: 7,
        attention_head_dim: 5,
        freq_shift: 16
      }))
      assert.deepStrictEqual(error.reasons, [
        "down_block_types: Expected one for each of the 3 block_out_channels, got 4",
        "up_block_types: Expected one for each of the 3 block_out_channels, got 2",
        "sample_size: Expected a multiple of 4, because 3 levels halve it 2 times, got 30",
        "block_out_channels: Expected multiples of norm_num_groups (8), got 33",
        "attention_head_dim: Expected null or a divisor of the channels where there is attention (33, 64), got 5",
        "attn_norm_num_groups: Expected null or a divisor of the coarsest level's channels (64), got 7",
        "freq_shift: Expected less than half of the finest level's channels (32), got 16",
        "out_channels: Expected as many as in_channels (1), or twice as many to learn a variance too, got 3"
      ])
    }))

  it.effect("refuses what is no object", () =>
    Effect.gen(function*() {
      for (const input of [null, 3, "UNet", [1]]) {
        const error = yield* Effect.flip(UNet.decode(input))
        assert.match(error.message, /^the U-Net configuration is not valid: Expected object/u)
      }
    }))

  it.effect("is checked in code too, and says the same", () =>
    Effect.gen(function*() {
      for (
        const fields of [
          { ...UNet.small, sample_size: 27 },
          { sample_size: 7, block_out_channels: [8, 16] as const },
          { sample_size: 8, dropout: 1, norm_num_groups: 0 },
          { ...UNet.small, norm_epsilon: 1 }
        ]
      ) {
        const { message } = yield* Effect.flip(UNet.decode(fields))
        assert.throws(() => UNet.Config.make(fields), InvalidConfig, message)
      }
    }))
})

describe("MLP.Config", () => {
  it.effect("has defaults for all fields", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* MLP.decode({}),
        MLP.Config.make({ dimensions: 2, width: 64, depth: 3, octaves: 3 })
      )
    }))

  it.effect("names every wrong field", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(MLP.decode({ dimensions: 0, width: 1, depth: 0.5, octaves: -1, heads: 2 }))
      assert.sameMembers([...wrongFields(error)], ["dimensions", "width", "depth", "octaves", "heads"])
      assert.include(error.message, "the MLP configuration is not valid")
    }))

  it.effect("is checked in code too, and says the same", () =>
    Effect.gen(function*() {
      const fields = { dimensions: 0, width: 1 }
      const { message } = yield* Effect.flip(MLP.decode(fields))
      assert.throws(() => MLP.Config.make(fields), InvalidConfig, message)
    }))
})
