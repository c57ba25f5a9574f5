/**
 * DDPM and DDIM in float64 against diffusers' numbers.
 *
 * Each case is held to the float64 reimplementation's sum where there is one, and to diffusers' float32 sum, its three
 * single elements and the number its own tests assert, as closely as float32 allows. Not here: dynamic thresholding and
 * DDIM inversion, which Effusion's samplers do not have.
 */
import { ddim, ddimNext, type DdimOptions, ddpm, type Plan, sampleOnHost, type Sampler } from "@effusion/core/sampling"
import { dataLevel, levelAt, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import * as diffusers from "./diffusers.ts"
import { torchNormals } from "./torchRandom.ts"

const planOf = (golden: diffusers.Golden, sampler: Sampler, timesteps?: ReadonlyArray<number>): Plan => {
  const { clip_sample = true, prediction_type = "epsilon", timestep_spacing } = golden.config
  return Result.getOrThrow(sampler.plan(diffusers.scheduleOf(golden.config), {
    ...(timesteps === undefined
      ? { steps: golden.loop.num_inference_steps, spacing: timestep_spacing }
      : { timesteps }),
    predictionType: prediction_type,
    clip: clip_sample ? 1 : "none"
  }))
}

const torchNoise = (plan: Plan): (position: number) => Float32Array => {
  const draw = torchNormals(0)
  const tensors = plan.steps.slice(0, -1).map(() => draw(diffusers.size))
  return (position) => tensors[position]!
}

const run = (golden: diffusers.Golden): Float64Array => {
  const schedule = diffusers.scheduleOf(golden.config)
  if (golden.name.startsWith("ddpm")) {
    const partial = golden.loop.start === "add_noise at t=1"
    const plan = planOf(golden, ddpm(), partial ? [1, 0] : undefined)
    return sampleOnHost(plan, {
      noise: partial ? diffusers.noised(schedule, 1) : diffusers.sample,
      predict: diffusers.model,
      stepNoise: golden.loop.noise === "zero" ? undefined : torchNoise(plan)
    })
  }
  const options: DdimOptions = { eta: 0, useClippedModelOutput: golden.loop.use_clipped_model_output }
  const partial = golden.loop.start === "add_noise at timesteps[8]"
  const plan = planOf(golden, ddim(options), partial ? [100, 0] : undefined)
  return sampleOnHost(golden.config.timestep_spacing === "linspace" ? withFixedStride(plan, schedule, options) : plan, {
    noise: partial ? diffusers.noised(schedule, 100) : diffusers.sample,
    predict: diffusers.model
  })
}

/**
 * diffusers' DDIM always steps from t to t - T / N, which is not the next timestep when they are spaced by "linspace";
 * this is its plan, made of the same steps.
 */
const withFixedStride = (plan: Plan, schedule: Schedule, options: DdimOptions): Plan => ({
  ...plan,
  steps: plan.steps.map((step) => {
    const previous = step.timestep - schedule.steps / plan.steps.length
    const to = previous < 0 ? dataLevel : levelAt(schedule, previous)
    return { ...step, to, next: ddimNext({ from: step.from, to }, options) }
  })
})

const close = (actual: number, expected: number, tolerance: number, what: string): void =>
  assert.isAtMost(Math.abs(actual - expected), tolerance, `${what}: ${actual} is not ${expected}`)

describe("reference numbers of diffusers", () => {
  const cases = diffusers.goldens.filter(({ name }) => /^dd[pi]m/.test(name))

  it("are all here", () => assert.strictEqual(cases.length, 21))

  it.each(cases.map((golden) => [golden.name, golden] as const))("%s", (_, golden) => {
    const x = run(golden)
    const sum = diffusers.absSum(x)
    const reference = golden.float64_reference_abs_sum
    if (reference !== null) close(sum, reference, 2e-6 * reference, "sum of |x| in float64")
    close(sum, golden.abs_sum, 3e-4 * golden.abs_sum + 1e-9, "sum of |x|")
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
      ddpm({ variance }).plan(diffusers.scheduleOf(cases[0]!.config), { steps: 1000, predictionType, clip })
    )
    const x = sampleOnHost(plan, {
      noise: diffusers.sample,
      predict: diffusers.model,
      stepNoise: torchNoise(plan)
    })
    close(diffusers.absSum(x), expected, 1e-4 * expected, "sum of |x|")
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
