/**
 * Expectations over normal variables, by the trapezoidal rule, which is as exact as float64 for smooth functions of them.
 */

/** Points of a standard normal variable, symmetric about 0, and their weights, which add up to 1. */
export interface Nodes {
  readonly points: ReadonlyArray<number>
  readonly weights: ReadonlyArray<number>
}

/** Points from -`reach` to `reach` standard deviations. */
export const normalNodes = (count: number, reach = 8): Nodes => {
  const points = Array.from({ length: count }, (_, i) => reach * (2 * i - (count - 1)) / (count - 1))
  const densities = points.map((z) => Math.exp(-z * z / 2))
  const total = densities.reduce((sum, density) => sum + density, 0)
  return { points, weights: densities.map((density) => density / total) }
}
