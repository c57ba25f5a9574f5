/**
 * The schedulers of diffusers that reference numbers are known for: what their classes are called, what options each has,
 * and the defaults of the options that differ from class to class.
 */
import { Result } from "effect"
import { type GoldenProblem, unknownValue } from "./GoldenProblem.ts"
import type { GivenConfig } from "./SchedulerCase.ts"

/** Every option with a value: that of the case, or the default of its class. */
export type Config = Required<Omit<GivenConfig, Unset>> & Pick<GivenConfig, Unset>

/** Options that stay away where nobody gives them. */
type Unset = "trained_betas" | "sigma_min" | "sigma_max" | "_class_name" | "_diffusers_version"

type Option = keyof GivenConfig

const defaults: Config = {
  num_train_timesteps: 1000,
  beta_start: 1e-4,
  beta_end: 0.02,
  beta_schedule: "linear",
  rescale_betas_zero_snr: false,
  prediction_type: "epsilon",
  timestep_spacing: "linspace",
  steps_offset: 0,
  clip_sample: true,
  clip_sample_range: 1,
  thresholding: false,
  dynamic_thresholding_ratio: 0.995,
  sample_max_value: 1,
  variance_type: "fixed_small",
  set_alpha_to_one: true,
  solver_order: 2,
  algorithm_type: "dpmsolver++",
  solver_type: "midpoint",
  lower_order_final: true,
  euler_at_final: false,
  final_sigmas_type: "zero",
  lambda_min_clipped: -Infinity,
  use_karras_sigmas: false,
  use_exponential_sigmas: false,
  use_beta_sigmas: false,
  use_lu_lambdas: false,
  use_flow_sigmas: false,
  flow_shift: 1,
  use_dynamic_shifting: false,
  time_shift_type: "exponential",
  predict_x0: true,
  disable_corrector: [],
  interpolation_type: "linear",
  timestep_type: "discrete",
  sigma_data: 0.5,
  sigma_schedule: "karras",
  rho: 7
}

const scheduleOptions: ReadonlyArray<Option> = [
  "num_train_timesteps",
  "beta_start",
  "beta_end",
  "beta_schedule",
  "trained_betas",
  "prediction_type",
  "timestep_spacing",
  "steps_offset"
]
const thresholding: ReadonlyArray<Option> = ["thresholding", "dynamic_thresholding_ratio", "sample_max_value"]
const clipping: ReadonlyArray<Option> = ["clip_sample", "clip_sample_range"]
const spacings: ReadonlyArray<Option> = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
const dpm: ReadonlyArray<Option> = [
  ...scheduleOptions,
  ...thresholding,
  ...spacings,
  "solver_order",
  "algorithm_type",
  "solver_type",
  "lower_order_final",
  "final_sigmas_type",
  "lambda_min_clipped",
  "variance_type"
]
const edm: ReadonlyArray<Option> = [
  "num_train_timesteps",
  "prediction_type",
  "sigma_min",
  "sigma_max",
  "sigma_data",
  "sigma_schedule",
  "rho",
  "final_sigmas_type"
]

/** What is particular to a class. */
interface Scheduler {
  readonly className: string
  /** The beginning of a case's name, up to the first "." or "(". */
  readonly prefix: RegExp
  /** The options that the class has; it ignores the others. */
  readonly options: ReadonlyArray<Option>
  readonly defaults: Partial<Config>
  /** Where a case "with noise" starts that does not say so, as in diffusers' own tests: counted from the start or the end. */
  readonly noisyStart: number
}

