/**
 * Plans that go up and down.
 */
import { ddim, ddpm, dpmSolver, type Plan, repaint, sampleOnHost, type Sampler } from "@effusion/core/sampling"
import { linear } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"

const schedule = Result.getOrThrow(linear({ steps: 100 }))
const options = { predictionType: "epsilon", clip: "none" } as const

const planOf = (sampler: Sampler, steps: number): Plan =>
  Result.getOrThrow(sampler.plan(schedule, { steps, ...options }))

/** `get_schedule_jump` of the paper (appendix B, figure 9), in levels from steps - 1 down to -1. */
const published = (steps: number, jumpLength: number, resamplings: number): ReadonlyArray<number> => {
  const jumps = new Map<number, number>()
  for (let level = 0; level < steps - jumpLength; level += jumpLength) jumps.set(level, resamplings - 1)
  const levels: Array<number> = []
  let level = steps
  while (level >= 1) {
    level -= 1
    levels.push(level)
    const left = jumps.get(level) ?? 0
    if (left > 0) {
      jumps.set(level, left - 1)
      level += jumpLength
      levels.push(level)
    }
  }
  return [...levels, -1]
}

const arguments_ = fc.record({
  steps: fc.integer({ min: 1, max: 40 }),
  jumpLength: fc.integer({ min: 1, max: 12 }),
  resamplings: fc.integer({ min: 1, max: 5 })
})

describe("repaint", () => {
  it("goes the paper's way up and down", () => {
    fc.assert(fc.property(arguments_, ({ steps, ...jumps }) => {
      const straight = planOf(ddim(), steps)
      const plan = planOf(repaint(ddim(), jumps), steps)
      const timesteps = straight.steps.map(({ timestep }) => timestep).toReversed()
      const expected = published(steps, jumps.jumpLength, jumps.resamplings)
      // What the paper lists after going down and before going up is where a folded step passes.
      const visited = expected.filter((level, i) => !(expected[i + 1]! > level) && level >= 0)
      assert.deepStrictEqual(plan.steps.map(({ timestep }) => timestep), visited.map((level) => timesteps[level]!))
      for (const [i, step] of plan.steps.entries()) {
        if (i > 0) assert.deepStrictEqual(step.from, plan.steps[i - 1]!.to)
      }
      assert.strictEqual(plan.steps.at(-1)!.to.spread, 0)
    }))
  })

  it("goes straight with one resampling", () => {
    assert.deepStrictEqual(planOf(repaint(ddpm(), { resamplings: 1 }), 30).steps, planOf(ddpm(), 30).steps)
  })

  it("keeps x at its level: for data that is a point, signal and variance are right after every step", () => {
    fc.assert(
      fc.property(arguments_, fc.constantFrom(ddpm(), ddim(), ddim({ eta: 0.5 })), ({ steps, ...jumps }, sampler) => {
        let [signal, variance] = [0, 0]
        for (const [i, { from, next, to }] of planOf(repaint(sampler, jumps), steps).steps.entries()) {
          if (i === 0) [signal, variance] = [from.signal, from.spread ** 2]
          // The denoiser knows x_0: epsilon is (x - signal x_0) / spread.
          const { epsilon = 0, noise = 0, sample = 0, x = 0 } = next
          const ofX = x + epsilon / from.spread
          signal = ofX * signal + sample - epsilon * from.signal / from.spread
          variance = ofX ** 2 * variance + noise ** 2
          assert.closeTo(signal, to.signal, 1e-9)
          assert.closeTo(variance, to.spread ** 2, 1e-9)
        }
      })
    )
  })

  it("ends at the data that the denoiser knows", () => {
    const plan = planOf(repaint(ddpm(), { jumpLength: 3, resamplings: 4 }), 20)
    const at = new Map(plan.steps.map(({ from }) => [from.timestep, from]))
    const x = sampleOnHost(plan, {
      noise: [0.3],
      predict: (x, t) => [(x[0]! - at.get(t)!.signal * 0.7) / at.get(t)!.spread],
      stepNoise: (i) => [Math.sin(i)]
    })
    assert.closeTo(x[0]!, 0.7, 1e-9)
  })

  it.each(
    [
      [repaint(dpmSolver()), `"sampler" dpm-solver`],
      [repaint(ddpm({ variance: "learned-range" })), `"sampler" ddpm`],
      [repaint(ddpm(), { jumpLength: 0 }), `"jumpLength" 0`],
      [repaint(ddpm(), { resamplings: 1.5 }), `"resamplings" 1.5`]
    ] as const
  )("refuses what cannot be resampled (%#)", (sampler, message) => {
    const error = Result.getOrThrow(Result.flip(sampler.plan(schedule, { steps: 20, ...options })))
    assert.strictEqual(error._tag, "InvalidSampling")
    assert.include(error.message, message)
  })
})
