/**
 * The noise schedule of a pipeline, as a service: swapping a schedule is swapping a Layer.
 */
import { Context, Effect, Layer, type Result } from "effect"
import { cosine, type CosineOptions } from "./family/cosine.ts"
import { exponential, type ExponentialOptions } from "./family/exponential.ts"
import { laplace, type LaplaceOptions } from "./family/laplace.ts"
import { linear, type LinearOptions } from "./family/linear.ts"
import { scaledLinear, type ScaledLinearOptions } from "./family/scaledLinear.ts"
import { sigmoidAlphaBar, type SigmoidAlphaBarOptions } from "./family/sigmoidAlphaBar.ts"
import { sigmoidBeta, type SigmoidBetaOptions } from "./family/sigmoidBeta.ts"
import { fromAlphaBar, type FromAlphaBarOptions } from "./fromAlphaBar.ts"
import type { InvalidSchedule } from "./InvalidSchedule.ts"
import { fromAlphaBars, fromBetas, type Schedule } from "./Schedule.ts"

/**
 * The service; its value is a {@link Schedule}.
 *
 * @example
 * const lastAlphaBar = Effect.gen(function*() {
 *   const schedule = yield* NoiseSchedule
 *   return schedule.alphaBar[schedule.steps - 1]
 * }).pipe(Effect.provide(NoiseSchedule.cosine({ steps: 1000 })))
 */
export class NoiseSchedule extends Context.Service<NoiseSchedule, Schedule>()(
  "@effusion/core/schedule/NoiseSchedule"
) {
  /** The linear schedule; see {@link linear}. */
  static linear(options: LinearOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(linear(options))
  }

  /** The scaled linear schedule, of Stable Diffusion; see {@link scaledLinear}. */
  static scaledLinear(options: ScaledLinearOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(scaledLinear(options))
  }

  /** The cosine schedule; see {@link cosine}. */
  static cosine(options: CosineOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(cosine(options))
  }

  /** The schedule whose betas follow a sigmoid; see {@link sigmoidBeta}. */
  static sigmoidBeta(options: SigmoidBetaOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(sigmoidBeta(options))
  }

  /** The schedule whose alphaBar follows a sigmoid; see {@link sigmoidAlphaBar}. */
  static sigmoidAlphaBar(options: SigmoidAlphaBarOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(sigmoidAlphaBar(options))
  }

  /** The exponential schedule; see {@link exponential}. */
  static exponential(options: ExponentialOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(exponential(options))
  }

  /** The Laplace schedule; see {@link laplace}. */
  static laplace(options: LaplaceOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(laplace(options))
  }

  /** The schedule with these betas; see {@link fromBetas}. */
  static fromBetas(betas: ArrayLike<number>): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(fromBetas(betas))
  }

  /** The schedule with these alphaBar; see {@link fromAlphaBars}. */
  static fromAlphaBars(alphaBars: ArrayLike<number>): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(fromAlphaBars(alphaBars))
  }

  /** The schedule along a curve; see {@link fromAlphaBar}. */
  static fromAlphaBar(
    alphaBar: (u: number) => number,
    options: FromAlphaBarOptions
  ): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(fromAlphaBar(alphaBar, options))
  }

  /**
   * A schedule that may have failed to be made.
   *
   * @example
   * NoiseSchedule.fromResult(Result.flatMap(cosine({ steps: 1000 }), rescaleZeroTerminalSnr))
   */
  static fromResult<E>(schedule: Result.Result<Schedule, E>): Layer.Layer<NoiseSchedule, E> {
    return fromResult(schedule)
  }

  /** A schedule that is at hand. */
  static layer(schedule: Schedule): Layer.Layer<NoiseSchedule> {
    return Layer.succeed(NoiseSchedule, schedule)
  }
}

const fromResult = <E>(schedule: Result.Result<Schedule, E>): Layer.Layer<NoiseSchedule, E> =>
  Layer.effect(NoiseSchedule, Effect.fromResult(schedule))
