/**
 * The configuration of a U-Net, by the field names of diffusers' `UNet2DModel` (its `config.json`).
 */
import { type Effect, Schema } from "effect"
import { ClassEmbeddings, Count, decodeConfig, makeConfig, withDefault } from "../internal/config.ts"
import type { InvalidConfig } from "../InvalidConfig.ts"

const Fields = Schema.Struct({
  /** Height and width of an image in pixels, or both in a pair; divisible by 2^(levels - 1). */
  sample_size: Schema.Union([Count, Schema.Tuple([Count, Count])]),
  in_channels: withDefault(Count, 3),
  /** As many as `in_channels`, for a prediction that is shaped as the input; twice as many learn a variance too. */
  out_channels: withDefault(Count, 3),
  /** Whether the network maps its input from [0, 1] to [-1, 1] first. */
  center_input_sample: withDefault(Schema.Boolean, false),
  time_embedding_type: withDefault(Schema.Literal("positional"), "positional"),
  /** Features of the time embedding; `null` is four times the channels of the first level. */
  time_embedding_dim: withDefault(Schema.NullOr(Count), null),
  /** See `SinusoidalConvention`. */
  freq_shift: withDefault(Schema.Natural, 0),
  /** See `SinusoidalConvention`. */
  flip_sin_to_cos: withDefault(Schema.Boolean, true),
  /** The levels from the finest to the coarsest, with or without attention. */
  down_block_types: withDefault(
    Schema.NonEmptyArray(Schema.Literals(["DownBlock2D", "AttnDownBlock2D"])),
    ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]
  ),
  mid_block_type: withDefault(Schema.Literal("UNetMidBlock2D"), "UNetMidBlock2D"),
  /** The levels from the coarsest to the finest. */
  up_block_types: withDefault(
    Schema.NonEmptyArray(Schema.Literals(["UpBlock2D", "AttnUpBlock2D"])),
    ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]
  ),
  /** Channels of each level, from the finest to the coarsest; each divisible by `norm_num_groups`. */
  block_out_channels: withDefault(Schema.NonEmptyArray(Count), [224, 448, 672, 896]),
  /** Residual blocks of a level on the way down; on the way up there is one more. */
  layers_per_block: withDefault(Count, 2),
  /** What the residual sums of the middle block are divided by. */
  mid_block_scale_factor: withDefault(Schema.Finite.check(Schema.isGreaterThan(0)), 1),
  /** See `downsample`. */
  downsample_padding: withDefault(Schema.Literals([0, 1]), 1),
  downsample_type: withDefault(Schema.Literal("conv"), "conv"),
  upsample_type: withDefault(Schema.Literal("conv"), "conv"),
  /** The probability that dropout drops an activation in training. */
  dropout: withDefault(
    Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true })),
    0
  ),
  act_fn: withDefault(Schema.Literal("silu"), "silu"),
  /** Channels of one attention head; `null` is one head over all channels. */
  attention_head_dim: withDefault(Schema.NullOr(Count), 8),
  /** Groups of every group normalisation. */
  norm_num_groups: withDefault(Count, 32),
  /** Groups of the normalisation in the middle block's attention; `null` is `norm_num_groups`. */
  attn_norm_num_groups: withDefault(Schema.NullOr(Count), null),
  /** Epsilon of every group normalisation. */
  norm_eps: withDefault(Schema.Finite.check(Schema.isGreaterThan(0)), 1e-5),
  resnet_time_scale_shift: withDefault(Schema.Literal("default"), "default"),
  class_embed_type: withDefault(Schema.Null, null),
  /**
   * Rows of the table of classes, one more than there are classes: the last row is "none of them", which label dropout
   * trains and classifier-free guidance needs. `null` is a network that is told no class.
   */
  num_class_embeds: withDefault(Schema.NullOr(ClassEmbeddings), null),
  /** Without meaning here: diffusers needs it for learned time embeddings only. */
  num_train_timesteps: withDefault(Schema.NullOr(Count), null),
  /** Whether the middle block has attention. */
  add_attention: withDefault(Schema.Boolean, true),
  /** Whether the network is shown its earlier estimate too, as further channels of its input; not a field of diffusers. */
  self_condition: withDefault(Schema.Boolean, false)
})

type Fields = typeof Fields["Type"]

/** Height and width of an image in pixels. */
export const imageSize = ({ sample_size }: Fields): readonly [height: number, width: number] =>
  typeof sample_size === "number" ? [sample_size, sample_size] : sample_size

/** Features of the time embedding. */
export const embeddingSize = ({ block_out_channels, time_embedding_dim }: Fields): number =>
  time_embedding_dim ?? 4 * block_out_channels[0]

