/**
 * Data with a normal distribution in the plane, and its best denoiser.
 */
import type { Schedule } from "@effusion/core/schedule"

export type Matrix = ReadonlyArray<ReadonlyArray<number>>

export interface Gaussian {
  readonly mean: ReadonlyArray<number>
  readonly covariance: Matrix
}

/**
 * E[epsilon | x_t] for points [count, 2]: x_t is normal with mean sqrt(alphaBar) m and covariance
 * S = alphaBar C + (1 - alphaBar) I, so the expected noise is sqrt(1 - alphaBar) S^-1 (x_t - sqrt(alphaBar) m).
 */
export const optimalNoise = (
  { covariance: [[a, b], [, d]], mean }: { readonly covariance: Matrix; readonly mean: ReadonlyArray<number> },
  schedule: Schedule,
  x: ArrayLike<number>,
  t: number
): Float64Array => {
  const alphaBar = schedule.alphaBar[t]!
  const [signal, spread] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)]
  const [s00, s01, s11] = [alphaBar * a! + 1 - alphaBar, alphaBar * b!, alphaBar * d! + 1 - alphaBar]
  const determinant = s00 * s11 - s01 ** 2
  const noise = new Float64Array(x.length)
  for (let k = 0; k < x.length; k += 2) {
    const [dx, dy] = [x[k]! - signal * mean[0]!, x[k + 1]! - signal * mean[1]!]
    noise[k] = spread * (s11 * dx - s01 * dy) / determinant
    noise[k + 1] = spread * (s00 * dy - s01 * dx) / determinant
  }
  return noise
}
