/**
 * Denoising diffusion implicit models (Song, Meng and Ermon, "Denoising Diffusion Implicit Models", 2020).
 */
import { Result } from "effect"
import { posteriorBetween } from "../../diffusion/index.ts"
import { levelAt, type Schedule } from "../../schedule/index.ts"
import { type Leg, route } from "../route.ts"
import { type Combination, planAlong, type PlanOptions, type Sampler } from "../Sampler.ts"
import { InvalidSampling } from "../SamplingError.ts"

/** Options of {@link ddim}. */
export interface DdimOptions {
  /** How much noise a step adds, from 0 (none: the same noise always gives the same data) to 1 (as much as DDPM). 0 unless given. */
  readonly eta?: number | undefined
  /**
   * Make the estimate of the noise agree with the clipped estimate of x_0 (OpenAI's implementations do), in place of
   * leaving it as the prediction says (diffusers does unless told). False unless given.
   */
  readonly useClippedModelOutput?: boolean | undefined
  /**
   * Step from t to t - floor(T / steps), as diffusers does, in place of to the next timestep that is visited; the two differ
   * where timesteps are not spaced by `"leading"`. Below 0 is where the way ends. False unless given.
   */
  readonly fixedStride?: boolean | undefined
}

/**
 * Goes from x_t to x_{t-1} along the estimated noise (Song et al. 2020, equation 12), with
 * sigma_t = eta sqrt((1 - alphaBar_{t-1}) / (1 - alphaBar_t)) sqrt(1 - alphaBar_t / alphaBar_{t-1}) (equation 16).
 * "t - 1" is the next timestep that is visited. The last step ends at the estimate of x_0.
 *
 * Fails with `InvalidSampling` where eta is out of range.
 *
 * @example
 * const samples = Sampling.images({ sampler: ddim(), steps: 50, count: 16, seed: 7, parameters })
 */
export const ddim = (options: DdimOptions = {}): Sampler => ({
  name: "ddim",
  plan: (schedule, planOptions) =>
    Result.gen(function*() {
      const { eta = 0, fixedStride = false } = options
      if (!(eta >= 0 && eta <= 1)) {
        return yield* Result.fail(new InvalidSampling({ option: "eta", value: eta, expected: "a number from 0 to 1" }))
      }
      const legs = yield* route(schedule, planOptions)
      const visited = fixedStride ? yield* strided(schedule, planOptions, legs) : legs
      return yield* planAlong(visited, planOptions, { sampler: "ddim" }, (leg) => ({ next: ddimNext(leg, options) }))
    })
})

const strided = (
  schedule: Schedule,
  { skip = 0 }: PlanOptions,
  legs: ReadonlyArray<Leg>
): Result.Result<ReadonlyArray<Leg>, InvalidSampling> => {
  const stride = Math.floor(schedule.steps / (legs.length + skip))
  const end = legs.at(-1)!.to
  const between = legs.find(({ from }) => !Number.isInteger(from.timestep))
  if (between !== undefined) {
    return Result.fail(
      new InvalidSampling({
        option: "fixedStride",
        value: true,
        expected: `for whole timesteps, and this way visits ${between.from.timestep}`
      })
    )
  }
  return Result.succeed(
    legs.map(({ from }) => ({
      from,
      to: from.timestep < stride ? end : levelAt(schedule, from.timestep - stride)
    }))
  )
}

/**
 * DDIM backwards: from data to the noise that DDIM with eta 0 makes that data of, as near as the steps are small (Song et
 * al. 2020, section 4.3; Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", 2021, appendix F). As in
 * diffusers, the denoiser is told the timestep that a step leads up to.
 *
 * The plan goes up the way that another sampler's goes down, from where that ends; for use with `Sampling.encode`. Data
 * prediction does not determine the noise of data without noise: with it, give `final: "sigma-min"`.
 *
 * @example
 * const latents = Sampling.encode({ images, steps: 50, parameters })
 */
export const ddimInversion = (): Sampler => ({
  name: "ddim-inversion",
  plan: (schedule, planOptions) =>
    Result.flatMap(route(schedule, planOptions), (down) => {
      const up = down.toReversed().map(({ from, to }): Leg => ({
        from: { ...to, timestep: from.timestep },
        to: from
      }))
      return planAlong(up, planOptions, { sampler: "ddim-inversion" }, ({ to }) => ({
        next: { sample: to.signal, epsilon: to.spread }
      }))
    })
})

/**
 * What x becomes from one level of noise to another.
 *
 * @example
 * const { epsilon, sample } = ddimNext({ from: levelAt(schedule, 500), to: levelAt(schedule, 480) })
 */
export const ddimNext = (
  { from, to }: Leg,
  { eta = 0, useClippedModelOutput = false }: DdimOptions = {}
): Combination => {
  const sigma = eta * Math.sqrt(posteriorBetween(from, to).variance)
  // The noise that is left, 1 - alphaBar_{t-1}, is part kept and part drawn afresh; at eta = 1 rounding can pass 0.
  const kept = Math.sqrt(Math.max(0, to.spread ** 2 - sigma ** 2))
  if (!useClippedModelOutput) return { sample: to.signal, epsilon: kept, noise: sigma }
  return { sample: to.signal - kept * from.signal / from.spread, x: kept / from.spread, noise: sigma }
}
