/**
 * A case of a file of reference numbers for samplers: how a scheduler of diffusers was configured and run, and what came
 * out. `config` has diffusers' names and, where it says nothing, the defaults of its class.
 */
import { Result, Schema } from "effect"
import { Count, Natural } from "../../internal/numbers.ts"
import { decode } from "./decode.ts"
import { GoldenProblem } from "./GoldenProblem.ts"

/** Far more than any schedule has, and it keeps a slip from filling the memory. */
const Timesteps = Schema.Int.check(
  Schema.isBetween({ minimum: 1, maximum: 1_000_000 }, { expected: "a whole number from 1 to 1000000" })
)
const Seed = Schema.Int.check(
  Schema.isBetween({ minimum: 0, maximum: 2 ** 32 - 1 }, { expected: "a whole number from 0 to 4294967295" })
)
const Order = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }, { expected: "an order from 1 to 4" }))

const configFields = {
  num_train_timesteps: Timesteps,
  beta_start: Schema.Finite,
  beta_end: Schema.Finite,
  beta_schedule: Schema.Literals([
    "linear",
    "scaled_linear",
    "squaredcos_cap_v2",
    "sigmoid",
    "laplace",
    "exp"
  ]),
  trained_betas: Schema.Array(Schema.Finite),
  rescale_betas_zero_snr: Schema.Boolean,
  prediction_type: Schema.Literals(["epsilon", "sample", "original_sample", "v_prediction"]),
  timestep_spacing: Schema.Literals(["leading", "linspace", "trailing"]),
  steps_offset: Natural,
  clip_sample: Schema.Boolean,
  clip_sample_range: Schema.Finite,
  thresholding: Schema.Boolean,
  dynamic_thresholding_ratio: Schema.Finite,
  sample_max_value: Schema.Finite,
  variance_type: Schema.Literals([
    "fixed_small",
    "fixed_small_log",
    "fixed_large",
    "fixed_large_log",
    "learned",
    "learned_range"
  ]),
  set_alpha_to_one: Schema.Boolean,
  solver_order: Order,
  algorithm_type: Schema.Literals(["dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver", "deis"]),
  solver_type: Schema.Literals(["midpoint", "heun", "logrho", "bh1", "bh2"]),
  lower_order_final: Schema.Boolean,
  euler_at_final: Schema.Boolean,
  final_sigmas_type: Schema.Literals(["zero", "sigma_min"]),
  lambda_min_clipped: Schema.Finite,
  use_karras_sigmas: Schema.Boolean,
  use_exponential_sigmas: Schema.Boolean,
  use_beta_sigmas: Schema.Boolean,
  use_lu_lambdas: Schema.Boolean,
  use_flow_sigmas: Schema.Literal(false),
  flow_shift: Schema.Finite,
  use_dynamic_shifting: Schema.Literal(false),
  time_shift_type: Schema.String,
  predict_x0: Schema.Boolean,
  disable_corrector: Schema.Array(Natural),
  interpolation_type: Schema.Literals(["linear", "log_linear"]),
  timestep_type: Schema.Literals(["discrete", "continuous"]),
  sigma_min: Schema.Finite,
  sigma_max: Schema.Finite,
  sigma_data: Schema.Finite,
  sigma_schedule: Schema.Literals(["karras", "exponential"]),
  rho: Schema.Finite,
  _class_name: Schema.String,
  _diffusers_version: Schema.String
} as const

const loopFields = {
  num_inference_steps: Count,
  /** In place of `num_inference_steps`: the timesteps to visit. */
  timesteps: Schema.Array(Natural),
  /** Where sampling starts: `deter`, `deter*init_noise_sigma`, `add_noise at timesteps[8]` or `add_noise at t=1`. */
  start: Schema.String,
  /** Where a step's noise comes from: `zero`, or `torch CPU mt19937 seed 0`, which is meant where nothing is said. */
  noise: Schema.String,
  seed: Seed,
  /** The shape of x, [4, 3, 8, 8] where nothing is said. */
  shape: Schema.Array(Count).check(
    Schema.makeFilter<ReadonlyArray<number>>((shape) => {
      const size = shape.reduce((product, length) => product * length, 1)
      return (size >= 16 && size <= 1_000_000) || `expected a shape of 16 to 1000000 elements, got ${size}`
    })
  ),
  eta: Schema.Finite,
  use_clipped_model_output: Schema.Boolean,
  init_noise_sigma: Schema.Finite,
  /** What a step of the Euler family is given: `SCALED sample`, as diffusers' tests do, or `unscaled`. */
  step_input: Schema.String,
  /** The order of LMS. */
  order: Order,
  s_churn: Schema.Finite,
  s_tmin: Schema.Finite,
  s_tmax: Schema.Finite,
  s_noise: Schema.Finite,
  /** What a model that learns its variance says: a number for all elements or, where nothing is said, cos(0.11 i) of the index. */
  variance_channels: Schema.Union([Schema.Finite, Schema.Literal("cos(0.11*i)")])
} as const

