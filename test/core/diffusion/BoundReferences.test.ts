/**
 * The bound of OpenAI's improved-diffusion, computed by its own code with float64 coefficients.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  addNoise,
  bitsPerDimension,
  boundTerm,
  discretizedGaussianLogLikelihood,
  discretizedGaussianLogLikelihoodTanh,
  priorTerm,
  type VarianceType,
  variationalBound
} from "@effusion/core/diffusion"
import * as S from "@effusion/core/schedule"
import { Result } from "effect"
import fixture from "../../fixtures/vlb-goldens.json" with { type: "json" }

// Items, channels, height and width of the data; everything is a function of the place in [4, 3, 8, 8].
const items = [0, 1, 2, 3]
const size = 3 * 8 * 8
const elements = (item: number, f: (i: number) => number) =>
  Float64Array.from({ length: size }, (_, i) => f(item * size + i))
const x0 = items.map((item) => elements(item, (i) => ((37 * i) % 256) / 127.5 - 1))
const noise = items.map((item) => elements(item, (i) => Math.SQRT2 * Math.sin(0.37 * i)))
// The variances are appended as channels: an item's are its own twice as long array's second half.
const learned = items.map((item) => elements(item, (i) => Math.cos(0.11 * i)))
const model = (xt: Float64Array, t: number, item: number) => ({
  prediction: xt.map((x) => x * t / (t + 1)),
  variance: learned[item]!
})

const variances: { readonly [name: string]: VarianceType } = {
  FIXED_SMALL: "fixed-small",
  FIXED_LARGE: "fixed-large",
  LEARNED_RANGE: "learned-range"
}

const scheduleOf = (name: string, steps: number): S.Schedule =>
  Result.getOrThrow(
    name === "cosine"
      ? S.cosine({ steps })
      : steps === 1000
      ? S.linear({ steps })
      : S.linear({ steps, start: 1e-3, end: 0.2 })
  )

const sum = (values: Float64Array): number => values.reduce((total, x) => total + x, 0)
const bits = (nats: Float64Array): number => bitsPerDimension(sum(nats), size)

const assertAllRelative = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>, tolerance = 1e-8): void => {
  assert.strictEqual(actual.length, expected.length)
  actual.forEach((value, i) =>
    assert.isAtMost(Math.abs(value / expected[i]! - 1), tolerance, `element ${i}: ${value}, expected ${expected[i]}`)
  )
}

describe("the decoder's likelihood", () => {
  const { exact_erf, mean, scale, tanh_approx, x } = fixture.discretized_gaussian_log_likelihood
  const gaussian = { mean, logVariance: scale.map((sigma) => 2 * Math.log(sigma)) }

  it("is the reference's with its tanh, and that of SciPy's erf without", () => {
    assertAllRelative([...discretizedGaussianLogLikelihoodTanh(x, gaussian)], tanh_approx, 1e-6)
    assertAllRelative([...discretizedGaussianLogLikelihood(x, gaussian)], exact_erf, 1e-6)
  })
})

const name = (
  { T, schedule, variance }: { readonly T: number; readonly schedule: string; readonly variance: string }
) => `${schedule}, ${T} steps, ${variance}`

describe("terms at single timesteps", () => {
  const timesteps = [0, 1, 500, 999]

  it.each(fixture.cases.map((reference) => [name(reference), reference] as const))(
    "are those of %s",
    (_, reference) => {
      const schedule = scheduleOf(reference.schedule, reference.T)
      const terms = (clip: 1 | "none") =>
        items.map((item) => {
          const t = timesteps[item]!
          const xt = addNoise(schedule, t, x0[item]!, noise[item]!)
          return boundTerm(schedule, t, { x0: x0[item]!, xt }, model(xt, t, item), {
            predictionType: "epsilon",
            variance: variances[reference.variance]!,
            clip,
            decoder: "discretized-gaussian-tanh"
          })
        })
      const free = terms("none")
      const inBits = free.map(({ nats }) => bits(nats))
      assertAllRelative(inBits, reference.vb_bits)
      assertAllRelative(terms(1).map(({ nats }) => bits(nats)), reference.vb_bits_clip_denoised)
      assertAllRelative(free.map(({ noiseError }) => noiseError), reference.mse)
      assertAllRelative(inBits.map((value) => value * reference.T), reference.rescaled_kl)
      assertAllRelative(x0.map((item) => bits(priorTerm(schedule, item))), reference.prior_bits)
      if ("hybrid_loss" in reference) {
        const hybrid = inBits.map((value) => value * reference.T / 1000)
        assertAllRelative(hybrid, reference["hybrid_vb_term(vb*T/1000)"]!)
        assertAllRelative(hybrid.map((value, i) => value + free[i]!.noiseError), reference.hybrid_loss!)
      }
    }
  )
})

describe("the bound over all timesteps", () => {
  it.each(fixture.bpd_loops.map((reference) => [name(reference), reference] as const))(
    "is that of %s",
    (_, reference) => {
      const schedule = scheduleOf(reference.schedule, reference.T)
      if (typeof reference.betas !== "string") assertAllRelative([...schedule.beta], reference.betas)
      const bounds = items.map((item) =>
        variationalBound(schedule, x0[item]!, {
          predictionType: "epsilon",
          variance: variances[reference.variance]!,
          clip: reference.clip_denoised ? 1 : "none",
          decoder: "discretized-gaussian-tanh",
          predict: (xt, t) => model(xt, t, item),
          noise: () => noise[item]!
        })
      )
      assertAllRelative(bounds.map(({ total }) => bitsPerDimension(total, size)), reference.total_bits)
      assertAllRelative(bounds.map(({ prior }) => bitsPerDimension(prior, size)), reference.prior_bits)
      const first = bounds[0]!
      const descending = (values: Float64Array) => [...values].reverse()
      assertAllRelative(
        descending(first.terms).map((nats) => bitsPerDimension(nats, size)),
        reference.vb_item0_t_descending
      )
      assertAllRelative(descending(first.noiseError), reference.mse_item0_t_descending)
      assertAllRelative(descending(first.dataError), reference.xstart_mse_item0_t_descending)
    }
  )
})
