/**
 * Exponential integrators: how x goes from one level of noise to another when what the denoiser says in between is a
 * polynomial in lambda = ln(signal / spread) through what it said at some levels.
 *
 * The probability flow in terms of the data D, and in terms of the noise N, both exact (Lu et al., "DPM-Solver++", 2022,
 * equation 8, and Lu et al., "DPM-Solver", 2022, equation 3.4), from s to t with h = lambda_t - lambda_s:
 *
 *     x_t = (spread_t / spread_s) x_s + signal_t h ∫_0^1 e^{-h (1 - u)} D(u) du        lambda = lambda_s + u h
 *     x_t = (signal_t / signal_s) x_s - spread_t h ∫_0^1 e^{h (1 - u)} N(u) du
 *
 * and, with a Wiener process, twice the exponent and noise (Lu et al. 2022, "DPM-Solver++", equations 18 and 19). All are
 * `x` x_s + `scale` k ∫_0^1 e^{-k (1 - u)} M(u) du + `noise` z, for some k.
 */
import { lambdaOf, type NoiseLevel } from "../../../schedule/index.ts"
import type { Leg } from "../../route.ts"
import type { Combination } from "../../Sampler.ts"

/** What a solver takes for a polynomial, and whether it draws noise on the way. */
export interface ExponentialForm {
  readonly predicts: "sample" | "epsilon"
  readonly stochastic: boolean
}

/** The exact part of a step: x_t = `x` x_s + `scale` (k times the integral) + `noise` z. */
export interface Transition {
  readonly x: number
  readonly scale: number
  readonly k: number
  readonly noise: number
  /** lambda_t - lambda_s. */
  readonly h: number
}

/** The coefficients of a step from one level to another. */
export const transition = ({ from, to }: Leg, { predicts, stochastic }: ExponentialForm): Transition => {
  const h = lambdaOf(to) - lambdaOf(from)
  if (predicts === "epsilon") {
    return {
      h,
      x: to.signal / from.signal,
      scale: stochastic ? 2 * to.spread : to.spread,
      k: -h,
      noise: stochastic ? to.spread * Math.sqrt(Math.expm1(2 * h)) : 0
    }
  }
  const ratio = to.spread / from.spread
  return {
    h,
    // e^{-h}, exact where no noise is left.
    x: stochastic ? ratio * (to.spread * from.signal) / (to.signal * from.spread) : ratio,
    scale: to.signal,
    k: stochastic ? 2 * h : h,
    noise: stochastic ? to.spread * Math.sqrt(-Math.expm1(-2 * h)) : 0
  }
}

/** What is taken for a polynomial, of x at a level and the clipped estimate of the data: that, or the noise that fits it. */
export const valueAt = (level: NoiseLevel, predicts: ExponentialForm["predicts"]): Combination =>
  predicts === "sample" ? { sample: 1 } : noiseAt(level)

/** The noise in x that fits the clipped estimate of the data. */
export const noiseAt = ({ signal, spread }: NoiseLevel): Combination => ({ x: 1 / spread, sample: -signal / spread })

/**
 * psi_n(k) = k ∫_0^1 e^{-k (1 - u)} u^n du. Of an infinite k, where no noise is left at the end, it is 1.
 */
export const psi = (n: number, k: number): number => {
  // Below 1 the recursion loses digits and the series converges fast: n! times the sum of (-1)^j k^{j+1} / (n + j + 1)!.
  if (Math.abs(k) < 1) {
    let sum = 0
    for (let j = 0, term = k / (n + 1); j < 20; j++, term *= -k / (n + j + 1)) sum += term
    return sum
  }
  return n === 0 ? -Math.expm1(-k) : 1 - n * psi(n - 1, k) / k
}

/**
 * k ∫_0^1 e^{-k (1 - u)} M(u) du for the polynomial M through values at distinct nodes: the factor of each value.
 *
 * @param nodes where the values are, in u: 0 is where the step begins, 1 where it ends
 */
export const interpolationWeights = (nodes: ReadonlyArray<number>, k: number): ReadonlyArray<number> =>
  lagrangePolynomials(nodes).map((polynomial) =>
    polynomial.reduce((sum, coefficient, n) => sum + coefficient * psi(n, k), 0)
  )

/** The factors of two values, at 0 and at a node, where their value at 0 and their slope have these. */
export const twoValues = (zeroth: number, slope: number, node: number): ReadonlyArray<number> => [
  zeroth - slope / node,
  slope / node
]

/** For each node, the coefficients, constant first, of the polynomial that is 1 there and 0 at the other nodes. */
export const lagrangePolynomials = (nodes: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  nodes.map((node, j) =>
    nodes.reduce<ReadonlyArray<number>>(
      (polynomial, other, i) => i === j ? polynomial : timesLinear(polynomial, other, node - other),
      [1]
    )
  )

/** A polynomial times (u - root) / scale. */
const timesLinear = (polynomial: ReadonlyArray<number>, root: number, scale: number): ReadonlyArray<number> =>
  Array.from(
    { length: polynomial.length + 1 },
    (_, n) => ((polynomial[n - 1] ?? 0) - root * (polynomial[n] ?? 0)) / scale
  )
