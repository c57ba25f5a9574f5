import { assert, describe, it } from "@effect/vitest"
import { InvalidTimesteps, Timesteps } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import fixture from "../../fixtures/schedule.json" with { type: "json" }

const { leading, linspaced, trailing } = Timesteps
const spacings = { leading, linspaced, trailing }

const sizes = fc.integer({ min: 1, max: 2000 }).chain((steps) =>
  fc.record({ steps: fc.constant(steps), count: fc.integer({ min: 1, max: steps }) })
)

describe("Timesteps", () => {
  it.each(fixture.timesteps.cases)("$count of $steps are those of diffusers", ({ count, steps, ...expected }) => {
    for (const [name, spacing] of Object.entries(spacings)) {
      assert.deepStrictEqual(
        Result.getOrThrow(spacing({ steps, count })),
        expected[name as keyof typeof spacings],
        name
      )
    }
  })

  it("are as many as asked for, timesteps of the schedule, and fall by strides that differ by at most 1", () => {
    fc.assert(
      fc.property(sizes, ({ count, steps }) => {
        for (const spacing of Object.values(spacings)) {
          const timesteps = Result.getOrThrow(spacing({ steps, count }))
          assert.strictEqual(timesteps.length, count)
          assert.isTrue(timesteps.every((t) => Number.isInteger(t) && t >= 0 && t < steps))
          const strides = timesteps.slice(1).map((t, i) => timesteps[i]! - t)
          assert.isTrue(strides.every((stride) => stride >= 1))
          assert.isAtMost(Math.max(...strides, 1) - Math.min(...strides, Infinity), 1)
        }
      }),
      { numRuns: 1000 }
    )
  })

  it("begin and end where their spacing says", () => {
    fc.assert(fc.property(sizes, ({ count, steps }) => {
      assert.strictEqual(Result.getOrThrow(leading({ steps, count })).at(-1), 0)
      assert.strictEqual(Result.getOrThrow(trailing({ steps, count }))[0], steps - 1)
      const linear = Result.getOrThrow(linspaced({ steps, count }))
      assert.strictEqual(linear.at(-1), 0)
      if (count > 1) assert.strictEqual(linear[0], steps - 1)
    }))
  })

  it("lead with an offset as Stable Diffusion's do", () => {
    assert.deepStrictEqual(Result.getOrThrow(leading({ steps: 1000, count: 5, offset: 1 })), [801, 601, 401, 201, 1])
  })

  it.each([
    [{ steps: 10, count: 11 }, "11 timesteps out of 10"],
    [{ steps: 10, count: 0 }, "0 timesteps out of 10"],
    [{ steps: 10, count: 2.5 }, "2.5 timesteps out of 10"],
    [{ steps: 10, count: NaN }, "NaN timesteps out of 10"],
    [{ steps: 0, count: 1 }, "not 0"]
  ])("%o: fails with InvalidTimesteps", (options, named) => {
    for (const spacing of Object.values(spacings)) {
      const error = Result.getOrThrow(Result.flip(spacing(options)))
      assert.instanceOf(error, InvalidTimesteps)
      assert.include(error.message, named)
    }
  })

  it.each([1, -1, 0.5])("leading with an offset of %d that leads outside: fails with InvalidTimesteps", (offset) => {
    const error = Result.getOrThrow(Result.flip(leading({ steps: 10, count: 10, offset })))
    assert.instanceOf(error, InvalidTimesteps)
    assert.include(error.message, "outside a schedule of 10 steps")
  })
})