const schedulers = {
  ddpm: {
    className: "DDPMScheduler",
    prefix: /^ddpm(_?parallel)?$/i,
    options: [...scheduleOptions, ...clipping, ...thresholding, "variance_type", "rescale_betas_zero_snr"],
    defaults: { timestep_spacing: "leading" },
    noisyStart: -2
  },
  ddim: {
    className: "DDIMScheduler",
    prefix: /^ddim(_?parallel)?$/i,
    options: [...scheduleOptions, ...clipping, ...thresholding, "set_alpha_to_one", "rescale_betas_zero_snr"],
    defaults: { timestep_spacing: "leading" },
    noisyStart: 8
  },
  ddimInverse: {
    className: "DDIMInverseScheduler",
    prefix: /^ddim_?inverse$/i,
    options: [...scheduleOptions, ...clipping, "set_alpha_to_one", "rescale_betas_zero_snr"],
    defaults: { timestep_spacing: "leading" },
    noisyStart: 0
  },
  dpmMultistep: {
    className: "DPMSolverMultistepScheduler",
    prefix: /^(sde_?)?(dpm(pp)?|dpm_?solver(\+\+)?)_?[123]?m?(_?multi(step)?)?$/i,
    options: [...dpm, "euler_at_final", "use_lu_lambdas", "rescale_betas_zero_snr"],
    defaults: {},
    noisyStart: 5
  },
  dpmSinglestep: {
    className: "DPMSolverSinglestepScheduler",
    prefix: /^(sde_?)?(dpm(pp)?|dpm_?solver(\+\+)?)_?([123]?s|single(step)?)$/i,
    options: dpm.filter((option) => option !== "timestep_spacing" && option !== "steps_offset"),
    defaults: { lower_order_final: false },
    noisyStart: 5
  },
  deis: {
    className: "DEISMultistepScheduler",
    prefix: /^deis(_?[123]m?)?$/i,
    options: [...scheduleOptions, ...thresholding, ...spacings, "solver_order", "lower_order_final"],
    defaults: { final_sigmas_type: "sigma_min" },
    noisyStart: 8
  },
  unipc: {
    className: "UniPCMultistepScheduler",
    prefix: /^uni_?pc(_?1d)?$/i,
    options: [
      ...scheduleOptions,
      ...thresholding,
      ...spacings,
      "solver_order",
      "solver_type",
      "lower_order_final",
      "final_sigmas_type",
      "predict_x0",
      "disable_corrector",
      "rescale_betas_zero_snr",
      "sigma_min",
      "sigma_max"
    ],
    defaults: { solver_type: "bh2" },
    noisyStart: 8
  },
  euler: {
    className: "EulerDiscreteScheduler",
    prefix: /^euler$/i,
    options: [
      ...scheduleOptions,
      ...spacings,
      "interpolation_type",
      "sigma_min",
      "sigma_max",
      "timestep_type",
      "rescale_betas_zero_snr",
      "final_sigmas_type"
    ],
    defaults: {},
    noisyStart: -2
  },
  eulerAncestral: {
    className: "EulerAncestralDiscreteScheduler",
    prefix: /^euler_?a(ncestral)?$/i,
    options: [...scheduleOptions, "rescale_betas_zero_snr"],
    defaults: {},
    noisyStart: -2
  },
  heun: {
    className: "HeunDiscreteScheduler",
    prefix: /^heun$/i,
    options: [...scheduleOptions, ...spacings, ...clipping],
    defaults: { beta_start: 0.00085, beta_end: 0.012, clip_sample: false },
    noisyStart: -2
  },
  lms: {
    className: "LMSDiscreteScheduler",
    prefix: /^lms$/i,
    options: [...scheduleOptions, ...spacings],
    defaults: {},
    noisyStart: -2
  },
  edmEuler: {
    className: "EDMEulerScheduler",
    prefix: /^edm_?euler$/i,
    options: edm,
    defaults: { sigma_min: 0.002, sigma_max: 80 },
    noisyStart: -2
  },
  edmDpmMultistep: {
    className: "EDMDPMSolverMultistepScheduler",
    prefix: /^edm_?dpm\w*$/i,
    options: [
      ...edm,
      ...thresholding,
      "solver_order",
      "algorithm_type",
      "solver_type",
      "lower_order_final",
      "euler_at_final"
    ],
    defaults: { sigma_min: 0.002, sigma_max: 80 },
    noisyStart: 5
  }
} as const satisfies { readonly [kind: string]: Scheduler }

/** The schedulers, by short names. */
export type SchedulerKind = keyof typeof schedulers

const kinds = Object.keys(schedulers) as ReadonlyArray<SchedulerKind>

/** What is particular to a scheduler. */
export const schedulerOf = (kind: SchedulerKind): Scheduler => schedulers[kind]

/**
 * The scheduler of a case: that of `_class_name`, or else the one that the name begins with.
 *
 * @example
 * Result.getOrThrow(kindOf({ name: "dpm2m.karras.v" })) // => "dpmMultistep"
 */
export const kindOf = (
  { className, name }: { readonly name: string; readonly className?: string | undefined }
): Result.Result<SchedulerKind, GoldenProblem> => {
  if (className !== undefined) {
    const kind = kinds.find((kind) => schedulers[kind].className === className)
    const known = kinds.map((kind) => schedulers[kind].className)
    return kind === undefined ? Result.fail(unknownValue("config._class_name", className, known)) : Result.succeed(kind)
  }
  const prefix = name.split(/[.(\s]/)[0]!
  const kind = kinds.find((kind) => schedulers[kind].prefix.test(prefix))
  return kind === undefined ? Result.fail(unknownValue("sampler", prefix, prefixes)) : Result.succeed(kind)
}

const prefixes = [
  "ddpm",
  "ddim",
  "ddim_inverse",
  "dpm1, dpm2m, dpm3m",
  "dpm2s, dpm3s",
  "deis",
  "unipc",
  "euler",
  "eulerA",
  "heun",
  "lms",
  "edm_euler",
  "edm_dpm"
]

/**
 * The configuration of a case with all its defaults. Options that the class does not have are left out, as diffusers does.
 *
 * @example
 * configOf("ddim", { beta_start: 0.01 }).set_alpha_to_one // => true
 */
export const configOf = (kind: SchedulerKind, given: GivenConfig): Config => {
  const { defaults: own, options } = schedulerOf(kind)
  const known = Object.fromEntries(options.filter((option) => given[option] !== undefined).map((o) => [o, given[o]]))
  return { ...defaults, ...own, ...known }
}