/** A field that must fit the others: its values that do not, and what was expected of it. */
interface Rule {
  readonly field: keyof Fields
  readonly wrong: ReadonlyArray<number | null>
  readonly expected: string
}

const rulesOf = (config: Fields): ReadonlyArray<Rule> => {
  const { block_out_channels: channels, down_block_types: down, norm_num_groups: groups, up_block_types: up } = config
  const levels = channels.length
  const coarsest = channels[levels - 1] as number
  const attended = channels.filter((_, level) =>
    down[level] === "AttnDownBlock2D" || up[levels - 1 - level] === "AttnUpBlock2D" ||
    (config.add_attention && level === levels - 1)
  )
  const doesNotDivide = (counts: ReadonlyArray<number>) => (divisor: number | null) =>
    divisor !== null && counts.some((count) => count % divisor !== 0)
  return [
    {
      field: "down_block_types",
      wrong: [down.length].filter((length) => length !== levels),
      expected: `one for each of the ${levels} block_out_channels`
    },
    {
      field: "up_block_types",
      wrong: [up.length].filter((length) => length !== levels),
      expected: `one for each of the ${levels} block_out_channels`
    },
    {
      field: "sample_size",
      wrong: [...new Set(imageSize(config))].filter((pixels) => pixels % 2 ** (levels - 1) !== 0),
      expected: `a multiple of ${2 ** (levels - 1)}, because ${levels} levels halve it ${
        levels === 2 ? "once" : `${levels - 1} times`
      }`
    },
    {
      field: "block_out_channels",
      wrong: channels.filter((count) => count % groups !== 0),
      expected: `multiples of norm_num_groups (${groups})`
    },
    {
      field: "attention_head_dim",
      wrong: [config.attention_head_dim].filter(doesNotDivide(attended)),
      expected: `null or a divisor of the channels where there is attention (${attended.join(", ")})`
    },
    {
      field: "attn_norm_num_groups",
      wrong: [config.attn_norm_num_groups].filter(doesNotDivide([coarsest])),
      expected: `null or a divisor of the coarsest level's channels (${coarsest})`
    },
    {
      field: "freq_shift",
      wrong: [config.freq_shift].filter((shift) => shift >= Math.floor(channels[0] / 2)),
      expected: `less than half of the finest level's channels (${channels[0]})`
    },
    {
      field: "out_channels",
      wrong: [config.out_channels].filter((count) => count !== config.in_channels && count !== 2 * config.in_channels),
      expected: `as many as in_channels (${config.in_channels}), or twice as many to learn a variance too`
    }
  ]
}

/** What no single field shows: an issue for each field that does not fit the others. */
const inconsistencies = (config: Fields) =>
  rulesOf(config)
    .filter(({ wrong }) => wrong.length > 0)
    .map(({ expected, field, wrong }) => ({ path: [field], issue: `Expected ${expected}, got ${wrong.join(", ")}` }))

/**
 * The configuration of a U-Net: the fields and defaults of diffusers' `UNet2DModel`, so that its `config.json` decodes
 * as it is. Values that this package does not implement (other block types, time embeddings or class embeddings)
 * are errors that name the field.
 *
 * @example
 * UNet.Config.make({
 *   sample_size: 8, block_out_channels: [32, 64], norm_num_groups: 8,
 *   down_block_types: ["DownBlock2D", "AttnDownBlock2D"], up_block_types: ["AttnUpBlock2D", "UpBlock2D"]
 * })
 */
export class Config extends Schema.Class<Config>("@effusion/models/unet/Config")(
  Fields.check(Schema.makeFilter(inconsistencies))
) {
  /** @throws InvalidConfig, which names every wrong field. */
  static override make(input: typeof Config["~type.make.in"], options?: Schema.MakeOptions): Config {
    return makeConfig("U-Net", (defaults) => super.make(input, { ...defaults, ...options }))
  }
}

/**
 * A configuration from unknown input, usually JSON: diffusers' `config.json` as it is (its own keys, `_class_name` and
 * others that begin with an underscore, are passed over), or the same fields written by hand. Fields that are absent
 * have diffusers' defaults.
 *
 * Fails with {@link InvalidConfig}, which names every wrong field.
 *
 * @example
 * UNet.decode({ _class_name: "UNet2DModel", sample_size: 32, in_channels: 3, out_channels: 3 })
 */
export const decode = (input: unknown): Effect.Effect<Config, InvalidConfig> => decodeFields(withoutMetadata(input))

const decodeFields = decodeConfig("U-Net", Config)

const withoutMetadata = (input: unknown): unknown =>
  typeof input === "object" && input !== null && !Array.isArray(input)
    ? Object.fromEntries(Object.entries(input).filter(([key]) => !key.startsWith("_")))
    : input
