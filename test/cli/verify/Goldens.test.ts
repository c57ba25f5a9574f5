/**
 * Reference numbers of other implementations, each case as `effusion verify --goldens` runs it; and that a wrong number, or
 * a sampler that does otherwise, does not pass.
 */
import { Result } from "effect"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { type Check, passes } from "../../../packages/cli/src/verify/goldens/Check.ts"
import { type Golden, goldensOf } from "../../../packages/cli/src/verify/goldens/GoldensFile.ts"
import { resultOf, showResult } from "../../../packages/cli/src/verify/verifyGoldens.ts"

type Json = { readonly [field: string]: unknown }

const files = {
  "sampling-goldens.json": 55,
  "scheduler-goldens-upstream.json": 26,
  "scheduler-goldens-further.json": 596,
  "vlb-goldens.json": 12,
  "vlb-goldens-further.json": 52
}

const textOf = (file: string) => readFileSync(new URL(`../../fixtures/${file}`, import.meta.url), "utf8")
const goldensIn = (file: string) => Result.getOrThrow(goldensOf(file, textOf(file)))

describe.each(Object.entries(files))("%s", (file, count) => {
  const goldens = goldensIn(file)

  it("has all its cases", () => assert.strictEqual(goldens.length, count))

  it.each(goldens.map((golden, i) => [`${golden.name} (${i})`, golden] as const))("%s", (_, golden) => {
    const result = resultOf(file, golden)
    assert.strictEqual(result.verdict, "pass", showResult(result, 0))
  })
})

const casesOf = (file: string, field = "cases"): ReadonlyArray<Json> => JSON.parse(textOf(file))[field]

const checksOf = (golden: Json): ReadonlyArray<Check> => {
  const text = JSON.stringify({ inputs: JSON.parse(textOf("vlb-goldens.json")).inputs, cases: [golden] })
  const [only] = Result.getOrThrow(goldensOf("a file", text)) as readonly [Golden]
  return Result.getOrThrow(only.checks())
}

const failing = (golden: Json): ReadonlyArray<string> =>
  checksOf(golden).filter((check) => !passes(check)).map(({ what }) => what)

const named = (name: string): Json => {
  const all = [...casesOf("sampling-goldens.json"), ...casesOf("scheduler-goldens-further.json")]
  return all.find((golden) => golden["name"] === name)!
}

/** The case with one option changed. */
const changed = (golden: Json, part: "config" | "loop", changes: Json): Json => ({
  ...golden,
  [part]: { ...(golden[part] as Json), ...changes }
})

describe("a table", () => {
  const table = (tables: Json): ReadonlyArray<Golden> => Result.getOrThrow(goldensOf("a file", JSON.stringify(tables)))
  const verdicts = (tables: Json) =>
    table(tables).map((golden) => {
      const { checks, problem, verdict } = resultOf("a file", golden)
      return verdict === "pass" ? "pass" : problem ?? checks.filter((check) => !passes(check)).map(({ what }) => what)
    })
  const { discretized_gaussian_log_likelihood: likelihoods } = JSON.parse(textOf("vlb-goldens.json"))

  it("of likelihoods does not pass with a number that is off, or with the two forms exchanged", () => {
    const { exact_erf, tanh_approx } = likelihoods
    const off = exact_erf.map((value: number, i: number) => i === 3 ? value * (1 + 3e-4) : value)
    assert.deepStrictEqual(verdicts({ discretized_gaussian_log_likelihood: { ...likelihoods, exact_erf: off } }), [[
      "exact_erf[3]"
    ]])
    const exchanged = { ...likelihoods, exact_erf: tanh_approx, tanh_approx: exact_erf }
    assert.include(verdicts({ discretized_gaussian_log_likelihood: exchanged })[0], "tanh_approx[3]")
    assert.deepStrictEqual(verdicts({ discretized_gaussian_log_likelihood: { ...likelihoods, mean: [0] } }), [
      "discretized_gaussian_log_likelihood.mean: it has 1 numbers where x has 8"
    ])
  })

  it.each<readonly [string, unknown, unknown]>([
    ["10,[3]", [0, 4, 9], "pass"],
    ["10,[3]", [0, 5, 9], ["timesteps[1]"]],
    ["10,[3]", [0, 4, 9, 9], ["timesteps", "timesteps[3]"]],
    ["10,[3]", "ValueError", ["timesteps"]],
    ["10,ddim5", "ValueError", ["timesteps"]],
    // Not a divisor, and no stride either; not a divisor, though there is a stride; too many of a section.
    ["10,ddim7", "ValueError", "pass"],
    ["1000,ddim30", "ValueError", "pass"],
    ["10,'11'", "ValueError", "pass"],
    ["1000,ddim30", Array.from({ length: 30 }, (_, i) => 34 * i), "pass"],
    ["10,ddim7", [0, 1, 2, 3, 4, 5, 6], /^space_timesteps\.10,ddim7: no such timesteps/],
    ["ten", [0], /^space_timesteps\.ten: it is no request/]
  ])("of timesteps: %s is %j", (key, expected, verdict) => {
    const [got] = verdicts({ space_timesteps: { [key]: expected } })
    if (verdict instanceof RegExp) assert.match(got as string, verdict)
    else assert.deepStrictEqual(got, verdict)
  })
})

