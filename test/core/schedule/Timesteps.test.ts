import { assert, describe, it } from "@effect/vitest"
import { InvalidTimesteps, Timesteps } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import families from "../../fixtures/schedule-families.json" with { type: "json" }
import fixture from "../../fixtures/schedule.json" with { type: "json" }

const { leading, linspaced, sections, trailing } = Timesteps
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

describe("Timesteps that leave out the last", () => {
  const dropping = { leading, linspaced }

  it("are those of DPM-Solver and UniPC in diffusers", () => {
    const options = { steps: 1000, count: 10, dropLast: true }
    assert.deepStrictEqual(Result.getOrThrow(linspaced(options)), [999, 899, 799, 699, 599, 500, 400, 300, 200, 100])
    assert.deepStrictEqual(Result.getOrThrow(leading(options)), [900, 810, 720, 630, 540, 450, 360, 270, 180, 90])
    assert.strictEqual(Result.getOrThrow(leading({ ...options, offset: 1 })).at(-1), 91)
  })

  it("are one more timestep without it", () => {
    fc.assert(fc.property(sizes.filter(({ count, steps }) => count < steps), ({ count, steps }) => {
      for (const spacing of Object.values(dropping)) {
        const timesteps = Result.getOrThrow(spacing({ steps, count, dropLast: true }))
        const whole = Result.getOrThrow(spacing({ steps, count: count + 1 }))
        assert.deepStrictEqual([...timesteps, 0], whole)
      }
    }))
  })

  it("are fewer than those of the schedule", () => {
    for (const spacing of Object.values(dropping)) {
      const error = Result.getOrThrow(Result.flip(spacing({ steps: 10, count: 10, dropLast: true })))
      assert.include(error.message, "10 timesteps out of 10; choose between 1 and 9")
    }
  })
})

describe("sections", () => {
  it.each(families.sections.cases)("$sections of $steps are those of OpenAI's code", (reference) => {
    const result = sections(reference)
    if (reference.timesteps === null) {
      assert.include(Result.getOrThrow(Result.flip(result)).message, "no whole stride makes 60 timesteps out of 1000")
    } else assert.deepStrictEqual(Result.getOrThrow(result), reference.timesteps.toReversed())
  })

  it("have their counts in each section, both ends included", () => {
    const cut = fc.record({
      steps: fc.integer({ min: 10, max: 500 }),
      counts: fc.array(fc.integer({ min: 2, max: 10 }), { minLength: 1, maxLength: 5 })
    }).filter(({ counts, steps }) => counts.length * Math.max(...counts) <= steps)
    fc.assert(fc.property(cut, ({ counts, steps }) => {
      const timesteps = Result.getOrThrow(sections({ steps, sections: counts }))
      assert.deepStrictEqual(timesteps, Result.getOrThrow(sections({ steps, sections: counts.join(",") })))
      let first = 0
      for (const [i, count] of counts.entries()) {
        const size = Math.floor(steps / counts.length) + (i < steps % counts.length ? 1 : 0)
        const inside = timesteps.filter((t) => t >= first && t < first + size)
        assert.strictEqual(inside.length, count)
        assert.strictEqual(inside[0], first + size - 1)
        assert.strictEqual(inside.at(-1), first)
        first += size
      }
      assert.strictEqual(first, steps)
    }))
  })

  it("of DDIM are the multiples of the smallest stride that makes so many", () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 300 }), fc.integer({ min: 1, max: 300 }), (steps, count) => {
      const strides = Array.from({ length: steps }, (_, i) => i + 1).filter((s) => Math.ceil(steps / s) === count)
      const result = sections({ steps, sections: `ddim${count}` })
      assert.strictEqual(Result.isSuccess(result), strides.length > 0)
      if (Result.isSuccess(result)) {
        assert.deepStrictEqual(result.success, Array.from({ length: count }, (_, i) => (count - 1 - i) * strides[0]!))
      }
    }))
  })

  it.each<[ReadonlyArray<number> | string, string]>([
    [[6, 4], "6 timesteps out of a section of 5"],
    [[-1], "-1 timesteps"],
    [[1.5], "1.5 timesteps"],
    [[], "0 timesteps out of 10"],
    [[0], "0 timesteps out of 10"],
    ["ddim", "\"ddim\"; give counts such as"],
    ["ddim0", "no whole stride"],
    ["ddim11", "no whole stride"],
    ["1,,2", "\"1,,2\"; give counts"],
    ["", "\"\"; give counts"]
  ])("%o: fails with InvalidTimesteps", (given, named) => {
    const error = Result.getOrThrow(Result.flip(sections({ steps: 10, sections: given })))
    assert.instanceOf(error, InvalidTimesteps)
    assert.include(error.message, named)
  })
})
