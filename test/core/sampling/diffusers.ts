/**
 * The configurations and inputs of diffusers' scheduler tests, and its reference numbers.
 */
import { cosine, fromBetas, linear, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import { readFileSync } from "node:fs"

/** One case: a scheduler's configuration, how it was run, and what came out. */
export interface Golden {
  readonly name: string
  readonly config: {
    readonly num_train_timesteps: number
    readonly beta_start: number
    readonly beta_end: number
    readonly beta_schedule: string
    readonly prediction_type?: "epsilon" | "sample" | "v_prediction"
    readonly clip_sample?: boolean
    readonly timestep_spacing?: "leading" | "linspace" | "trailing"
    readonly solver_order?: number
    readonly solver_type?: string
    readonly lower_order_final?: boolean
    readonly thresholding?: boolean
    readonly dynamic_thresholding_ratio?: number
    readonly sample_max_value?: number
    readonly use_karras_sigmas?: boolean
    readonly use_lu_lambdas?: boolean
    readonly final_sigmas_type?: "zero" | "sigma_min"
    readonly set_alpha_to_one?: boolean
  }
  readonly loop: {
    readonly num_inference_steps: number
    readonly noise?: string
    readonly use_clipped_model_output?: boolean
    readonly start?: string
    readonly step_input?: string
    readonly init_noise_sigma?: number
  }
  readonly abs_sum: number
  readonly x_0_0_0_0: number
  readonly x_3_2_7_7: number
  readonly x_1_1_3_4: number
  readonly timesteps?: ReadonlyArray<number>
  readonly float64_reference_abs_sum: number | null
  readonly upstream_assert: { readonly on: "sum" | "mean"; readonly value: number; readonly tol: number } | null
}

export const goldens: ReadonlyArray<Golden> =
  JSON.parse(readFileSync(new URL("../../fixtures/sampling-goldens.json", import.meta.url), "utf8")).cases

/** The shape of `sample`, channels before height and width. */
export const shape = [4, 3, 8, 8] as const
const size = 4 * 3 * 8 * 8

const element = (flat: number): number => {
  const [b, chw] = [Math.floor(flat / 192), flat % 192]
  return chw * 4 + b
}

/** `dummy_sample_deter`. */
export const sample = Float64Array.from({ length: size }, (_, i) => element(i) / size)

/** The schedule of a configuration. */
export const scheduleOf = (
  { beta_end, beta_schedule, beta_start, num_train_timesteps }: Golden["config"]
): Schedule => {
  const steps = num_train_timesteps
  switch (beta_schedule) {
    case "linear":
      return Result.getOrThrow(linear({ steps, start: beta_start, end: beta_end }))
    case "scaled_linear": {
      const [low, high] = [Math.sqrt(beta_start), Math.sqrt(beta_end)]
      return Result.getOrThrow(
        fromBetas(Array.from({ length: steps }, (_, t) => (low + (high - low) * t / (steps - 1)) ** 2))
      )
    }
    case "squaredcos_cap_v2":
      return Result.getOrThrow(cosine({ steps }))
    default:
      throw new Error(`no schedule ${beta_schedule}`)
  }
}

export const absSum = (x: Float64Array): number => x.reduce((sum, value) => sum + Math.abs(value), 0)

/** The three elements that the reference numbers single out. */
export const elements = (x: Float64Array): ReadonlyArray<number> => [
  x[0]!,
  x[size - 1]!,
  x[1 * 192 + 1 * 64 + 3 * 8 + 4]!
]
