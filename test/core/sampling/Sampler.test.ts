/**
 * What holds for every sampler, schedule, spacing and kind of prediction; and what DDPM and DDIM have to do with each
 * other.
 */
import {
  type Combination,
  ddim,
  ddpm,
  deis,
  dpmSolver,
  dpmSolverSinglestep,
  edm,
  euler,
  eulerAncestral,
  heun,
  lms,
  type Plan,
  type PlanOptions,
  sampleOnHost,
  type Sampler,
  startOnHost,
  stepOnHost,
  uniPC
} from "@effusion/core/sampling"
import { linear, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { closeAll } from "../../support/close.ts"
import { allSamplers, ddims, grids, predictionTypes, samplers, schedules, values } from "./arbitraries.ts"

const planOf = (sampler: Sampler, schedule: Schedule, options: PlanOptions): Plan =>
  Result.getOrThrow(sampler.plan(schedule, options))

const failureOf = (sampler: Sampler, schedule: Schedule, options: PlanOptions) =>
  Result.getOrThrow(Result.flip(sampler.plan(schedule, options)))

/**
 * What the denoiser would say of x_t if x_0 were this. It goes through the steps of the plan one by one: a timestep does not
 * tell the level where noise leads beyond the schedule.
 */
const oracle = (plan: Plan, predictionType: string, x0: (x: Float64Array, t: number) => ReadonlyArray<number>) => {
  const steps = plan.steps.values()
  return (x: Float64Array, t: number) => {
    const { from: { signal, spread }, timestep } = steps.next().value!
    assert.strictEqual(t, timestep)
    const data = x0(x, t)
    return x.map((value, i) => {
      const epsilon = (value - signal * data[i]!) / spread
      return predictionType === "epsilon"
        ? epsilon
        : predictionType === "sample"
        ? data[i]!
        : signal * epsilon - spread * data[i]!
    })
  }
}

/** The mean of a step as factors of x_0 and x_t alone: epsilon is (x_t - sqrt(alphaBar) x_0) / sqrt(1 - alphaBar). */
const ofSampleAndX = ({ epsilon = 0, sample = 0, x = 0 }: Combination, alphaBar: number) => ({
  sample: sample - epsilon * Math.sqrt(alphaBar) / Math.sqrt(1 - alphaBar),
  x: x + epsilon / Math.sqrt(1 - alphaBar)
})

const close = (actual: number, expected: number, tolerance: number): void =>
  assert.isAtMost(Math.abs(actual - expected), tolerance, `${actual} is not ${expected}`)

describe("a plan", () => {
  it("visits as many timesteps as it is told, falling, and adds no noise at the end", () => {
    fc.assert(fc.property(grids, predictionTypes, samplers, ({ grid, schedule }, predictionType, sampler) => {
      const { steps } = planOf(sampler, schedule, { ...grid, predictionType } as PlanOptions)
      assert.strictEqual(steps.length, grid.steps ?? grid.timesteps!.length)
      for (let i = 1; i < steps.length; i++) assert.isBelow(steps[i]!.timestep, steps[i - 1]!.timestep)
      assert.strictEqual(steps.at(-1)!.next.noise ?? 0, 0)
    }))
  })

  it("has finite coefficients", () => {
    fc.assert(fc.property(grids, predictionTypes, allSamplers, ({ grid, schedule }, predictionType, sampler) => {
      for (const step of planOf(sampler, schedule, { ...grid, predictionType } as PlanOptions).steps) {
        const combinations = [step.next, ...Object.values(step.remember)]
        const all = [
          ...combinations.flatMap(({ memory = {}, ...rest }) => [...Object.values(rest), ...Object.values(memory)]),
          ...Object.values(step.sample),
          ...Object.values(step.epsilon)
        ]
        assert.isTrue(all.every(Number.isFinite), JSON.stringify(step))
      }
    }))
  })

  it("exists for every number of steps from 1 to T, and for no other", () => {
    const schedule = Result.getOrThrow(linear({ steps: 25 }))
    for (
      const sampler of [ddpm(), ddim(), eulerAncestral(), dpmSolver(), dpmSolverSinglestep(), uniPC(), deis(), lms()]
    ) {
      for (let steps = 1; steps <= 25; steps++) {
        assert.strictEqual(planOf(sampler, schedule, { steps, predictionType: "epsilon" }).steps.length, steps)
      }
      for (const spacing of ["leading", "linspace", "trailing"] as const) {
        for (let steps = 1; steps <= 25; steps++) {
          assert.strictEqual(
            planOf(sampler, schedule, { steps, spacing, predictionType: "epsilon" }).steps.length,
            steps
          )
        }
        for (const steps of [0, -1, 26, 2.5, NaN, Infinity]) {
          const error = failureOf(sampler, schedule, { steps, spacing, predictionType: "epsilon" })
          assert.strictEqual(error._tag, "InvalidTimesteps")
          assert.include(error.message, String(steps))
        }
      }
    }
  })

  it("takes timesteps as they are given", () => {
    const schedule = Result.getOrThrow(linear({ steps: 1000 }))
    const timesteps = [100, 87, 50, 1, 0]
    const { steps } = planOf(ddpm(), schedule, { timesteps, predictionType: "epsilon" })
    assert.deepStrictEqual(steps.map(({ timestep }) => timestep), timesteps)
    for (const [i, { next }] of steps.entries()) {
      const previous = i === 4 ? 1 : schedule.alphaBar[timesteps[i + 1]!]!
      const alphaBar = schedule.alphaBar[timesteps[i]!]!
      const variance = i === 4 ? 0 : (1 - previous) / (1 - alphaBar) * (1 - alphaBar / previous)
      close(next.noise!, Math.sqrt(variance), 1e-14)
    }
  })

  it("is asked for by a number of steps or by timesteps, not by both", () => {
    const schedule = Result.getOrThrow(linear({ steps: 3 }))
    // @ts-expect-error
    const both: PlanOptions = { steps: 3, timesteps: [2, 0], predictionType: "epsilon" }
    assert.deepStrictEqual(planOf(ddpm(), schedule, both).steps.map(({ timestep }) => timestep), [2, 0])
  })

  it.each([[[100, 87, 50, 51, 0]], [[5, 5]], [[1000]], [[3, -1]], [[1.5]], [[]], [[NaN]], [[3, NaN]]])(
    "refuses the timesteps %j",
    (timesteps) => {
      const schedule = Result.getOrThrow(linear({ steps: 1000 }))
      for (const sampler of [ddpm(), ddim()]) {
        assert.strictEqual(
          failureOf(sampler, schedule, { timesteps, predictionType: "epsilon" })._tag,
          "InvalidTimesteps"
        )
      }
    }
  )

  it.each([-0.1, 1.1, NaN, Infinity])("refuses eta %d", (eta) => {
    const schedule = Result.getOrThrow(linear({ steps: 10 }))
    const error = failureOf(ddim({ eta }), schedule, { steps: 5, predictionType: "epsilon" })
    assert.strictEqual(error._tag, "InvalidSampling")
    assert.include(error.message, `"eta" ${eta}`)
  })

  it.each([0, -1, NaN, Infinity])("refuses to clip to %d", (clip) => {
    const schedule = Result.getOrThrow(linear({ steps: 10 }))
    assert.strictEqual(
      failureOf(ddpm(), schedule, { steps: 5, predictionType: "epsilon", clip })._tag,
      "InvalidSampling"
    )
  })

  it.each(
    [
      [ddpm(), { clip: { ratio: 0, maximum: 1 } }, `"clip.ratio" 0`],
      [ddpm(), { clip: { ratio: 1.1, maximum: 1 } }, `"clip.ratio" 1.1`],
      [ddpm(), { clip: { ratio: 0.9, maximum: 0 } }, `"clip.maximum" 0`],
      [euler({ churn: -1 }), {}, `"churn" -1`],
      [euler({ churn: Infinity }), {}, `"churn" Infinity`],
      [heun({ sTmin: NaN }), {}, `"sTmin" NaN`],
      [edm({ sTmin: 3, sTmax: 2 }), {}, `"sTmax" 2`],
      [eulerAncestral({ eta: 2 }), {}, `"eta" 2`],
      [eulerAncestral({ sNoise: -1 }), {}, `"sNoise" -1`],
      [dpmSolver({ order: 4 }), {}, `"order" 4`],
      [dpmSolverSinglestep({ order: 0 }), {}, `"order" 0`],
      [deis({ order: 1.5 }), {}, `"order" 1.5`],
      [uniPC({ order: NaN }), {}, `"order" NaN`],
      [lms({ order: 5 }), {}, `"order" 5`],
      [ddim({ fixedStride: true }), { steps: 5, spacing: "linspace", fractional: true }, `"fixedStride" true`]
    ] as const
  )("refuses options out of range (%#)", (sampler, options, message) => {
    const schedule = Result.getOrThrow(linear({ steps: 10 }))
    const error = failureOf(sampler, schedule, { steps: 5, predictionType: "epsilon", ...options } as PlanOptions)
    assert.strictEqual(error._tag, "InvalidSampling")
    assert.include(error.message, message)
  })

  it("starts from noise of variance 1, or of x_t's noise alone", () => {
    const schedule = Result.getOrThrow(linear({ steps: 10 }))
    const scale = (initialNoise?: "unit" | "spread", sampler = euler()) =>
      planOf(sampler, schedule, { steps: 10, spacing: "trailing", predictionType: "epsilon", initialNoise })
        .initialNoiseSigma
    assert.strictEqual(scale(), 1)
    assert.strictEqual(scale("unit"), 1)
    close(scale("spread"), Math.sqrt(1 - schedule.alphaBar[9]!), 1e-15)
    // Noise that churn adds before the first step is part of what sampling starts from; with its scale 1 nothing changes.
    close(scale("unit", euler({ churn: 5 })), 1, 1e-12)
    assert.isAbove(scale("unit", euler({ churn: 5, sNoise: 1.1 })), 1)
  })

  describe("at zero signal-to-noise ratio", () => {
    const schedule: Schedule = {
      name: "zero terminal SNR",
      config: {},
      steps: 3,
      beta: Float64Array.of(0.1, 0.5, 1),
      alphaBar: Float64Array.of(0.9, 0.45, 0)
    }

    it("refuses noise prediction, by timestep", () => {
      for (const sampler of [ddpm(), ddim(), ddim({ eta: 1 })]) {
        const error = failureOf(sampler, schedule, { steps: 3, predictionType: "epsilon" })
        assert.strictEqual(error._tag, "UndefinedEstimate")
        assert.include(error.message, "at timestep 2")
        assert.include(error.message, `"epsilon"`)
      }
      assert.strictEqual(planOf(ddpm(), schedule, { timesteps: [1, 0], predictionType: "epsilon" }).steps.length, 2)
    })

    it("keeps DDIM with eta = 1 real, where no noise is kept", () => {
      fc.assert(fc.property(fc.double({ min: 1e-3, max: 0.999, noNaN: true }), (alphaBar) => {
        const twoSteps = {
          ...schedule,
          steps: 2,
          beta: Float64Array.of(1 - alphaBar, 1),
          alphaBar: Float64Array.of(alphaBar, 0)
        }
        const { next } = planOf(ddim({ eta: 1 }), twoSteps, { steps: 2, predictionType: "v_prediction" }).steps[0]!
        close(next.epsilon!, 0, 1e-7)
        close(next.noise!, Math.sqrt(1 - alphaBar), 1e-12)
      }))
    })

    it("samples with the other two", () => {
      fc.assert(fc.property(allSamplers, values(2), values(2), (sampler, x0, noise) => {
        for (const predictionType of ["sample", "v_prediction"] as const) {
          const plan = planOf(sampler, schedule, { steps: 3, predictionType, clip: "none" })
          closeAll(sampleOnHost(plan, { noise, predict: oracle(plan, predictionType, () => x0) }), x0, 1e-7)
        }
      }))
    })
  })
})

describe("sampling", () => {
  it("ends at the data that the denoiser knows, whatever the noise", () => {
    fc.assert(
      fc.property(
        grids,
        predictionTypes,
        allSamplers,
        values(3),
        values(3),
        fc.infiniteStream(values(3)),
        ({ grid, schedule }, predictionType, sampler, x0, noise, noises) => {
          const plan = planOf(sampler, schedule, { ...grid, predictionType, clip: "none" } as PlanOptions)
          const predict = oracle(plan, predictionType, () => x0)
          const x = sampleOnHost(plan, { noise, predict, stepNoise: () => noises.next().value! })
          closeAll(x, x0, 1e-7)
        }
      )
    )
  })

  it("does not depend on what is predicted", () => {
    fc.assert(
      fc.property(grids, allSamplers, values(2), values(2), ({ grid, schedule }, sampler, noise, stepNoise) => {
        // Some denoiser that is linear in x and in t.
        const belief = (x: Float64Array, t: number) => Array.from(x, (value) => 0.1 * value + 0.01 * t)
        const results = (["epsilon", "sample", "v_prediction"] as const).map((predictionType) => {
          const plan = planOf(sampler, schedule, { ...grid, predictionType, clip: 0.3 } as PlanOptions)
          return sampleOnHost(plan, {
            noise,
            predict: oracle(plan, predictionType, belief),
            stepNoise: () => stepNoise
          })
        })
        closeAll(results[1]!, results[0]!, 1e-7)
        closeAll(results[2]!, results[0]!, 1e-7)
      })
    )
  })

  it("ends within the bound that estimates are clipped to, and stays linear without one", () => {
    const bound = fc.double({ min: 0.1, max: 2, noNaN: true })
    // LMS ends by slopes from before, and not at the last estimate.
    const toEstimate = allSamplers.filter(({ name }) => name !== "lms")
    fc.assert(
      fc.property(grids, toEstimate, bound, values(4), ({ grid, schedule }, sampler, clip, noise) => {
        const wild = (x: Float64Array) => x.map((value) => -50 * value)
        const options = { ...grid, predictionType: "sample" } as const
        const clipped = sampleOnHost(planOf(sampler, schedule, { ...options, clip } as PlanOptions), {
          noise,
          predict: wild
        })
        assert.isTrue(clipped.every((value) => Math.abs(value) <= clip))
        const free = planOf(sampler, schedule, { ...options, clip: "none" } as PlanOptions)
        const once = stepOnHost(free, free.steps[0]!, startOnHost(free, noise), wild(Float64Array.from(noise))).x
        const doubled = Float64Array.from(noise, (z) => 2 * z)
        const twice = stepOnHost(free, free.steps[0]!, startOnHost(free, doubled), wild(doubled)).x
        closeAll(twice, once.map((value) => 2 * value), 1e-9 * Math.max(1, ...once.map(Math.abs)))
      })
    )
  })

  it("clips to [-1, 1] unless told", () => {
    const schedule = Result.getOrThrow(linear({ steps: 10 }))
    const end = (options: Partial<PlanOptions>) =>
      Array.from(
        sampleOnHost(planOf(ddim(), schedule, { steps: 10, predictionType: "sample", ...options } as PlanOptions), {
          noise: [0, 0],
          predict: () => [-3, 0.5]
        })
      )
    assert.deepStrictEqual(end({}), [-1, 0.5])
    assert.deepStrictEqual(end({ clip: 2 }), [-2, 0.5])
    assert.deepStrictEqual(end({ clip: "none" }), [-3, 0.5])
  })
})

describe("a step", () => {
  it("leads from the marginal of one timestep to that of the next (fixed-small, and DDIM with any eta)", () => {
    const preserving = fc.oneof(fc.constant(ddpm()), ddims)
    fc.assert(fc.property(grids, preserving, ({ grid, schedule }, sampler) => {
      const { steps } = planOf(sampler, schedule, { ...grid, predictionType: "epsilon" } as PlanOptions)
      for (const [i, { next, timestep }] of steps.entries()) {
        const alphaBar = schedule.alphaBar[timestep]!
        const previous = i + 1 === steps.length ? 1 : schedule.alphaBar[steps[i + 1]!.timestep]!
        const { epsilon = 0, noise = 0, sample = 0, x = 0 } = next
        close(sample + x * Math.sqrt(alphaBar), Math.sqrt(previous), 1e-9)
        close((epsilon + x * Math.sqrt(1 - alphaBar)) ** 2 + noise ** 2, 1 - previous, 1e-9)
      }
    }))
  })

  it("of DDIM with eta = 1 is that of DDPM with fixed-small", () => {
    fc.assert(fc.property(grids, fc.boolean(), ({ grid, schedule }, useClippedModelOutput) => {
      const options = { ...grid, predictionType: "epsilon" } as PlanOptions
      const implicit = planOf(ddim({ eta: 1, useClippedModelOutput }), schedule, options).steps
      for (const [i, ancestral] of planOf(ddpm(), schedule, options).steps.entries()) {
        const alphaBar = schedule.alphaBar[ancestral.timestep]!
        const expected = ofSampleAndX(ancestral.next, alphaBar)
        const actual = ofSampleAndX(implicit[i]!.next, alphaBar)
        // Where little noise is left, both are small differences of numbers near 1, divided by that little noise.
        const tolerance = 1e-11 / (1 - alphaBar)
        close(actual.sample, expected.sample, tolerance)
        close(actual.x, expected.x, tolerance)
        close(implicit[i]!.next.noise!, ancestral.next.noise!, 1e-12)
      }
    }))
  })

  it("of DDPM with fixed-large has the variance of the noise between two visited timesteps, and the same mean", () => {
    fc.assert(fc.property(grids, ({ grid, schedule }) => {
      const options = { ...grid, predictionType: "epsilon" } as PlanOptions
      const small = planOf(ddpm(), schedule, options).steps
      const large = planOf(ddpm({ variance: "fixed-large" }), schedule, options).steps
      for (const [i, { next, timestep }] of large.entries()) {
        const last = i + 1 === large.length
        const beta = last ? 0 : 1 - schedule.alphaBar[timestep]! / schedule.alphaBar[large[i + 1]!.timestep]!
        assert.deepStrictEqual({ ...next, noise: 0 }, { ...small[i]!.next, noise: 0 })
        close(next.noise!, Math.sqrt(beta), 1e-12)
        assert.isAtLeast(next.noise!, small[i]!.next.noise! - 1e-12)
      }
    }))
  })

  it("over all timesteps has the schedule's own posterior", () => {
    fc.assert(fc.property(schedules, (schedule) => {
      const { steps } = planOf(ddpm(), schedule, { steps: schedule.steps, predictionType: "epsilon" })
      for (const { next, timestep: t } of steps) {
        const { alphaBar, beta } = schedule
        const previous = t === 0 ? 1 : alphaBar[t - 1]!
        close(next.noise!, Math.sqrt(beta[t]! * (1 - previous) / (1 - alphaBar[t]!)), 1e-7)
        close(next.sample!, Math.sqrt(previous) * beta[t]! / (1 - alphaBar[t]!), 1e-9)
        close(next.x!, Math.sqrt(1 - beta[t]!) * (1 - previous) / (1 - alphaBar[t]!), 1e-9)
      }
    }))
  })
})
