/**
 * The plan of one of Effusion's samplers that does what a scheduler of diffusers does.
 *
 * The samplers under test make all coefficients; what diffusers does otherwise is in `departures.ts`.
 */
import { edm, type Parameterization } from "@effusion/core/diffusion"
import {
  type Clip,
  ddim,
  ddimInversion,
  ddpm,
  type DdpmVariance,
  deis,
  dpmSolver,
  dpmSolverSinglestep,
  euler,
  eulerAncestral,
  heun,
  lms,
  type Plan,
  type PlanOptions,
  type Sampler,
  uniPC
} from "@effusion/core/sampling"
import { levelAt, levelOfSigma, type NoiseLevel, sigmaOf } from "@effusion/core/schedule"
import { Result } from "effect"
import { withDepartures, withLateChurn } from "./departures.ts"
import { GoldenProblem, unknownValue } from "./GoldenProblem.ts"
import type { Loop } from "./SchedulerCase.ts"
import type { Config, SchedulerKind } from "./schedulers.ts"
import type { Way } from "./way.ts"

/** What a plan is made of. */
export interface PlanSetup {
  readonly kind: SchedulerKind
  readonly config: Config
  readonly loop: Loop
  readonly way: Way
  /** How many of the first steps are left out. */
  readonly skip: number
}

/**
 * The plan of a case.
 *
 * Fails with `GoldenProblem`, where there is no such sampler or it cannot do what is asked.
 *
 * @example
 * const plan = Result.getOrThrow(planOf({ kind: "ddim", config, loop, way, skip: 0 }))
 */
export const planOf = (setup: PlanSetup): Result.Result<Plan, GoldenProblem> => {
  const { config, kind } = setup
  const plan = kind === "ddim" || kind === "ddimInverse"
    ? withStrides(setup)
    : (kind === "euler" || kind === "edmEuler") && (setup.loop.s_churn ?? 0) > 0
    ? withChurn(setup)
    : kind === "lms"
    // A way that begins in the middle has slopes of 0 for what came before.
    ? Result.map(along(setup, lms({ order: setup.loop.order }), 0), (plan) => from(plan, setup.skip))
    : Result.flatMap(samplerOf(setup), (sampler) => along(setup, sampler, setup.skip))
  const { precision } = setup.way
  return Result.map(plan, (plan) => withDepartures(plan, { kind, config, precision }))
}

const from = (plan: Plan, skip: number): Plan => ({ ...plan, steps: plan.steps.slice(skip) })

/** A sampler along the levels of the way. */
const along = (
  { config, kind, way }: PlanSetup,
  sampler: Sampler,
  skip: number,
  { final, levels }: Pick<Way, "final" | "levels"> = way
): Result.Result<Plan, GoldenProblem> =>
  Result.flatMap(predictionOf(kind, config), (predictionType) =>
    Result.mapError(
      sampler.plan(way.schedule, { levels, final, skip, predictionType, clip: clipOf(kind, config) }),
      ({ message }) => new GoldenProblem({ option: "plan", reason: message })
    ))

const samplerOf = (
  { config, kind }: PlanSetup
): Result.Result<Sampler, GoldenProblem> => {
  const { algorithm_type, lower_order_final: lowerOrderFinal, solver_order: order, solver_type } = config
  const solverType = solver_type === "heun" ? "heun" : "midpoint"
  const algorithm = algorithm_type === "deis" ? "dpmsolver++" : algorithm_type
  switch (kind) {
    case "ddpm":
      return Result.map(ddpmVarianceOf(config), (variance) => ddpm({ variance }))
    case "dpmMultistep":
    case "edmDpmMultistep":
      return Result.succeed(
        dpmSolver({ algorithm, order, solverType, lowerOrderFinal, eulerAtFinal: config.euler_at_final })
      )
    case "dpmSinglestep":
      return algorithm === "sde-dpmsolver"
        ? Result.fail(unknownValue("config.algorithm_type", algorithm, ["dpmsolver++", "sde-dpmsolver++", "dpmsolver"]))
        : Result.succeed(dpmSolverSinglestep({ algorithm, order, solverType, lowerOrderFinal }))
    case "deis":
      return Result.succeed(deis({ order, lowerOrderFinal }))
    case "unipc":
      return Result.succeed(uniPC({
        order,
        solverType: solver_type === "bh1" ? "bh1" : "bh2",
        predictX0: config.predict_x0,
        lowerOrderFinal,
        disableCorrector: config.disable_corrector
      }))
    case "euler":
    case "edmEuler":
      return Result.succeed(euler())
    case "eulerAncestral":
      return Result.succeed(eulerAncestral())
    case "heun":
      return Result.succeed(heun())
    default:
      return Result.fail(new GoldenProblem({ option: "sampler", reason: `there is no plan for ${kind}` }))
  }
}

