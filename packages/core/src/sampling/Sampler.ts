/**
 * Samplers: how noise becomes data, step by step.
 *
 * A sampler is a value that makes a {@link Plan}: the timesteps to visit and, for each, the float64 coefficients of one
 * and the same step. The denoiser speaks once a step; from its prediction come an estimate of the data and one of the
 * noise, and everything that follows is a linear combination of tensors:
 *
 *     sample  = clip(a x + b prediction)        epsilon = c x + d prediction
 *     next x  = a linear combination of x, sample, epsilon, fresh noise, and what the sampler remembers
 *     memory  = more such combinations, one for each tensor that the sampler wants to remember
 *
 * x is always the x_t of the forward process, x = signal x_0 + spread epsilon with signal^2 + spread^2 = 1, whatever
 * variable a solver was published in; so what holds an x can go on with another sampler from there.
 *
 * So a sampler is coefficients and nothing else. One function runs every sampler in float64 on the host (`onHost.ts`),
 * one compiled program runs every sampler on an engine (`Sampling.ts`), and a new sampler needs neither. Multistep
 * solvers remember earlier estimates; a solver that evaluates the denoiser twice a step remembers where the step began,
 * and its plan has two entries a step.
 */
import { Result } from "effect"
import { type Conversion, inputScaleOf, type Parameterization, type PredictionType } from "../diffusion/index.ts"
import type { InvalidSigmas, InvalidTimesteps, NoiseLevel, Schedule } from "../schedule/index.ts"
import { estimates } from "./estimates.ts"
import { type Leg, route } from "./route.ts"
import { InvalidSampling, type UndefinedEstimate } from "./SamplingError.ts"
import { type Spacing, type TimestepChoice, withSpacing } from "./TimestepChoice.ts"

/** A linear combination of what is known once the denoiser has spoken. A term that is left out counts as 0. */
export interface Combination {
  /** x_t, as the step found it. */
  readonly x?: number
  /** The estimate of x_0, clipped. */
  readonly sample?: number
  /** The estimate of the noise in x_t, made from the prediction before anything is clipped. */
  readonly epsilon?: number
  /** Standard normal noise, drawn afresh for this step; where the plan's variance is learned, of that variance. */
  readonly noise?: number
  /** What the sampler remembers, by name. */
  readonly memory?: { readonly [name: string]: number }
}

/** One evaluation of the denoiser and what becomes of it. */
export interface DenoisingStep {
  /** What the denoiser is told: a timestep of the schedule, or a fraction between two. */
  readonly timestep: number
  /** What x is multiplied by before the denoiser is shown it. */
  readonly inputScale: number
  /** The level of noise of x, as the step finds it. */
  readonly from: NoiseLevel
  /** The level of noise of x after the step. */
  readonly to: NoiseLevel
  /** The estimate of x_0, before clipping. */
  readonly sample: Conversion
  /** The estimate of the noise. */
  readonly epsilon: Conversion
  /**
   * Where the logarithm of the variance is learned: what the denoiser means by -1 and by 1 (Nichol & Dhariwal, "Improved
   * Denoising Diffusion Probabilistic Models", 2021, equation 15). [-1, 1] unless given: the logarithm itself.
   */
  readonly logVariance?: readonly [number, number]
  /** What x becomes. */
  readonly next: Combination
  /** What the sampler's memory becomes, of what the step found; a tensor that is not named stays as it is. */
  readonly remember: { readonly [name: string]: Combination }
}

/**
 * What is done to estimates of x_0: they are clipped to [-clip, clip] (static thresholding); or each example to its own
 * [-s, s] and divided by s, where s is the quantile `ratio` of its absolute values, at least 1 and at most `maximum`
 * (dynamic thresholding: Saharia et al., "Photorealistic Text-to-Image Diffusion Models with Deep Language
 * Understanding", 2022, section 2.3; a maximum below 1 wins, as in diffusers); or nothing.
 */
export type Clip = number | { readonly ratio: number; readonly maximum: number } | "none"

/** What a denoiser that `learnsVariance` says of it. */
export type LearnedVariance = "logarithm" | "variance"

/** Sampling as data. */
export interface Plan {
  /** The name of the sampler. */
  readonly sampler: string
  /** What is done to estimates of x_0. */
  readonly clip: Clip
  /** What the denoiser says of the variance of the noise: its logarithm, or the variance; nothing unless given. */
  readonly variance?: LearnedVariance | undefined
  /** The factor of the standard normal noise that sampling starts from. */
  readonly initialNoiseSigma: number
  /**
   * What takes a given x up to the level at which the first step finds it, where the sampler adds noise before it speaks:
   * x becomes `x` x + `noise` times standard normal noise. Nothing unless given. (`initialNoiseSigma` has it in it.)
   */
  readonly raise?: { readonly x: number; readonly noise: number } | undefined
  /** The names of the tensors that the sampler remembers, each shaped as x and zero at first. */
  readonly memory: ReadonlyArray<string>
  /** In the order in which they are taken. */
  readonly steps: ReadonlyArray<DenoisingStep>
}

/** Whether a step needs noise drawn. */
export const needsNoise = (step: DenoisingStep): boolean =>
  [step.next, ...Object.values(step.remember)].some((combination) => (combination.noise ?? 0) !== 0)

