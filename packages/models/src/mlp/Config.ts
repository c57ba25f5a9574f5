/** The configuration of a multilayer perceptron for points. */
import { type Effect, Schema } from "effect"
import { ClassEmbeddings, Count, decodeConfig, makeConfig, withDefault } from "../internal/config.ts"
import type { InvalidConfig } from "../InvalidConfig.ts"

/**
 * The configuration of an MLP denoiser.
 *
 * @example
 * MLP.Config.make({ dimensions: 2, width: 128 })
 */
export class Config extends Schema.Class<Config>("@effusion/models/mlp/Config")({
  /** Coordinates of a point. */
  dimensions: withDefault(Count, 2),
  /** Features of each hidden layer, and of the time embedding. */
  width: withDefault(Count.check(Schema.isGreaterThan(1)), 64),
  /** Residual blocks. */
  depth: withDefault(Count, 3),
  /**
   * Octaves of the coordinates' Fourier features: sin(2^k·π·x) and cos(2^k·π·x) for k from 0 to `octaves` - 1, which
   * suit data in about [-1, 1]. With 0 the network sees the bare coordinates.
   */
  octaves: withDefault(Schema.Natural, 3),
  /** Rows of the table of classes, one more than there are classes, as in the U-Net; `null` is none. */
  num_class_embeds: withDefault(Schema.NullOr(ClassEmbeddings), null),
  /** Whether the network is shown its earlier estimate too, as in the U-Net. */
  self_condition: withDefault(Schema.Boolean, false),
  /** Whether the network predicts a variance too; not when absent. */
  learns_variance: Schema.optionalKey(Schema.Boolean)
}) {
  /** @throws InvalidConfig, which names every wrong field. */
  static override make(input: typeof Config["~type.make.in"], options?: Schema.MakeOptions): Config {
    return makeConfig("MLP", (defaults) => super.make(input, { ...defaults, ...options }))
  }
}

/**
 * A configuration from unknown input, usually JSON. Fields that are absent have defaults; a field that is not known is
 * an error. Fails with {@link InvalidConfig}, which names every wrong field.
 *
 * @example
 * MLP.decode({ width: 128 })
 */
export const decode: (input: unknown) => Effect.Effect<Config, InvalidConfig> = decodeConfig("MLP", Config)
