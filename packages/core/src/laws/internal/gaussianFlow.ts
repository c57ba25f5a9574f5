/**
 * What a plan makes of Gaussian data with the exact denoiser: in closed form, without a sample drawn.
 *
 * Samplers treat every element by itself and all of them alike, so one element is enough: a covariance matrix comes out
 * right exactly when each of its principal variances does.
 */
import { mixtureOf, type Parameterization, type PredictionType } from "../../diffusion/index.ts"
import type { Combination, DenoisingStep, Plan } from "../../sampling/index.ts"
import type { NoiseLevel } from "../../schedule/index.ts"

/** Data of one element, N(mean, variance). With a variance of 0 it is a point. */
export interface GaussianData {
  readonly mean: number
  readonly variance: number
}

/** y = slope x + offset. */
export interface Affine {
  readonly slope: number
  readonly offset: number
}

/** The distribution of x at a level of noise. */
export const marginalAt = ({ mean, variance }: GaussianData, { signal, spread }: NoiseLevel): GaussianData => ({
  mean: signal * mean,
  variance: signal ** 2 * variance + spread ** 2
})

/**
 * What the exact denoiser says at a level: E[x_0 | x] = mean + signal variance / (signal^2 variance + spread^2)
 * (x - signal mean), the noise that follows from it, and the mixture of both that is predicted.
 */
const exactPrediction = (
  data: GaussianData,
  level: NoiseLevel,
  type: PredictionType | Parameterization
): Affine => {
  const { signal, spread } = level
  const total = marginalAt(data, level).variance
  const dataSlope = signal * data.variance / total
  const noiseSlope = spread / total
  const { noise, x0 } = mixtureOf(level, type)
  return {
    slope: x0 * dataSlope + noise * noiseSlope,
    offset: x0 * (1 - dataSlope * signal) * data.mean - noise * noiseSlope * signal * data.mean
  }
}

/**
 * x and what the sampler remembers, x first, each as a mean and its factors of independent standard normal variables: the
 * one that sampling starts from, and one for each noise that was added. Covariances follow; kept as they are, they would
 * lose twice the digits where a solver takes the difference of estimates that are nearly equal.
 */
interface Normals {
  readonly means: ReadonlyArray<number>
  readonly factors: ReadonlyArray<ReadonlyArray<number>>
}

/** Before the first step: x as given, and an empty memory. */
const startingNormals = ({ memory }: Plan, { mean, variance }: GaussianData): Normals => ({
  means: [mean, ...memory.map(() => 0)],
  factors: [[Math.sqrt(variance)], ...memory.map(() => [0])]
})

/** The standard deviation of a step's fresh noise. */
const deviationOf = ({ variance: kind }: Plan, { logVariance: [low, high] = [-1, 1] }: DenoisingStep, said: number) => {
  switch (kind) {
    case undefined:
      return 1
    case "variance":
      return Math.sqrt(Math.max(0, said))
    case "logarithm":
      // -1 is the lower bound, 1 the upper one.
      return Math.exp((low * (1 - said) + high * (1 + said)) / 4)
  }
}

const afterStep = (
  plan: Plan,
  step: DenoisingStep,
  prediction: Affine,
  { factors, means }: Normals,
  deviation: number
): Normals => {
  const rows = [
    rowOf(plan, step, step.next, prediction),
    ...plan.memory.map((name) => rowOf(plan, step, step.remember[name] ?? { memory: { [name]: 1 } }, prediction))
  ]
  const isNoisy = rows.some(({ noise }) => noise !== 0)
  return {
    means: rows.map((row) => dot(row.factors, means) + row.offset),
    factors: rows.map((row) => [
      ...factors[0]!.map((_, k) => row.factors.reduce((sum, factor, i) => sum + factor * factors[i]![k]!, 0)),
      ...(isNoisy ? [deviation * row.noise] : [])
    ])
  }
}

/**
 * The distributions of x before the first step and after each.
 *
 * @param variance what the denoiser says of the variance, where the plan's is learned; 0 unless given
 */
export const distributionsOf = (
  plan: Plan,
  data: GaussianData,
  type: PredictionType | Parameterization,
  start: GaussianData,
  variance = 0
): ReadonlyArray<GaussianData> => {
  let normals = startingNormals(plan, start)
  const all = [start]
  for (const step of plan.steps) {
    const { offset, slope } = exactPrediction(data, step.from, type)
    normals = afterStep(plan, step, { offset, slope }, normals, deviationOf(plan, step, variance))
    const [factors] = normals.factors
    all.push({ mean: normals.means[0]!, variance: dot(factors!, factors!) })
  }
  return all
}

/** What becomes of a combination when the prediction is a function of x: factors of x and the memory, and the rest. */
const rowOf = (
  plan: Plan,
  { epsilon, sample }: DenoisingStep,
  combination: Combination,
  { offset, slope }: Affine
) => {
  const { epsilon: ofEpsilon = 0, memory = {}, noise = 0, sample: ofSample = 0, x = 0 } = combination
  return {
    factors: [
      x + ofSample * (sample.xt + sample.prediction * slope) + ofEpsilon * (epsilon.xt + epsilon.prediction * slope),
      ...plan.memory.map((name) => memory[name] ?? 0)
    ],
    offset: (ofSample * sample.prediction + ofEpsilon * epsilon.prediction) * offset,
    noise
  }
}

const dot = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0)
