/**
 * What a standard normal variable does, without cancellation and without underflow.
 */
import { erf, erfc, erfcx } from "./errorFunction.ts"

/**
 * Phi(z), the probability of a standard normal variable below z; accurate in both tails.
 *
 * @param z any number; infinite ones give 0 and 1
 * @example
 * normalCdf(0) // => 0.5
 */
export const normalCdf = (z: number): number => erfc(-z / Math.SQRT2) / 2

/** log Phi(z), the probability of a standard normal variable below z; accurate in both tails. */
export const logCdf = (z: number): number =>
  z < 0
    ? Math.log(erfcx(-z / Math.SQRT2) / 2) - z * z / 2
    : Math.log1p(-erfc(z / Math.SQRT2) / 2)

/**
 * log(Phi(center + halfWidth) - Phi(center - halfWidth)), the probability of an interval; `halfWidth` is positive.
 *
 * Three ways, each where it loses nothing: an interval that is narrow for where it lies is a series about its middle,
 * one around 0 a sum of two positive numbers, and one in a tail a difference of numbers that are far apart, with their
 * common exponential taken out.
 */
export const logProbability = (center: number, halfWidth: number): number => {
  const z = Math.abs(center)
  if (halfWidth * (1 + z) < 0.25) return Math.log(2 * halfWidth * series(z, halfWidth)) - z * z / 2 - logSqrt2Pi
  const lower = (z - halfWidth) / Math.SQRT2
  const upper = (z + halfWidth) / Math.SQRT2
  if (lower <= 0) return Math.log((erf(upper) - erf(lower)) / 2)
  // The difference of the squares of the two bounds is 2 z halfWidth.
  return Math.log((erfcx(lower) - Math.exp(-2 * z * halfWidth) * erfcx(upper)) / 2) - lower * lower
}

const logSqrt2Pi = Math.log(2 * Math.PI) / 2

/**
 * The mean of the standard normal density over [z - h, z + h], as a multiple of that at z: the Taylor series about z,
 * sum over k of h^(2k) He_2k(z) / (2k + 1)!, with the Hermite polynomials that the density's derivatives are made of.
 */
const series = (z: number, h: number): number => {
  let sum = 1
  let factor = 1
  let [previous, hermite] = [1, z]
  for (let n = 2; n <= 12; n += 2) {
    previous = z * hermite - (n - 1) * previous
    factor *= h * h / (n * (n + 1))
    sum += factor * previous
    hermite = z * previous - n * hermite
  }
  return sum
}
