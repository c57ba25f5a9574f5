/**
 * The preconditioning of Karras, Aittala, Aila and Laine, "Elucidating the Design Space of Diffusion-Based Generative
 * Models" (2022), table 1 and section 5: a network F whose input and target have variance 1 at every level of noise, for
 * data of standard deviation sigmaData.
 *
 * In the paper noise is added to data that is not scaled down: y = x_0 + sigma epsilon. Here x_t = signal x_0 + spread
 * epsilon is held (see `NoiseLevel`), which is y times signal, with sigma = spread / signal.
 */
import { Result } from "effect"
import type { NoiseLevel } from "../schedule/index.ts"
import { requirePositive } from "./internal/options.ts"
import type { InvalidObjective } from "./InvalidObjective.ts"
import type { Parameterization } from "./prediction.ts"

/** What the preconditioning depends on. */
export interface EdmOptions {
  /** The standard deviation of the data, positive; 0.5 unless given, as in the paper. */
  readonly sigmaData?: number | undefined
}

/** D(y; sigma) = skip y + out F(in y; noise), the estimate of x_0 (Karras et al. 2022, equation 7). */
export interface EdmPreconditioning {
  readonly skip: number
  readonly out: number
  readonly in: number
  /** What the paper's network is told of sigma, ln(sigma) / 4. Denoisers here are told the timestep, which has the same in it. */
  readonly noise: number
}

/**
 * The coefficients of the paper at a standard deviation of the noise: c_skip, c_out, c_in and c_noise.
 *
 * @param sigma from above 0 to infinity
 * @param sigmaData as in {@link EdmOptions}, positive
 * @example
 * const { in: scale, out, skip } = edmPreconditioning(1, 0.5) // => 0.894, 0.447, 0.2
 */
export const edmPreconditioning = (sigma: number, sigmaData: number): EdmPreconditioning => {
  const total = Math.hypot(sigma, sigmaData)
  return {
    skip: (sigmaData / total) ** 2,
    out: sigma === Infinity ? sigmaData : sigmaData * (sigma / total),
    in: 1 / total,
    noise: Math.log(sigma) / 4
  }
}

/**
 * The prediction of that network, as a parameterisation: F's target is (x_0 - c_skip y) / c_out, and it is shown c_in y.
 *
 * Its squared error is that of x_0 weighted by lambda(sigma) of {@link edmWeighting} (Karras et al. 2022, equation 8), so
 * that the simple loss of F is the paper's. With sigmaData 1 it is -v.
 *
 * Fails with `InvalidObjective` when sigmaData is not positive.
 *
 * @example
 * const parameterization = Result.getOrThrow(edm({ sigmaData: 0.5 }))
 */
export const edm = ({ sigmaData = 0.5 }: EdmOptions = {}): Result.Result<Parameterization, InvalidObjective> =>
  Result.map(requirePositive("edm", { sigmaData }), () => {
    // The paper's coefficients with sigma = spread / signal, multiplied out so that they are finite where signal is 0.
    const deviation = ({ signal, spread }: NoiseLevel) => Math.hypot(spread, sigmaData * signal)
    return {
      name: "edm",
      mixture: (level) => ({
        x0: level.spread / (sigmaData * deviation(level)),
        noise: -sigmaData * level.signal / deviation(level)
      }),
      // The standard deviation of x_t.
      inputScale: (level) => 1 / deviation(level)
    }
  })
