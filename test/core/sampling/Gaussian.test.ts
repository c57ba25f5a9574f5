/**
 * Sampling from a Gaussian, whose best denoiser is known in closed form: the samples must have its mean and covariance.
 */
import { Distribution, draw, Key } from "@effusion/core/random"
import { ddim, ddpm, type Plan, sampleOnHost, type Sampler, startOnHost, stepOnHost } from "@effusion/core/sampling"
import { cosine, linear, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { type Gaussian, type Matrix, optimalNoise } from "./gaussian.ts"

const data: Gaussian = { mean: [0.3, -0.2], covariance: [[0.5, 0.2], [0.2, 0.3]] }

const schedules: ReadonlyArray<readonly [string, Schedule]> = [
  ["linear", Result.getOrThrow(linear({ steps: 1000 }))],
  ["cosine", Result.getOrThrow(cosine({ steps: 1000 }))]
]

const planOf = (sampler: Sampler, schedule: Schedule, steps: number): Plan =>
  Result.getOrThrow(sampler.plan(schedule, { steps, spacing: "trailing", predictionType: "epsilon", clip: "none" }))

/**
 * The distribution of what a plan makes of standard normal noise, exactly: with this denoiser every step is
 * x -> A x + b + sigma noise, so its mean becomes A mean + b and its covariance A C A^T + sigma^2.
 */
const distributionOf = (plan: Plan, schedule: Schedule): Gaussian =>
  plan.steps.reduce<Gaussian>(({ covariance, mean }, step) => {
    const apply = (x: ReadonlyArray<number>) =>
      stepOnHost(plan, step, startOnHost(plan, x), optimalNoise(data, schedule, x, step.timestep)).x
    const b = apply([0, 0])
    const columns = [apply([1, 0]), apply([0, 1])].map((column) => column.map((value, i) => value - b[i]!))
    const a = (i: number, j: number) => columns[j]![i]!
    const at = (i: number, j: number): number => {
      let sum = i === j ? (step.next.noise ?? 0) ** 2 : 0
      for (const k of [0, 1]) for (const l of [0, 1]) sum += a(i, k) * covariance[k]![l]! * a(j, l)
      return sum
    }
    return {
      mean: [0, 1].map((i) => a(i, 0) * mean[0]! + a(i, 1) * mean[1]! + b[i]!),
      covariance: [[at(0, 0), at(0, 1)], [at(1, 0), at(1, 1)]]
    }
  }, { mean: [0, 0], covariance: [[1, 0], [0, 1]] })

/** The largest error of a mean or of a covariance. */
const errorOf = ({ covariance, mean }: Gaussian): number =>
  Math.max(
    ...mean.map((value, i) => Math.abs(value - data.mean[i]!)),
    ...covariance.flatMap((row, i) => row.map((value, j) => Math.abs(value - data.covariance[i]![j]!)))
  )

describe.each(schedules)("with the best denoiser, %s schedule", (_, schedule) => {
  it.each(
    [
      ["DDIM, eta 0", ddim(), 0.006],
      ["DDIM, eta 0.5", ddim({ eta: 0.5 }), 0.006],
      ["DDPM, fixed-small", ddpm(), 0.006],
      ["DDPM, fixed-large", ddpm({ variance: "fixed-large" }), 0.006]
    ] as const
  )("%s comes closer the more steps it takes, and arrives", (_, sampler, bound) => {
    const errors = [10, 32, 100, 316, 1000].map((steps) =>
      errorOf(distributionOf(planOf(sampler, schedule, steps), schedule))
    )
    for (let i = 1; i < errors.length; i++) assert.isBelow(errors[i]!, 0.6 * errors[i - 1]!, errors.join(", "))
    assert.isBelow(errors.at(-1)!, bound)
  })
})

describe("samples drawn with DDPM over all timesteps", () => {
  const schedule = schedules[0]![1]
  const count = 2000
  const normals = (name: string | number) =>
    draw(Key.fold(Key.make(11), name), { distribution: Distribution.normal, shape: [count, 2] }).data
  const x = sampleOnHost(planOf(ddpm(), schedule, 1000), {
    noise: normals("start"),
    predict: (x, t) => optimalNoise(data, schedule, x, t),
    stepNoise: normals
  })
  const mean = [0, 1].map((i) => x.reduce((sum, value, k) => k % 2 === i ? sum + value : sum, 0) / count)

  it("have the mean of the data, within 4 standard errors", () => {
    for (const i of [0, 1]) {
      assert.isBelow(Math.abs(mean[i]! - data.mean[i]!), 4 * Math.sqrt(data.covariance[i]![i]! / count))
    }
  })

  it("have the covariance of the data, within 4 standard errors", () => {
    const c: Matrix = data.covariance
    for (const [i, j] of [[0, 0], [0, 1], [1, 1]] as const) {
      let sum = 0
      for (let k = 0; k < count; k++) sum += (x[2 * k + i]! - mean[i]!) * (x[2 * k + j]! - mean[j]!)
      // The variance of a sample covariance of normal variables (Wishart).
      const standardError = Math.sqrt((c[i]![i]! * c[j]![j]! + c[i]![j]! ** 2) / count)
      assert.isBelow(Math.abs(sum / (count - 1) - c[i]![j]!), 4 * standardError)
    }
  })
})