const ddpmVarianceOf = ({ variance_type }: Config): Result.Result<DdpmVariance, GoldenProblem> => {
  switch (variance_type) {
    case "fixed_small":
    case "fixed_small_log":
      return Result.succeed("fixed-small")
    case "fixed_large":
      return Result.succeed("fixed-large")
    case "learned":
      return Result.succeed("learned")
    case "learned_range":
      return Result.succeed("learned-range")
    case "fixed_large_log":
      return Result.fail(
        new GoldenProblem({
          option: "config.variance_type",
          reason: "of fixed_large_log, diffusers takes the root of a logarithm, which is no number"
        })
      )
  }
}

/**
 * DDIM's steps, and those of its inversion, each by itself: diffusers steps by floor(T / N) from wherever it is, which is
 * not where the next step begins unless timesteps are spaced by "leading".
 */
const withStrides = (setup: PlanSetup): Result.Result<Plan, GoldenProblem> =>
  Result.gen(function*() {
    const { kind, loop, skip, way } = setup
    const stride = Math.floor(way.schedule.steps / way.levels.length)
    const { eta, use_clipped_model_output: useClippedModelOutput } = loop
    const sampler = kind === "ddim" ? ddim({ eta, useClippedModelOutput }) : ddimInversion()
    const plans: Array<Plan> = []
    for (const level of way.levels.slice(skip)) {
      const below: NoiseLevel = level.timestep < stride ? way.final : levelAt(way.schedule, level.timestep - stride)
      plans.push(yield* along(setup, sampler, 0, { levels: [level], final: below }))
    }
    return { ...plans[0]!, steps: plans.flatMap(({ steps }) => steps) }
  })

/**
 * Euler's steps with churn, each by itself: from the level that noise takes x up to, and with what the denoiser said of x
 * before that.
 */
const withChurn = (setup: PlanSetup): Result.Result<Plan, GoldenProblem> =>
  Result.gen(function*() {
    const { config, loop, skip, way } = setup
    const { s_churn = 0, s_noise = 1, s_tmax = Infinity, s_tmin = 0 } = loop
    const gamma = Math.min(s_churn / way.levels.length, Math.SQRT2 - 1)
    const plans: Array<Plan> = []
    for (const [i, level] of way.levels.entries()) {
      const sigma = sigmaOf(level)
      const final = way.levels[i + 1] ?? way.final
      const plain = yield* along(setup, euler(), 0, { levels: [level], final })
      if (sigma < s_tmin || sigma > s_tmax) {
        plans.push(plain)
        continue
      }
      const raised = levelOfSigma(sigma * (1 + gamma), level.timestep)
      const fromRaised = yield* along(setup, euler(), 0, { levels: [raised], final })
      // Of v, diffusers makes the estimate of x_0 as if the noise had not gone in.
      const estimateAt = config.prediction_type === "v_prediction" && setup.kind === "euler" ? level : raised
      plans.push(withLateChurn(plain, fromRaised, { sNoise: s_noise, estimateAt }))
    }
    return { ...plans[0]!, steps: plans.slice(skip).flatMap(({ steps }) => steps) }
  })

/** What the denoiser predicts. */
const predictionOf = (
  kind: SchedulerKind,
  { prediction_type, sigma_data: sigmaData }: Config
): Result.Result<PlanOptions["predictionType"], GoldenProblem> => {
  if (kind !== "edmEuler" && kind !== "edmDpmMultistep") {
    return Result.succeed(prediction_type === "original_sample" ? "sample" : prediction_type)
  }
  return Result.mapBoth(edm({ sigmaData }), {
    onFailure: ({ message }) => new GoldenProblem({ option: "config.sigma_data", reason: message }),
    // Of v, diffusers turns what EDM's network predicts round.
    onSuccess: (edm) => prediction_type === "v_prediction" ? negated(edm) : edm
  })
}

const negated = (parameterization: Parameterization): Parameterization => ({
  ...parameterization,
  mixture: (level) => {
    const { noise, x0 } = parameterization.mixture(level)
    return { noise: -noise, x0: -x0 }
  }
})

/** What is done to estimates of x_0. */
const clipOf = (kind: SchedulerKind, config: Config): Clip => {
  // UniPC makes no estimate of x_0 where it goes by the noise.
  if (kind === "unipc" && !config.predict_x0) return "none"
  if (config.thresholding) return { ratio: config.dynamic_thresholding_ratio, maximum: config.sample_max_value }
  const clips = kind === "ddpm" || kind === "ddim" || kind === "ddimInverse" || kind === "heun"
  return clips && config.clip_sample ? config.clip_sample_range : "none"
}
