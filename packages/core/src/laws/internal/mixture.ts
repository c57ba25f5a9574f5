/**
 * Data that is a mixture of Gaussians, for which everything about the best prediction is known.
 */
import { mixtureOf, type Parameterization, type PredictionType } from "../../diffusion/index.ts"
import type { NoiseLevel } from "../../schedule/index.ts"
import { normalNodes } from "./normal.ts"

/** One Gaussian of a mixture. */
export interface Component {
  readonly weight: number
  readonly mean: number
  readonly variance: number
}

/** Given x_t: its probability among all x_t, and the normal distributions that the target has then. */
export interface Given {
  readonly x: number
  readonly probability: number
  readonly targets: ReadonlyArray<Component>
  /** The mean of the target, which is the best prediction. */
  readonly mean: number
  /** The variance of the target, which the best prediction leaves. */
  readonly variance: number
}

/**
 * What is known of the target of a prediction at points of x_t. With x_t = signal x_0 + spread epsilon given, the noise is
 * (x_t - signal x_0) / spread, so the target is linear in x_0; and in each component x_0 is normal, by Bayes' rule.
 */
export const givenXt = (
  data: ReadonlyArray<Component>,
  level: NoiseLevel,
  type: PredictionType | Parameterization,
  points: number
): ReadonlyArray<Given> => {
  const { signal, spread } = level
  const { noise, x0 } = mixtureOf(level, type)
  const slope = x0 - noise * signal / spread
  const marginals = data.map(({ mean, variance, weight }) => ({
    weight,
    mean: signal * mean,
    variance: signal ** 2 * variance + spread ** 2
  }))
  const density = (x: number, { mean, variance, weight }: Component) =>
    weight * Math.exp(-((x - mean) ** 2) / (2 * variance)) / Math.sqrt(variance)
  const nodes = normalNodes(points)
  // Each component has points of its own: together they cover x_t however far apart the components are.
  return marginals.flatMap((own) =>
    nodes.points.map((z, i) => {
      const x = own.mean + Math.sqrt(own.variance) * z
      const densities = marginals.map((marginal) => density(x, marginal))
      const total = densities.reduce((sum, value) => sum + value, 0)
      const targets = data.map((component, k) => {
        const { mean, variance } = marginals[k]!
        const share = signal * component.variance / variance
        return {
          weight: densities[k]! / total,
          mean: slope * (component.mean + share * (x - mean)) + noise * x / spread,
          variance: slope ** 2 * component.variance * spread ** 2 / variance
        }
      })
      const mean = targets.reduce((sum, target) => sum + target.weight * target.mean, 0)
      const variance = targets.reduce(
        (sum, target) => sum + target.weight * (target.variance + (target.mean - mean) ** 2),
        0
      )
      return { x, probability: own.weight * nodes.weights[i]!, targets, mean, variance }
    })
  )
}

/** The mean over all x_t, of a number for each. */
export const meanOver = (given: ReadonlyArray<Given>, value: (at: Given) => number): number =>
  given.reduce((sum, at) => sum + at.probability * value(at), 0)
