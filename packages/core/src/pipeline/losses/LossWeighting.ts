/**
 * How much the errors of each timestep count, as a service.
 */
import { Context, Effect, Layer, type Result } from "effect"
import {
  boundWeighting,
  type BoundWeightingOptions,
  edmWeighting,
  type InvalidObjective,
  minSnrWeighting,
  p2Weighting,
  type Parameterization,
  type PredictionType,
  simpleWeighting,
  snrWeighting,
  softMinSnrWeighting,
  truncatedSnrWeighting,
  uniformWeighting,
  type Weighting
} from "../../diffusion/index.ts"

/**
 * The weighting service; its value is a {@link Weighting}.
 *
 * @example
 * Effect.provide(program, LossWeighting.minSnr({ gamma: 5 }))
 */
export class LossWeighting extends Context.Service<LossWeighting, Weighting>()(
  "@effusion/core/pipeline/LossWeighting"
) {
  /** Every error counts the same, whatever is predicted; see {@link simpleWeighting}. */
  static readonly simple: Layer.Layer<LossWeighting> = Layer.succeed(LossWeighting, simpleWeighting)

  /** See {@link snrWeighting}. */
  static readonly snr: Layer.Layer<LossWeighting> = Layer.succeed(LossWeighting, snrWeighting)

  /** See {@link truncatedSnrWeighting}. */
  static readonly truncatedSnr: Layer.Layer<LossWeighting> = Layer.succeed(LossWeighting, truncatedSnrWeighting)

  /** Errors of one prediction count the same, whatever is predicted; see {@link uniformWeighting}. */
  static uniform(of: PredictionType | Parameterization): Layer.Layer<LossWeighting> {
    return Layer.succeed(LossWeighting, uniformWeighting(of))
  }

  /** See {@link minSnrWeighting}. */
  static minSnr(options?: Parameters<typeof minSnrWeighting>[0]): Layer.Layer<LossWeighting, InvalidObjective> {
    return fromResult(minSnrWeighting(options))
  }

  /** See {@link softMinSnrWeighting}. */
  static softMinSnr(options?: Parameters<typeof softMinSnrWeighting>[0]): Layer.Layer<LossWeighting, InvalidObjective> {
    return fromResult(softMinSnrWeighting(options))
  }

  /** See {@link p2Weighting}. */
  static p2(options?: Parameters<typeof p2Weighting>[0]): Layer.Layer<LossWeighting, InvalidObjective> {
    return fromResult(p2Weighting(options))
  }

  /** See {@link edmWeighting}. */
  static edm(options?: Parameters<typeof edmWeighting>[0]): Layer.Layer<LossWeighting, InvalidObjective> {
    return fromResult(edmWeighting(options))
  }

  /** See {@link boundWeighting}. */
  static bound(options?: BoundWeightingOptions): Layer.Layer<LossWeighting> {
    return Layer.succeed(LossWeighting, boundWeighting(options))
  }

  /** A weighting that is at hand. */
  static layer(weighting: Weighting): Layer.Layer<LossWeighting> {
    return Layer.succeed(LossWeighting, weighting)
  }
}

const fromResult = (
  result: Result.Result<Weighting, InvalidObjective>
): Layer.Layer<LossWeighting, InvalidObjective> => Layer.effect(LossWeighting, Effect.fromResult(result))
