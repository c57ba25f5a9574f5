/**
 * The noise schedule of a case, with the roundings of the implementation that its numbers come from.
 *
 * diffusers keeps beta, alphaBar and sigma in float32. That shows: 1 - alphaBar at t = 0 is off by 1.7e-4 of itself, and
 * with it the sigma that samplers end at. So numbers made with float32 tables are held against float32 tables; what a
 * sampler makes of them is computed in float64 in any case.
 */
import { cosine, exponential, laplace, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import { GoldenProblem } from "./GoldenProblem.ts"
import type { Config } from "./schedulers.ts"

/** The format of the tables that numbers were made with. */
export type Precision = "float32" | "float64"

/** The tables of a schedule. */
export interface Tables {
  readonly precision: Precision
  /** What tables are rounded to. */
  readonly round: (value: number) => number
  readonly schedule: Schedule
  /** sigma_t = sqrt((1 - alphaBar_t) / alphaBar_t). */
  readonly sigmas: Float64Array
  readonly logSigmas: Float64Array
}

/**
 * The tables that a configuration makes.
 *
 * @param options.finite whether zero terminal SNR is taken for alphaBar = 2^-24, as solvers that go by sigma do
 * @example
 * const { schedule } = Result.getOrThrow(tablesOf(config, { precision: "float32", finite: false }))
 * schedule.alphaBar[0] // => 0.99989998
 */
export const tablesOf = (
  config: Config,
  { finite, precision }: { readonly precision: Precision; readonly finite: boolean }
): Result.Result<Tables, GoldenProblem> =>
  Result.map(betasOf(config, precision), (given) => {
    const round = roundingOf(precision)
    const beta = config.rescale_betas_zero_snr ? rescaled(given, round) : given
    const alphaBar = products(beta, round)
    if (config.rescale_betas_zero_snr && finite) alphaBar[alphaBar.length - 1] = 2 ** -24
    const sigmas = alphaBar.map((value) => round(Math.sqrt(round(round(1 - value) / value))))
    return {
      precision,
      round,
      schedule: { name: config.beta_schedule, config: {}, steps: beta.length, beta, alphaBar },
      sigmas,
      logSigmas: sigmas.map((sigma) => round(Math.log(sigma)))
    }
  })

/** The rounding of a format. */
export const roundingOf = (precision: Precision): (value: number) => number =>
  precision === "float32" ? Math.fround : (value) => value

const betasOf = (config: Config, precision: Precision): Result.Result<Float64Array, GoldenProblem> => {
  const { beta_end: end, beta_schedule, beta_start: start, num_train_timesteps: steps, trained_betas } = config
  const round = roundingOf(precision)
  if (trained_betas !== undefined) return Result.succeed(Float64Array.from(trained_betas, round))
  const ofFamily = (family: Result.Result<Schedule, { readonly message: string }>) =>
    Result.mapBoth(family, {
      onSuccess: ({ beta }) => beta.map(round),
      onFailure: ({ message }) => new GoldenProblem({ option: "config.beta_schedule", reason: message })
    })
  switch (beta_schedule) {
    case "linear":
      return Result.succeed(spaced(start, end, steps, round))
    case "scaled_linear":
      return Result.succeed(spaced(Math.sqrt(start), Math.sqrt(end), steps, round).map((root) => round(root ** 2)))
    case "sigmoid":
      return Result.succeed(
        spaced(-6, 6, steps, round).map((x) =>
          round(round(round(1 / (1 + Math.exp(-x))) * round(end - start)) + round(start))
        )
      )
    case "squaredcos_cap_v2":
      return ofFamily(cosine({ steps }))
    case "laplace":
      return ofFamily(laplace({ steps, convention: "diffusers" }))
    case "exp":
      return ofFamily(exponential({ steps }))
  }
}

/** `torch.linspace`: from both ends towards the middle, each number rounded once. */
const spaced = (from: number, to: number, count: number, round: (value: number) => number): Float64Array => {
  const [start, end] = [round(from), round(to)]
  const stride = round(round(end - start) / (count - 1))
  return Float64Array.from(
    { length: count },
    (_, i) =>
      count === 1 ? start : round(i < Math.floor(count / 2) ? start + stride * i : end - stride * (count - 1 - i))
  )
}

/** Products of 1 - beta, kept in float64 on the way. */
const products = (beta: Float64Array, round: (value: number) => number): Float64Array => {
  let product = 1
  return beta.map((value) => {
    product *= round(1 - value)
    return round(product)
  })
}

/** Zero terminal SNR (Lin et al. 2024, algorithm 1), step by step as `rescaleZeroTerminalSnr` does at once. */
const rescaled = (beta: Float64Array, round: (value: number) => number): Float64Array => {
  const roots = products(beta, round).map((value) => round(Math.sqrt(value)))
  const [first, last] = [roots[0]!, roots.at(-1)!]
  const scale = round(first / round(first - last))
  const alphaBar = roots.map((root) => round(round(round(root - last) * scale) ** 2))
  return alphaBar.map((value, t) => round(1 - (t === 0 ? value : round(value / alphaBar[t - 1]!))))
}
