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
export const exactPrediction = (
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

/** The mean and the covariance of x and of what the sampler remembers, x first. */
export interface Moments {
  readonly mean: ReadonlyArray<number>
  readonly covariance: ReadonlyArray<ReadonlyArray<number>>
}

/** Before the first step: x as given, and an empty memory. */
export const startingMoments = ({ memory }: Plan, { mean, variance }: GaussianData): Moments => {
  const size = 1 + memory.length
  return {
    mean: Array.from({ length: size }, (_, i) => i === 0 ? mean : 0),
    covariance: Array.from(
      { length: size },
      (_, i) => Array.from({ length: size }, (_, j) => i === 0 && j === 0 ? variance : 0)
    )
  }
}

/** The distribution after a step, from that before it. */
export const afterStep = (
  plan: Plan,
  step: DenoisingStep,
  prediction: Affine,
  { covariance, mean }: Moments
): Moments => {
  const rows = [
    rowOf(plan, step, step.next, prediction),
    ...plan.memory.map((name) => rowOf(plan, step, step.remember[name] ?? { memory: { [name]: 1 } }, prediction))
  ]
  return {
    mean: rows.map(({ factors, offset }) => dot(factors, mean) + offset),
    covariance: rows.map((a) =>
      rows.map((b) => {
        const between = a.factors.map((factor, i) => factor * dot(covariance[i]!, b.factors))
        return between.reduce((sum, value) => sum + value, 0) + a.noise * b.noise
      })
    )
  }
}

/** The distributions of x before the first step and after each. */
export const distributionsOf = (
  plan: Plan,
  data: GaussianData,
  type: PredictionType | Parameterization,
  start: GaussianData
): ReadonlyArray<GaussianData> => {
  let moments = startingMoments(plan, start)
  const all = [start]
  for (const step of plan.steps) {
    const { offset, slope } = exactPrediction(data, step.from, type)
    moments = afterStep(plan, step, { offset, slope }, moments)
    all.push({ mean: moments.mean[0]!, variance: moments.covariance[0]![0]! })
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