/** How a plan is to be made. */
export type PlanOptions = TimestepChoice & {
  /** What the denoiser predicts. */
  readonly predictionType: PredictionType | Parameterization
  /** What to do to estimates of x_0; 1 unless given, the range of images. For data of any range: `"none"`. */
  readonly clip?: Clip | undefined
  /**
   * What sampling starts from at the first level: `"unit"`, noise of variance 1, that of x_t for data of variance 1; or
   * `"spread"`, the noise of x_t alone, as k-diffusion does (and diffusers' Euler, Heun and LMS where timesteps are not
   * `"leading"`). `"unit"` unless given; the two hardly differ where the first level is nearly all noise.
   */
  readonly initialNoise?: "unit" | "spread" | undefined
}

/** Why there is no plan. */
export type PlanError = InvalidTimesteps | InvalidSigmas | InvalidSampling | UndefinedEstimate

/** A sampler: `ddpm()`, `ddim()`, ... */
export interface Sampler {
  readonly name: string
  /** The plan for a schedule: a pure function. */
  readonly plan: (schedule: Schedule, options: PlanOptions) => Result.Result<Plan, PlanError>
}

/** What a sampler says of a step; the estimates are those that the prediction amounts to at the level of the step. */
export type StepRule = Pick<DenoisingStep, "next"> & Partial<Pick<DenoisingStep, "logVariance" | "remember">>

/** What a plan needs to know of its sampler besides its steps. */
export interface PlanSpec {
  readonly sampler: string
  /** The names of what the sampler remembers; nothing unless given. */
  readonly memory?: ReadonlyArray<string> | undefined
  /** How the sampler spaces its steps where the options do not say; as `Spacing` says unless given. */
  readonly spacing?: Spacing | undefined
  /** What the denoiser is to say of the variance; nothing unless given. */
  readonly variance?: LearnedVariance | undefined
}

/**
 * The plan that goes down the chosen timesteps one by one, each step given by a function. It checks the options and
 * makes the estimates; the rest is the sampler's own.
 *
 * @param step what leads from one level of noise to the next, the last of which is the data. A multistep solver finds the
 *   levels that it has passed in `legs`
 * @example
 * // Goes to the estimate of x_0 and noises it again, with the noise that it was estimated to have: DDIM.
 * const alongTheNoise: Sampler = {
 *   name: "along the noise",
 *   plan: (schedule, options) =>
 *     planOver(schedule, options, { sampler: "along the noise" }, ({ to }) => ({
 *       next: { sample: to.signal, epsilon: to.spread }
 *     }))
 * }
 */
export const planOver = (
  schedule: Schedule,
  options: PlanOptions,
  spec: PlanSpec,
  step: (leg: Leg, position: number, legs: ReadonlyArray<Leg>) => StepRule
): Result.Result<Plan, PlanError> =>
  Result.flatMap(
    route(schedule, withSpacing(options, spec.spacing)),
    (legs) => planAlong(legs, options, spec, step)
  )

/**
 * The plan that takes these legs, each step given by a function: what {@link planOver} makes of the legs of a route. For
 * solvers that take two steps a leg, or go other ways.
 *
 * Fails with `InvalidSampling` where `clip` is out of range, and with `UndefinedEstimate` where a prediction does not
 * determine data and noise.
 *
 * @example
 * Result.flatMap(route(schedule, options), (legs) => planAlong(legs, options, { sampler: "ddim" }, (leg) => ({ next: ddimNext(leg) })))
 */
export const planAlong = (
  legs: ReadonlyArray<Leg>,
  { clip = 1, initialNoise = "unit", predictionType }: PlanOptions,
  { memory = [], sampler, variance }: PlanSpec,
  step: (leg: Leg, position: number, legs: ReadonlyArray<Leg>) => StepRule
): Result.Result<Plan, PlanError> =>
  Result.gen(function*() {
    const fault = faultOfClip(clip)
    if (fault !== undefined) return yield* Result.fail(new InvalidSampling(fault))
    const steps: Array<DenoisingStep> = []
    for (const [position, leg] of legs.entries()) {
      steps.push({ ...(yield* denoisingStep(leg, predictionType)), ...step(leg, position, legs) })
    }
    const initialNoiseSigma = initialNoise === "spread" ? legs[0]!.from.spread : 1
    return { sampler, clip, variance, initialNoiseSigma, memory, steps }
  })

const faultOfClip = (clip: Clip) => {
  if (clip === "none") return undefined
  if (typeof clip === "number") {
    return clip > 0 && Number.isFinite(clip)
      ? undefined
      : { option: "clip", value: clip, expected: `a positive number, or "none"` }
  }
  const { maximum, ratio } = clip
  if (!(ratio > 0 && ratio <= 1)) {
    return { option: "clip.ratio", value: ratio, expected: "a number above 0 and at most 1" }
  }
  return maximum > 0 ? undefined : { option: "clip.maximum", value: maximum, expected: "a positive number" }
}

/**
 * Everything of a step but what becomes of x: where it leads, and what the prediction amounts to there.
 *
 * Fails with `UndefinedEstimate` where the prediction does not determine data and noise.
 *
 * @example
 * const step = { ...Result.getOrThrow(denoisingStep({ from, to }, "epsilon")), next: { sample: to.signal, epsilon: to.spread } }
 */
export const denoisingStep = (
  { from, to }: Leg,
  predictionType: PredictionType | Parameterization
): Result.Result<Omit<DenoisingStep, "next">, UndefinedEstimate> =>
  Result.map(estimates(from, predictionType), ({ epsilon, sample }) => ({
    timestep: from.timestep,
    inputScale: inputScaleOf(from, predictionType),
    from,
    to,
    sample,
    epsilon,
    remember: {}
  }))