const Config = Schema.Struct(optional(configFields))
const Loop = Schema.Struct(optional(loopFields))

/** The configuration of a scheduler, as far as it is given. */
export type GivenConfig = typeof Config.Type

/** How a scheduler was run. */
export type Loop = typeof Loop.Type

/** A case, with the numbers that are to come out. */
export interface SchedulerCase {
  readonly name: string
  readonly config: GivenConfig
  readonly loop: Loop
  readonly expected: Expected
}

const expectedFields = {
  abs_sum: Schema.Finite,
  abs_mean: Schema.Finite,
  sum: Schema.Finite,
  timesteps: Schema.Array(Schema.Finite),
  sigmas: Schema.Array(Schema.Finite),
  /** From a run in float64. */
  float64_reference_abs_sum: Schema.Finite,
  /** What diffusers' own tests assert, and how closely. */
  upstream_assert: Schema.Struct({
    on: Schema.Literals(["sum", "mean"]),
    value: Schema.Finite,
    tol: Schema.Finite
  })
} as const

const Numbers = Schema.Struct(optional(expectedFields))

/** A single element: its index in [batch, channels, height, width], and its value. */
export interface ExpectedElement {
  readonly label: string
  readonly index: ReadonlyArray<number>
  readonly value: number
}

/** What is to come out: statistics of x at the end, some of its elements, and the way it took. */
export type Expected = typeof Numbers.Type & { readonly elements: ReadonlyArray<ExpectedElement> }

/**
 * Reads a case. A field that is `null` counts as not given, as in diffusers.
 *
 * Fails with `GoldenProblem`, which names the option at fault.
 *
 * @example
 * const golden = Result.getOrThrow(decodeSchedulerCase("ddim.no_noise", JSON.parse(text).cases[0]))
 */
export const decodeSchedulerCase = (
  name: string,
  input: { readonly [field: string]: unknown }
): Result.Result<SchedulerCase, GoldenProblem> =>
  Result.gen(function*() {
    const config = yield* decode(Config, withoutNulls(input["config"]), "config", Object.keys(configFields))
    const loop = yield* decode(Loop, withoutNulls(input["loop"]), "loop", Object.keys(loopFields))
    const known = Object.fromEntries(
      Object.entries(input).filter(([field, value]) => value !== null && Object.hasOwn(expectedFields, field))
    )
    const numbers = yield* decode(Numbers, known, "", Object.keys(expectedFields))
    const elements = yield* elementsOf(input)
    return { name, config, loop, expected: { ...numbers, elements } }
  })

const elementsOf = (
  input: { readonly [field: string]: unknown }
): Result.Result<ReadonlyArray<ExpectedElement>, GoldenProblem> => {
  const found: Array<ExpectedElement> = []
  for (const [label, value] of Object.entries(input)) {
    if (!/^x(_\d+)+$/.test(label)) continue
    if (typeof value !== "number") {
      return Result.fail(
        new GoldenProblem({ option: label, reason: `an element is a number, not ${JSON.stringify(value)}` })
      )
    }
    found.push({ label, index: label.split("_").slice(1).map(Number), value })
  }
  return Result.succeed(found)
}

const withoutNulls = (value: unknown): unknown =>
  typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
    : value ?? {}

function optional<const Fields extends { readonly [name: string]: Schema.Top }>(
  fields: Fields
): { readonly [Name in keyof Fields]: Schema.optionalKey<Fields[Name]> } {
  return Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => [name, Schema.optionalKey(schema)])
  ) as { readonly [Name in keyof Fields]: Schema.optionalKey<Fields[Name]> }
}
