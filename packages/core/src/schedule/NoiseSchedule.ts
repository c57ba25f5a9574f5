/**
 * The noise schedule of a pipeline, as a service: swapping a schedule is swapping a Layer.
 */
import { Context, Effect, Layer, type Result } from "effect"
import { cosine, type CosineOptions } from "./family/cosine.ts"
import { linear, type LinearOptions } from "./family/linear.ts"
import type { InvalidSchedule } from "./InvalidSchedule.ts"
import { fromBetas, type Schedule } from "./Schedule.ts"

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

  /** The cosine schedule; see {@link cosine}. */
  static cosine(options: CosineOptions): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(cosine(options))
  }

  /** The schedule with these betas; see {@link fromBetas}. */
  static fromBetas(betas: ArrayLike<number>): Layer.Layer<NoiseSchedule, InvalidSchedule> {
    return fromResult(fromBetas(betas))
  }

  /** A schedule that is at hand. */
  static layer(schedule: Schedule): Layer.Layer<NoiseSchedule> {
    return Layer.succeed(NoiseSchedule, schedule)
  }
}

const fromResult = (result: Result.Result<Schedule, InvalidSchedule>): Layer.Layer<NoiseSchedule, InvalidSchedule> =>
  Layer.effect(NoiseSchedule, Effect.fromResult(result))