describe("a case does not pass", () => {
  const off = 3e-4
  // Those whose sums are numbers of a size, not what float32 leaves of 0; and not the thousand steps of DDPM.
  const samplers = casesOf("sampling-goldens.json").filter(({ abs_sum, loop }) =>
    (abs_sum as number) > 1e-3 && (loop as Json)["num_inference_steps"] as number < 100
  )
  const list = (values: unknown, i: number): ReadonlyArray<number> =>
    (values as ReadonlyArray<number>).map((value, j) => j === i ? value * (1 + off) : value)

  it.each(samplers.map((golden) => [golden["name"] as string, golden] as const))(
    "with any of its numbers off by 3e-4: %s",
    (name, golden) => {
      const value = (what: string) => golden[what] as number
      const elements = ["x_0_0_0_0", "x_3_2_7_7", "x_1_1_3_4"].map((what) => {
        const size = Math.max(Math.abs(value(what)), value("abs_mean"))
        return [what, value(what) + size * off] as const
      })
      const solver = /^(dpm|unipc|deis)/.test(name)
      const lists = ["sigmas", "timesteps"].filter((what) =>
        // Timesteps that a solver finds by sigma may be off by one.
        golden[what] !== undefined && !(what === "timesteps" && solver && /karras|lu/.test(name))
      )
      // All at once: no check reads the number of another, but that an element is judged by the size of abs_mean.
      const wrong = {
        ...golden,
        ...Object.fromEntries(["abs_sum", "abs_mean"].map((what) => [what, value(what) * (1 + off)])),
        ...Object.fromEntries(elements),
        ...Object.fromEntries(lists.map((what) => [what, list(golden[what], 1)]))
      }
      assert.sameMembers([...failing(wrong)], [
        "abs_sum",
        "abs_mean",
        ...elements.map(([what]) => what),
        ...lists.map((what) => `${what}[1]`)
      ])
    }
  )

  it("with another float64 sum, or another number that upstream asserts", () => {
    const golden = named("ddim.no_noise")
    const reference = golden["float64_reference_abs_sum"] as number
    assert.deepStrictEqual(
      failing({ ...golden, float64_reference_abs_sum: reference * (1 + off) }),
      ["float64_reference_abs_sum"]
    )
    const upstream_assert = { ...(golden["upstream_assert"] as Json), value: 172.05 }
    assert.deepStrictEqual(failing({ ...golden, upstream_assert }), ["upstream_assert.sum"])
  })

  it("with more or fewer timesteps", () => {
    const golden = named("ddim.no_noise")
    const timesteps = golden["timesteps"] as ReadonlyArray<number>
    assert.deepStrictEqual(failing({ ...golden, timesteps: timesteps.slice(1) }), ["timesteps.length"])
  })

  it("with an element that there is not", () => {
    const { x_0_0_0_0: value, ...golden } = named("ddim.no_noise")
    assert.deepStrictEqual(failing({ ...golden, x_0_0_0_8: value }), ["x_0_0_0_8"])
    assert.deepStrictEqual(failing({ ...golden, x_0_0_0: value }), ["x_0_0_0"])
  })

  it.each<readonly [string, "config" | "loop", Json]>([
    ["ddpm.fixed_small.v_prediction.leading50", "config", { variance_type: "fixed_large" }],
    ["ddpm.clip_range0.3", "config", { clip_sample: false }],
    ["ddpm.clip_range0.3", "config", { clip_sample_range: 0.301 }],
    ["ddpm.zeronoise.eps.50steps.leading", "config", { prediction_type: "v_prediction" }],
    ["ddpm.zeronoise.eps.50steps.leading", "config", { beta_end: 0.0201 }],
    ["ddpm.zeronoise.eps.50steps.leading", "config", { beta_schedule: "scaled_linear" }],
    ["ddpm.zeronoise.eps.50steps.leading", "config", { rescale_betas_zero_snr: true, prediction_type: "v_prediction" }],
    ["ddpm.zeronoise.eps.50steps.leading", "config", { thresholding: true, sample_max_value: 0.5 }],
    ["ddpm.fixed_small.v_prediction.leading50", "loop", { noise: "torch CPU mt19937 seed 1" }],
    ["ddpm.zeronoise.eps.50steps.leading", "loop", { num_inference_steps: 49 }],
    ["ddim.no_noise", "loop", { eta: 0.1 }],
    ["ddim.eps.trailing", "config", { set_alpha_to_one: false }],
    ["ddim.no_noise", "config", { timestep_spacing: "linspace" }],
    ["ddim.no_noise", "config", { steps_offset: 1 }],
    ["ddim.with_noise", "loop", { start: "deter" }],
    ["ddim.with_noise", "loop", { start: "add_noise at timesteps[7]" }],
    ["dpm2m.no_noise", "config", { solver_type: "heun" }],
    ["dpm2m.no_noise", "config", { solver_order: 3 }],
    ["dpm2m.no_noise", "config", { lower_order_final: true }],
    ["dpm2m.no_noise", "config", { euler_at_final: true }],
    ["dpm2m.no_noise", "config", { final_sigmas_type: "zero" }],
    ["dpm2m.no_noise", "config", { algorithm_type: "dpmsolver" }],
    ["dpm2m.no_noise", "config", { algorithm_type: "sde-dpmsolver++" }],
    ["dpm2m.no_noise", "config", { use_exponential_sigmas: true }],
    ["dpm2s.no_noise", "config", { solver_order: 3 }],
    ["unipc.no_noise", "config", { solver_type: "bh1" }],
    ["unipc.no_noise", "config", { predict_x0: false }],
    ["unipc.no_noise", "config", { disable_corrector: [0] }],
    ["euler.no_noise", "loop", { step_input: "unscaled" }],
    ["euler.no_noise", "loop", { s_churn: 1 }],
    ["lms.no_noise", "loop", { order: 3 }],
    ["edm_euler.n40.data1", "config", { sigma_data: 0.9 }],
    ["edm_euler.n40.data1", "config", { rho: 7 }],
    ["ddpm.learned_range.const", "loop", { variance_channels: 0.2 }]
  ])("that was made otherwise: %s with another %s, %j", (name, part, changes) => {
    assert.include(failing(changed(named(name), part, changes)), "abs_sum")
  })

  it("of the bound, with any of its numbers off by 3e-4", () => {
    const [golden] = casesOf("vlb-goldens.json").filter(({ variance }) => variance === "LEARNED_RANGE") as [Json]
    const lists = Object.entries(golden).filter(([, values]) => Array.isArray(values))
    assert.isAtLeast(lists.length, 4)
    for (let i = 0; i < 4; i++) {
      const wrong = Object.fromEntries(lists.map(([what, values]) => [what, list(values, i)]))
      assert.sameMembers([...failing({ ...golden, ...wrong })], lists.map(([what]) => `${what}[${i}]`))
    }
  })

  it("of the bound, that was made otherwise", () => {
    const [golden] = casesOf("vlb-goldens.json") as [Json]
    for (const changes of [{ variance: "FIXED_LARGE" }, { schedule: "cosine" }, { T: 1001 }, { mean: "START_X" }]) {
      assert.include(failing({ ...golden, ...changes }), "vb_bits[1]", JSON.stringify(changes))
    }
    assert.include(failing({ ...golden, t: [0, 2, 500, 999] }), "vb_bits[1]")
  })
})

