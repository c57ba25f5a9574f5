/**
 * Which timesteps a batch is trained on, as a service.
 *
 * A sampler is two independent choices. Its *distribution* says how likely each timestep is: p_t, for t from 0 to T - 1.
 * Its *spread* says how the examples of a batch lie to each other: each has a position u, uniform in [0, 1), and its
 * timestep is the quantile of u, the t with p_0 + ... + p_{t-1} <= u < p_0 + ... + p_t. Whatever the spread, the timestep
 * of each example by itself is distributed as p_t.
 */
import { Context, Effect, Layer } from "effect"
import type { Result } from "effect"
import type { Schedule } from "../../schedule/index.ts"
import type { HostTensors } from "../Pipeline.ts"
import type { Observation } from "../Stage.ts"
import { logitNormalTimesteps, logNormalTimesteps, lossSecondMomentTimesteps } from "./distributions.ts"
import type { LossSecondMomentOptions, NormalOptions } from "./distributions.ts"
import type { InvalidTimestepSampler } from "./InvalidTimestepSampler.ts"

/**
 * How the positions of the examples lie to each other. `stratified` and `antithetic` positions are drawn for all
 * micro-batches of an optimiser step at once, so that it is the effective batch that is spread.
 *
 * - `independent`: each by itself (Ho et al. 2020, algorithm 1).
 * - `stratified`: (u + i / B) mod 1 for example i of B (Kingma et al., "Variational Diffusion Models", 2021, appendix I.1,
 *   whose code calls it antithetic). Every batch has easy and hard timesteps in the same proportion, so that its loss and
 *   gradient vary less.
 * - `antithetic`: pairs u and 1 - u, one after the other (Hammersley & Morton 1956). It removes the variance of a mean
 *   of what is linear in u, and doubles that of what is even around the middle.
 */
export type Spread = "independent" | "stratified" | "antithetic"

/** Every timestep is as likely as any other (Ho et al. 2020, algorithm 1). */
export interface UniformTimesteps {
  readonly _tag: "Uniform"
}

/** Some timesteps are likelier than others, always the same ones. */
export interface FixedTimesteps {
  readonly _tag: "Fixed"
  /** p_t for each t, up to a common factor: T finite numbers of at least 0, one of them above. */
  readonly probabilities: (schedule: Schedule) => ArrayLike<number>
  /**
   * Whether the loss of an example counts 1 / (T p_t) times, so that the expected loss is that of uniform timesteps. Where
   * it does not, the likelier timesteps are those that training attends to more.
   */
  readonly corrects: boolean
}

/** Timesteps are as likely as the losses so far suggest; losses are corrected as in {@link FixedTimesteps}. */
export interface LearnedTimesteps {
  readonly _tag: "Learned"
  /** How a sampler over so many timesteps learns. */
  readonly learning: (steps: number) => Learning
}

/** A distribution over timesteps with a state; the state is a part of checkpoints. */
export interface Learning {
  /** The state that a run begins with, by names that no other state of the pipeline has. */
  readonly initial: HostTensors
  /** p_t for each t, up to a common factor; all above 0. */
  readonly probabilities: (state: HostTensors) => ArrayLike<number>
  /** The state after an optimiser step. */
  readonly observe: (state: HostTensors, seen: Observation) => HostTensors
}

export type TimestepDistribution = UniformTimesteps | FixedTimesteps | LearnedTimesteps

/** A distribution and a spread. */
export interface TimestepSamplerShape {
  readonly name: string
  readonly distribution: TimestepDistribution
  readonly spread: Spread
}

/**
 * The timestep sampler service.
 *
 * @example
 * Effect.provide(program, TimestepSampler.uniform)
 * @example
 * // One of one's own: the later half of the timesteps, evenly spread.
 * Layer.succeed(TimestepSampler, {
 *   name: "late",
 *   distribution: {
 *     _tag: "Fixed",
 *     probabilities: ({ steps }) => Array.from({ length: steps }, (_, t) => (t < steps / 2 ? 0 : 1)),
 *     corrects: false
 *   },
 *   spread: "stratified"
 * })
 */
export class TimestepSampler extends Context.Service<TimestepSampler, TimestepSamplerShape>()(
  "@effusion/core/pipeline/TimestepSampler"
) {
  /** t uniform in {0, ..., T - 1}, each example by itself (Ho et al. 2020, algorithm 1, which counts from 1). */
  static readonly uniform: Layer.Layer<TimestepSampler> = Layer.succeed(TimestepSampler, even("uniform", "independent"))

  /** t uniform, and evenly spread over an effective batch; see {@link Spread}. */
  static readonly stratified: Layer.Layer<TimestepSampler> = Layer.succeed(
    TimestepSampler,
    even("stratified", "stratified")
  )

  /** t uniform, in pairs t and T - 1 - t; see {@link Spread}. */
  static readonly antithetic: Layer.Layer<TimestepSampler> = Layer.succeed(
    TimestepSampler,
    even("antithetic", "antithetic")
  )

  /** ln sigma_t near normal; see {@link logNormalTimesteps}. */
  static logNormal(options?: NormalOptions): Layer.Layer<TimestepSampler, InvalidTimestepSampler> {
    return fromResult(logNormalTimesteps(options))
  }

  /** The logit of t near normal; see {@link logitNormalTimesteps}. */
  static logitNormal(options?: NormalOptions): Layer.Layer<TimestepSampler, InvalidTimestepSampler> {
    return fromResult(logitNormalTimesteps(options))
  }

  /** Timesteps with large losses more often, and then counting less; see {@link lossSecondMomentTimesteps}. */
  static lossSecondMoment(options?: LossSecondMomentOptions): Layer.Layer<TimestepSampler, InvalidTimestepSampler> {
    return fromResult(lossSecondMomentTimesteps(options))
  }
}

// A function declaration: the class above calls it while it is being made.
function even(name: string, spread: Spread): TimestepSamplerShape {
  return { name, distribution: { _tag: "Uniform" }, spread }
}

const fromResult = (
  result: Result.Result<TimestepSamplerShape, InvalidTimestepSampler>
): Layer.Layer<TimestepSampler, InvalidTimestepSampler> => Layer.effect(TimestepSampler, Effect.fromResult(result))
