/**
 * Which levels of noise of a schedule a sampler visits.
 */
import type { NoiseLevel } from "../schedule/index.ts"

/** Spacings of timesteps; see `Timesteps` of the schedule. */
export const timestepSpacings = ["leading", "linspace", "trailing"] as const

/** Spacings of levels by sigma = spread / signal; see `Sigmas` of the schedule. */
export const sigmaSpacings = ["karras", "exponential", "polyexponential", "lu"] as const

export type TimestepSpacing = typeof timestepSpacings[number]
export type SigmaSpacing = typeof sigmaSpacings[number]

/** How a number of steps are spread over a schedule. */
export interface Spacing {
  /**
   * The sampler's own unless given; where it has none, `"leading"`, or `"trailing"` of a schedule that ends in noise alone
   * (zero-terminal SNR), so that the way begins at its last timestep.
   */
  readonly spacing?: TimestepSpacing | SigmaSpacing | undefined
  /** `"leading"`: added to every timestep; 0 unless given, 1 is Stable Diffusion's convention. */
  readonly offset?: number | undefined
  /**
   * `"leading"` and `"linspace"`: space one timestep more and leave out the last, t = 0, as the published DPM-Solvers,
   * UniPC and DEIS do. (A schedule that has not one more is visited whole.) False unless given.
   */
  readonly dropLast?: boolean | undefined
  /**
   * `"linspace"`: leave timesteps between those of the schedule where they are, with sigma joined by lines (`Sigmas.sigmaAt`),
   * in place of rounding them; diffusers' Euler, Heun and LMS do. False unless given.
   */
  readonly fractional?: boolean | undefined
  /** Spacings of timesteps: leave out those at which ln(signal / spread) is less; diffusers' `lambda_min_clipped`. */
  readonly lambdaMin?: number | undefined
  /** `"karras"` and `"polyexponential"`: the exponent; that of `Sigmas` unless given. */
  readonly rho?: number | undefined
  /** Spacings by sigma: the last level, that of t = 0 unless given. */
  readonly sigmaMin?: number | undefined
  /** Spacings by sigma: the first level, that of the schedule's last timestep unless given, or 4096 where that is infinite. */
  readonly sigmaMax?: number | undefined
  /** Spacings by sigma: round what the denoiser is told, a timestep between two, to the nearest one or down. */
  readonly rounding?: "nearest" | "down" | undefined
}

/** What holds for every choice of levels. */
export interface RouteEnds {
  /**
   * Where the last step ends: at the data, `"zero"`; at `"sigma-min"`, the last level of a spacing by sigma and otherwise
   * the level of t = 0 (diffusers' `set_alpha_to_one: false`); or at any level. `"zero"` unless given.
   */
  readonly final?: "zero" | "sigma-min" | NoiseLevel | undefined
  /** How many of the noisiest steps to leave out, to start part of the way; 0 unless given. */
  readonly skip?: number | undefined
  /**
   * What the denoiser is told at a level that is no timestep's. Of a schedule, the timestep between its own by ln sigma
   * (`Sigmas.timestepOfSigma`) unless given; of EDM, ln(sigma) / 4.
   */
  readonly timestepOf?: ((sigma: number) => number) | undefined
}

/** So many steps in some spacing; or these timesteps; or these levels of noise. */
export type TimestepChoice =
  & RouteEnds
  & (
    | (Spacing & {
      /** How many levels to visit; in a spacing of timesteps from 1 to the schedule's. */
      readonly steps: number
      readonly timesteps?: undefined
      readonly levels?: undefined
    })
    | {
      /** The timesteps to visit, strictly falling. */
      readonly timesteps: ReadonlyArray<number>
      readonly steps?: undefined
      readonly spacing?: undefined
      readonly levels?: undefined
    }
    | {
      /** The levels of noise to visit, strictly falling, whatever the schedule. */
      readonly levels: ReadonlyArray<NoiseLevel>
      readonly steps?: undefined
      readonly spacing?: undefined
      readonly timesteps?: undefined
    }
  )

/** Whether a spacing goes by sigma. */
export const isSigmaSpacing = (spacing: string | undefined): spacing is SigmaSpacing =>
  sigmaSpacings.some((name) => name === spacing)

/**
 * A choice of so many steps, in a sampler's own spacing where it says none.
 *
 * @example
 * withSpacing({ steps: 20 }, { spacing: "trailing" }) // => { spacing: "trailing", steps: 20 }
 */
export const withSpacing = <Choice extends TimestepChoice>(choice: Choice, own: Spacing | undefined): Choice =>
  choice.steps === undefined || choice.spacing !== undefined
    ? choice
    : { ...own, ...Object.fromEntries(Object.entries(choice).filter(([, value]) => value !== undefined)) } as Choice