const problemOf = (golden: unknown): string => {
  const [only] = Result.getOrThrow(goldensOf("a file", JSON.stringify({ cases: [golden] }))) as readonly [Golden]
  const result = resultOf("a file", only)
  assert.strictEqual(result.verdict, "fail")
  return result.problem ?? "no problem"
}

describe("a case that is not understood fails, and says", () => {
  const golden = named("ddim.no_noise")

  it.each<readonly [string, unknown, RegExp]>([
    ["the sampler", { ...golden, name: "pndm.no_noise" }, /^sampler: "pndm" is not known; known are ddpm, ddim, /],
    [
      "the class",
      changed(golden, "config", { _class_name: "LCMScheduler" }),
      /^config._class_name: "LCMScheduler" is not known; known are DDPMScheduler, /
    ],
    [
      "an option that there is not",
      changed(golden, "config", { clip_samples: true }),
      /^config.clip_samples: there is no such option; did you mean "clip_sample"\?$/
    ],
    [
      "an option nothing like any other",
      changed(golden, "loop", { temperature: 3 }),
      /^loop.temperature: there is no such option; known are num_inference_steps, /
    ],
    ["a value", changed(golden, "config", { beta_schedule: "cubic" }), /^config.beta_schedule: .*"linear".*"cubic"/i],
    ["a number", changed(golden, "loop", { num_inference_steps: 0 }), /^loop.num_inference_steps: .*at least 1, got 0/],
    ["a start", changed(golden, "loop", { start: "noise" }), /^loop.start: "noise" is not known; known are deter, /],
    [
      "a start out of range",
      changed(golden, "loop", { start: "add_noise at timesteps[10]" }),
      /^loop.start: .*10 steps/
    ],
    ["a start that is not visited", changed(golden, "loop", { start: "add_noise at t=3" }), /^loop.start: t = 3 /],
    ["a noise", changed(golden, "loop", { noise: "numpy" }), /^loop.noise: "numpy" is not known; known are zero, /],
    [
      "too many steps",
      changed(golden, "loop", { num_inference_steps: 2000 }),
      /^loop.(num_inference_steps|timesteps): /
    ],
    ["no steps", { ...golden, loop: {} }, /^loop.num_inference_steps: it is missing/],
    [
      "a learning of nonsense",
      changed(named("ddpm.no_noise(eps)"), "config", { variance_type: "fixed_large_log" }),
      /no number/
    ],
    ["no numbers", { name: "ddim", config: {}, loop: { num_inference_steps: 10 } }, /^case: it has no numbers/],
    ["no name", { config: {} }, /^name: a case of a sampler has a name/],
    ["no case", 3, /^case 0: it is no object/],
    ["a schedule", { schedule: "cubic", T: 10, variance: "LEARNED", vb_bits: [1] }, /^schedule: "cubic" is not known/],
    ["a variance", { schedule: "linear", T: 10, variance: "SMALL" }, /^variance: .*"FIXED_SMALL"/],
    [
      "a quantity",
      { schedule: "linear", T: 1000, variance: "LEARNED", vb_bit: [1] },
      /^vb_bit: there is no such option; did you mean "vb_bits"/
    ],
    ["timesteps", { schedule: "linear", T: 100, variance: "LEARNED", vb_bits: [1, 1, 1, 1] }, /^t: \[0, 1, 500, 999\]/]
  ])("%s", (_, golden, message) => assert.match(problemOf(golden), message))
})

describe("the configuration of a case", () => {
  it("may name its class in place of its name", () => {
    const golden = named("dpm2m.no_noise")
    const other = changed({ ...golden, name: "mine" }, "config", {
      _class_name: "DPMSolverMultistepScheduler",
      _diffusers_version: "0.40.0"
    })
    assert.deepStrictEqual(failing(other), [])
  })

  it("may have options of other classes, which count for nothing, and nulls", () => {
    const golden = named("eulerA.no_noise")
    const other = changed(golden, "config", { use_karras_sigmas: true, clip_sample: true, trained_betas: null })
    assert.deepStrictEqual(failing(other), [])
  })
})
