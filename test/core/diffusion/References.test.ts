/**
 * Numbers of other implementations, from which the mathematics must not differ.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  addNoise,
  boundWeight,
  convert,
  forwardMarginal,
  posterior,
  type PredictionType
} from "@effusion/core/diffusion"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import fixture from "../../fixtures/diffusion.json" with { type: "json" }
import { assertRelative } from "../../support/close.ts"

const size = 4 * 3 * 8 * 8
const indices = Array.from({ length: size }, (_, i) => i)
const sample = Float64Array.from(indices, (i) => ((i % 192) * 4 + Math.floor(i / 192)) / size)

const sumOfMagnitudes = (xs: Float64Array): number => xs.reduce((sum, x) => sum + Math.abs(x), 0)

const assertElements = (xs: Float64Array, elements: { readonly [index: string]: number }): void => {
  for (const [index, expected] of Object.entries(elements)) {
    const [n, c, h, w] = index.split(",").map(Number) as [number, number, number, number]
    // These were computed in float32, over up to a thousand steps.
    assertRelative(xs[((n * 3 + c) * 8 + h) * 8 + w]!, expected, 1e-3)
  }
}

type Spacing = "leading" | "trailing"
const spacings = { leading: S.Timesteps.leading, trailing: S.Timesteps.trailing }

const scheduleOf = (name: string, start: number, end: number): S.Schedule => {
  const steps = 1000
  switch (name) {
    case "linear":
      return Result.getOrThrow(S.linear({ steps, start, end }))
    case "scaled_linear":
      return Result.getOrThrow(S.fromBetas(Array.from(
        { length: steps },
        (_, t) => (Math.sqrt(start) + (Math.sqrt(end) - Math.sqrt(start)) * t / (steps - 1)) ** 2
      )))
    default:
      return Result.getOrThrow(S.cosine({ steps }))
  }
}

describe("DDPM sampling without noise, made of conversions and posteriors", () => {
  it.each(fixture.ddpm.cases)("ends where diffusers' ends: $name", (reference) => {
    const schedule = scheduleOf(reference.schedule, reference.start, reference.end)
    const timesteps = reference.spacing === null
      ? Array.from({ length: 1000 }, (_, t) => t)
      : Result.getOrThrow(spacings[reference.spacing as Spacing]({ steps: 1000, count: reference.count }))
    const visited = Result.getOrThrow(S.respace(schedule, timesteps))
    const from = reference.predictionType as PredictionType
    let x: Float64Array = sample
    for (let i = visited.steps - 1; i >= 0; i--) {
      const t = visited.timesteps[i]!
      const prediction = x.map((value) => value * t / (t + 1))
      const x0 = convert(visited, i, x, prediction, { from, to: "sample" })
      const clipped = reference.clip ? x0.map((value) => Math.min(1, Math.max(-1, value))) : x0
      x = posterior(visited, i, clipped, x).mean
    }
    assertRelative(
      sumOfMagnitudes(x),
      reference.float64SumOfMagnitudes ?? reference.sumOfMagnitudes,
      reference.float64SumOfMagnitudes === null ? 1e-4 : 1e-9
    )
    assertElements(x, reference.elements)
  })
})

describe("DDIM sampling from noised data", () => {
  it("ends where diffusers' ends", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 1000 }))
    const visited = Result.getOrThrow(S.respace(schedule, [0, 100]))
    const noise = sample.map((x) => (size - 1) / size - x)
    let x = addNoise(schedule, 100, sample, noise)
    for (const i of [1, 0]) {
      const t = visited.timesteps[i]!
      const epsilon = x.map((value) => value * t / (t + 1))
      const x0 = convert(visited, i, x, epsilon, { from: "epsilon", to: "sample" })
        .map((value) => Math.min(1, Math.max(-1, value)))
      // Song et al. 2021, equation 12 with sigma = 0; the last step goes to the data.
      x = i === 0 ? x0 : addNoise(visited, i - 1, x0, epsilon)
    }
    assertRelative(sumOfMagnitudes(x), fixture.ddimWithNoise.float64SumOfMagnitudes, 1e-9)
    assertElements(x, fixture.ddimWithNoise.elements)
  })
})

describe("terms of the variational bound", () => {
  const perItem = size / 4
  const timesteps = [0, 1, 500, 999]
  const data = Float64Array.from(indices, (i) => ((37 * i) % 256) / 127.5 - 1)
  const noise = Float64Array.from(indices, (i) => Math.SQRT2 * Math.sin(0.37 * i))

  it.each(fixture.bound.cases)("are those of improved-diffusion: $schedule, $variance", (reference) => {
    const schedule = scheduleOf(reference.schedule, 1e-4, 0.02)
    for (const [item, t] of timesteps.entries()) {
      const range = [item * perItem, (item + 1) * perItem] as const
      const x0 = data.slice(...range)
      const epsilon = noise.slice(...range)
      const xt = addNoise(schedule, t, x0, epsilon)
      const meanSquaredError = xt.reduce((sum, x, i) => sum + (epsilon[i]! - x * t / (t + 1)) ** 2, 0) / perItem
      assertRelative(meanSquaredError, reference.mse[item]!, 1e-10)

      const { scale, variance } = forwardMarginal(schedule, schedule.steps - 1)
      const prior = x0.reduce((sum, x) => sum + 0.5 * (variance - 1 - Math.log(variance) + (scale * x) ** 2), 0)
      assert.closeTo(prior / perItem / Math.LN2, reference.prior_bits[item]!, 1e-12)

      // At t = 0 the term is the likelihood of discrete data.
      if (t === 0) continue
      const posteriorVariance = S.posteriorVariance(schedule, t)
      const modelVariance = reference.variance === "FIXED_LARGE" ? S.beta(schedule, t) : posteriorVariance
      const ratio = posteriorVariance / modelVariance
      const constant = 0.5 * (ratio - 1 - Math.log(ratio))
      const bits = (boundWeight(schedule, t, modelVariance) * meanSquaredError + constant) / Math.LN2
      assertRelative(bits, reference.vb_bits[item]!, 1e-8)
    }
  })
})
