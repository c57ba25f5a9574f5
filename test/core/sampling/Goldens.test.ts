/**
 * Every sampler in float64 against diffusers' numbers.
 *
 * Each case is held to the float64 reimplementation's sum where there is one, and to diffusers' float32 sum, its three
 * single elements and the number its own tests assert, as closely as float32 allows.
 */
import type { Parameterization } from "@effusion/core/diffusion"
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
  inputOnHost,
  lms,
  type Plan,
  type PlanOptions,
  sampleOnHost,
  type Sampler,
  startOnHost,
  stepOnHost,
  uniPC
} from "@effusion/core/sampling"
import { levelOfSigma, sigmaOf, Sigmas } from "@effusion/core/schedule"
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import * as diffusers from "./diffusers.ts"
import { torchNormals } from "./torchRandom.ts"

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
    ...(final_sigmas_type === "sigma_min" || name.startsWith("deis") ? { final: "sigmaMin" } : {}),
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

/** What sampling starts from, in x_t. */
const startOf = (golden: diffusers.Golden, plan: Plan): Float64Array => {
  const level = plan.steps[0]!.from
  if (skipped(golden) === 0) return startOnHost(plan, diffusers.sample).x
  // diffusers' solvers by sigma start from sample * init_noise_sigma + noise * sigma, and x_t is that times signal.
  const factor = golden.loop.init_noise_sigma ?? 1
  return diffusers.sample.map((value, i) => level.signal * factor * value + level.spread * diffusers.noise[i]!)
}

const run = (golden: diffusers.Golden): Float64Array => {
  const plan = planOf(golden)
  const normals = torchNormals(0)
  let state = { ...startOnHost(plan, diffusers.sample, 4), x: startOf(golden, plan) }
  for (const step of plan.steps) {
    const prediction = diffusers.model(inputOnHost(step, state), step.timestep)
    // The upstream loops of the solvers by sigma take a step from what the model was shown, the scaled sample.
    if (golden.loop.step_input === "SCALED sample") {
      state = { ...state, x: state.x.map((value) => step.from.signal * value) }
    }
    const draws = step.to.spread > 0 && (step.next.noise ?? 0) !== 0 && golden.loop.noise !== "zero"
    state = stepOnHost(plan, step, state, prediction, draws ? normals(diffusers.size) : undefined)
  }
  return state.x
}

const close = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.isAtMost(Math.abs(actual - expected), tolerance, `${what}: ${actual} is not ${expected}`)

describe("reference numbers of diffusers", () => {
  it("are all here", () => assert.strictEqual(diffusers.goldens.length, 55))

  it.each(diffusers.goldens.map((golden) => [golden.name, golden] as const))("%s", (_, golden) => {
    const x = run(golden)
    const sum = diffusers.absSum(x)
    const reference = golden.float64_reference_abs_sum
    if (reference !== null) close(sum, reference, 2e-6 * reference, "sum of |x| in float64")
    close(sum, golden.abs_sum, 3e-4 * golden.abs_sum + 1e-5, "sum of |x|")
    const expected = [golden.x_0_0_0_0, golden.x_3_2_7_7, golden.x_1_1_3_4]
    for (const [i, value] of diffusers.elements(x).entries()) {
      close(value, expected[i]!, 5e-4 * Math.abs(expected[i]!) + 2e-5, `element ${i}`)
    }
    if (golden.upstream_assert !== null) {
      const { on, tol, value } = golden.upstream_assert
      close(on === "sum" ? sum : sum / diffusers.size, value, Math.max(tol, 1e-4 * value), "diffusers' own assertion")
    }
  })

  it.each(
    [
      ["fixedLarge", "fixedLarge", 1, "epsilon", 261.205],
      ["no clipping", "fixedSmall", "none", "epsilon", 263.345],
      ["no clipping, v-prediction", "fixedSmall", "none", "v_prediction", 202.296]
    ] as const
  )("ddpm with %s", (_, variance, clip, predictionType, expected) => {
    const plan = Result.getOrThrow(
      ddpm({ variance }).plan(diffusers.scheduleOf(diffusers.goldens[0]!.config), { steps: 1000, predictionType, clip })
    )
    const normals = torchNormals(0)
    const x = sampleOnHost(plan, {
      noise: diffusers.sample,
      predict: diffusers.model,
      stepNoise: () => normals(diffusers.size)
    })
    close(diffusers.absSum(x), expected, 1e-4 * expected, "sum of |x|")
  })
})

describe("EDM's scheduler, by levels of one's own and EDM's preconditioning", () => {
  // Karras et al. 2022, table 1: D = c_skip x + c_out F(c_in x), with x = x_t / signal and sigma_data 0.5.
  const edm: Parameterization = {
    name: "edm",
    mixture: (level) => {
      const sigma = sigmaOf(level)
      const skip = 0.25 / (sigma ** 2 + 0.25)
      const out = sigma * 0.5 / Math.hypot(sigma, 0.5)
      return { x0: (1 - skip) / out, noise: -skip * sigma / out }
    },
    inputScale: (level) => 1 / (Math.hypot(sigmaOf(level), 0.5) * level.signal)
  }

  it("meets the number that diffusers asserts", () => {
    const sigmas = Result.getOrThrow(Sigmas.karras({ sigmaMin: 0.002, sigmaMax: 80, count: 10 }))
    const plan = Result.getOrThrow(
      euler().plan(diffusers.scheduleOf(diffusers.goldens[0]!.config), {
        levels: sigmas.map((sigma) => levelOfSigma(sigma, Math.log(sigma) / 4)),
        predictionType: edm,
        clip: "none"
      })
    )
    // It starts from the sample times sqrt(sigma_max^2 + 1), and x_t is that times signal: the sample.
    const x = sampleOnHost(plan, { noise: diffusers.sample, predict: diffusers.model })
    close(diffusers.absSum(x), 34.1855, 4e-3, "sum of |x|")
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
    (t, previous, expected) => close(variance(ddpm(), t, previous), expected, 1e-5, "variance")
  )

  it.each([[420, 400, 0.14771], [980, 960, 0.3246], [487, 486, 0.00979], [999, 998, 0.02]])(
    "ddim with eta = 1 from %i to %i",
    (t, previous, expected) => close(variance(ddim({ eta: 1 }), t, previous), expected, 1e-5, "variance")
  )
})
