/**
 * Spacings, ends and starts as samplers take them, against the ways of diffusers' schedulers that reference numbers are run
 * on (`effusion verify --goldens`, of which all cases are tested in test/cli/verify): both make the same plans.
 */
import {
  ddim,
  ddimInversion,
  ddpm,
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
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { planOf as verifiedPlan } from "../../../packages/cli/src/verify/goldens/plans.ts"
import { decodeSchedulerCase } from "../../../packages/cli/src/verify/goldens/SchedulerCase.ts"
import { configOf, kindOf } from "../../../packages/cli/src/verify/goldens/schedulers.ts"
import { wayOf } from "../../../packages/cli/src/verify/goldens/way.ts"
import * as diffusers from "./diffusers.ts"

type Family = "ddim" | "ddpm" | "deis" | "dpm" | "euler" | "eulerA" | "heun" | "lms" | "inverse" | "unipc"

const familyOf = (name: string): Family =>
  name.startsWith("ddim_inverse")
    ? "inverse"
    : name.startsWith("dpm")
    ? "dpm"
    : name.split(/[.(]/)[0] as Family

const samplerOf = ({ config, loop, name }: diffusers.Golden): Sampler => {
  const solver = { order: config.solver_order, lowerOrderFinal: config.lower_order_final }
  switch (familyOf(name)) {
    case "ddpm":
      return ddpm()
    case "ddim":
      return ddim({
        useClippedModelOutput: loop.use_clipped_model_output,
        fixedStride: config.timestep_spacing === "linspace"
      })
    case "inverse":
      return ddimInversion()
    case "dpm":
      return (name.startsWith("dpm2s") ? dpmSolverSinglestep : dpmSolver)({
        ...solver,
        solverType: config.solver_type as "midpoint"
      })
    case "deis":
      return deis(solver)
    case "unipc":
      return uniPC({ ...solver, solverType: config.solver_type as "bh2" })
    case "euler":
      return euler()
    case "eulerA":
      return eulerAncestral()
    case "heun":
      return heun()
    case "lms":
      return lms()
  }
}

/** Where sampling starts in the middle, how many steps are left out. */
const skipped = ({ loop: { start = "deter" }, name }: diffusers.Golden): number => {
  const at = /timesteps\[(\d+)\]/.exec(start)
  if (at !== null) return Number(at[1]) / (familyOf(name) === "heun" ? 2 : 1)
  if (start === "add_noise at t=1") return 998
  return name === "dpm2s.with_noise" ? 5 : 0
}

const planOf = (golden: diffusers.Golden): Plan => {
  const { config, loop, name } = golden
  const { clip_sample, final_sigmas_type, prediction_type = "epsilon", sample_max_value, thresholding } = config
  const sigmas = config.use_karras_sigmas ? "karras" : config.use_lu_lambdas ? "lu" : undefined
  const bySigma = /^(euler|heun|lms)/.test(name)
  const options = {
    steps: loop.num_inference_steps,
    spacing: sigmas ?? config.timestep_spacing,
    skip: skipped(golden),
    ...(sigmas !== undefined && !bySigma ? { rounding: "nearest" } : {}),
    ...(final_sigmas_type === "sigma_min" || name.startsWith("deis") ? { final: "sigma-min" } : {}),
    predictionType: prediction_type,
    clip: thresholding
      ? { ratio: config.dynamic_thresholding_ratio ?? 0.995, maximum: sample_max_value }
      : clip_sample ?? name.startsWith("dd")
      ? 1
      : "none",
    ...(bySigma ? { initialNoise: "spread" } : {})
  } as PlanOptions
  return Result.getOrThrow(samplerOf(golden).plan(diffusers.scheduleOf(config), options))
}

/** The plan of a case in float64, from its levels of noise. */
const verified = (golden: diffusers.Golden): Plan =>
  Result.getOrThrow(Result.gen(function*() {
    const decoded = yield* decodeSchedulerCase(golden.name, { ...golden })
    const kind = yield* kindOf(decoded)
    const config = configOf(kind, decoded.config)
    const way = yield* wayOf(kind, config, decoded.loop, "float64")
    return yield* verifiedPlan({ kind, config, loop: decoded.loop, way, skip: skipped(golden) })
  }))

/** All numbers of a plan, by where they are. */
const numbersOf = (value: unknown, path = ""): ReadonlyArray<readonly [string, number]> => {
  if (typeof value === "number") return [[path, value]]
  return typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([key, field]) => numbersOf(field, `${path}.${key}`))
    : []
}

describe("the plans of reference numbers", () => {
  it("are all here", () => assert.strictEqual(diffusers.goldens.length, 55))

  it.each(diffusers.goldens.map((golden) => [golden.name, golden] as const))("%s", (_, golden) => {
    const [actual, expected] = [planOf(golden), verified(golden)]
    assert.strictEqual(actual.steps.length, expected.steps.length)
    const wanted = new Map(numbersOf(expected.steps))
    let compared = 0
    for (const [path, value] of numbersOf(actual.steps)) {
      // The timestep that a level is said to have does not matter, only what the denoiser is told.
      if (/\.(from|to)\.timestep$/.test(path)) continue
      assert.closeTo(value, wanted.get(path)!, 1e-9 * Math.max(1, Math.abs(value)), path)
      compared++
    }
    assert.isAtLeast(compared, 10 * actual.steps.length)
    assert.deepStrictEqual(actual.clip, expected.clip)
  })
})

describe("variances of diffusers' own tests", () => {
  const schedule = diffusers.scheduleOf(diffusers.goldens[0]!.config)
  const variance = (sampler: Sampler, t: number, previous: number): number => {
    const timesteps = previous < 0 || previous === t ? [t] : [t, previous]
    return Result.getOrThrow(sampler.plan(schedule, { timesteps, predictionType: "epsilon" })).steps[0]!.next.noise! **
      2
  }

  it.each([[0, -1, 0], [487, 486, 0.00979], [999, 998, 0.02]])(
    "ddpm from %i to %i",
    (t, previous, expected) => assert.closeTo(variance(ddpm(), t, previous), expected, 1e-5)
  )

  it.each([[420, 400, 0.14771], [980, 960, 0.3246], [487, 486, 0.00979], [999, 998, 0.02]])(
    "ddim with eta = 1 from %i to %i",
    (t, previous, expected) => assert.closeTo(variance(ddim({ eta: 1 }), t, previous), expected, 1e-5)
  )
})
