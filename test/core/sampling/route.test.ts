/**
 * Where samplers go: diffusers' tables of timesteps and sigmas, and what holds for every choice.
 */
import { ddim, dpmSolver, type Leg, levelsFor, route, type TimestepChoice } from "@effusion/core/sampling"
import {
  cosine,
  dataLevel,
  levelAt,
  linear,
  type NoiseLevel,
  rescaleZeroTerminalSnr,
  type Schedule,
  sigmaOf
} from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { grids, schedules } from "./arbitraries.ts"

const schedule = Result.getOrThrow(linear({ steps: 1000 }))

const legsOf = (choice: TimestepChoice, on: Schedule = schedule): ReadonlyArray<Leg> =>
  Result.getOrThrow(route(on, choice))

const timestepsOf = (legs: ReadonlyArray<Leg>): ReadonlyArray<number> => legs.map(({ from }) => from.timestep)

const sigmasOf = (legs: ReadonlyArray<Leg>): ReadonlyArray<number> => [
  ...legs.map(({ from }) => sigmaOf(from)),
  sigmaOf(legs.at(-1)!.to)
]

const closeAll = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>): void => {
  assert.strictEqual(actual.length, expected.length)
  // diffusers' tables are of single precision.
  for (const [i, value] of actual.entries()) assert.closeTo(value, expected[i]!, 1e-4 * Math.abs(expected[i]!))
}

describe("diffusers' ways", () => {
  it("DPM-Solver's linspace, with its sigmas down to that of t = 0", () => {
    const legs = legsOf({ steps: 10, spacing: "linspace", dropLast: true, final: "sigma-min" })
    assert.deepStrictEqual(timestepsOf(legs), [999, 899, 799, 699, 599, 500, 400, 300, 200, 100])
    closeAll(sigmasOf(legs), [
      157.4073,
      60.27142,
      25.52848,
      11.93952,
      6.13521,
      3.442967,
      2.041087,
      1.240161,
      0.7235912,
      0.3422601,
      0.01000133
    ])
  })

  it("DPM-Solver's leading", () => {
    const legs = legsOf({ steps: 10, spacing: "leading", dropLast: true })
    assert.deepStrictEqual(timestepsOf(legs), [900, 810, 720, 630, 540, 450, 360, 270, 180, 90])
  })

  it("DPM-Solver's karras and lu, with rounded timesteps", () => {
    const karras = legsOf({ steps: 10, spacing: "karras", rounding: "nearest", final: "sigma-min" })
    assert.deepStrictEqual(timestepsOf(karras), [999, 937, 864, 775, 663, 511, 301, 102, 18, 0])
    closeAll(sigmasOf(karras), [
      157.4073,
      85.71073,
      44.04765,
      21.1056,
      9.27474,
      3.65264,
      1.24636,
      0.3497061,
      0.07393029,
      0.01000133,
      0.01000133
    ])
    const lu = legsOf({ steps: 10, spacing: "lu", rounding: "nearest", final: "sigma-min" })
    assert.deepStrictEqual(timestepsOf(lu), [999, 886, 757, 603, 410, 202, 73, 22, 5, 0])
  })

  it("DPM-Solver's lambda_min_clipped on a cosine schedule", () => {
    const choice = { steps: 10, spacing: "linspace", dropLast: true, lambdaMin: -5.1 } as const
    const legs = legsOf(choice, Result.getOrThrow(cosine({ steps: 1000 })))
    assert.deepStrictEqual(timestepsOf(legs), [995, 896, 796, 696, 597, 498, 398, 298, 199, 100])
  })

  it("Euler's fractional linspace", () => {
    const legs = legsOf(
      { steps: 10, spacing: "linspace", fractional: true },
      Result.getOrThrow(linear({ steps: 1100 }))
    )
    closeAll(timestepsOf(legs).slice(0, 9), [
      1099,
      976.88892,
      854.77777,
      732.66669,
      610.55554,
      488.44446,
      366.33334,
      244.22223,
      122.11111
    ])
    closeAll(sigmasOf(legs).slice(0, 10), [
      261.0556,
      81.40569,
      29.11212,
      11.91257,
      5.53582,
      2.864876,
      1.586818,
      0.8740825,
      0.4001632,
      0.01000133
    ])
  })

  it("leading with an offset", () => {
    assert.deepStrictEqual(timestepsOf(legsOf({ steps: 5, offset: 1 })), [801, 601, 401, 201, 1])
  })

  it("DPM-Solver's own spacing is the open linspace, and DDIM's is leading", () => {
    const plan = (sampler: typeof ddim | typeof dpmSolver) =>
      Result.getOrThrow(sampler().plan(schedule, { steps: 5, predictionType: "epsilon" })).steps.map((s) => s.timestep)
    assert.deepStrictEqual(plan(dpmSolver), [999, 799, 599, 400, 200])
    assert.deepStrictEqual(plan(ddim), [800, 600, 400, 200, 0])
  })
})

describe("a route", () => {
  const choices = grids.chain(({ grid, schedule }) =>
    fc.record({
      schedule: fc.constant(schedule),
      grid: fc.constant(grid),
      skip: fc.nat((grid.steps ?? grid.timesteps!.length) - 1),
      final: fc.constantFrom("zero" as const, "sigma-min" as const)
    })
  )

  it("goes on where it was, down, to its end; with its first legs left out where it starts in the middle", () => {
    fc.assert(fc.property(choices, ({ final, grid, schedule, skip }) => {
      const whole = legsOf({ ...grid, final } as TimestepChoice, schedule)
      for (const [i, { from, to }] of whole.entries()) {
        assert.isAtLeast(sigmaOf(from), sigmaOf(to))
        if (i > 0) assert.deepStrictEqual(from, whole[i - 1]!.to)
        assert.closeTo(from.signal ** 2 + from.spread ** 2, 1, 1e-12)
      }
      assert.deepStrictEqual(whole.at(-1)!.to, final === "zero" ? dataLevel : levelAt(schedule, 0))
      assert.deepStrictEqual(legsOf({ ...grid, final, skip } as TimestepChoice, schedule), whole.slice(skip))
    }))
  })

  it("takes levels as they are given, and ends where it is told", () => {
    const [first, second, end]: ReadonlyArray<NoiseLevel> = [
      { timestep: 1.1, signal: 0, spread: 1 },
      { timestep: 0.2, signal: 0.6, spread: 0.8 },
      { timestep: -0.5, signal: 0.8, spread: 0.6 }
    ]
    assert.deepStrictEqual(legsOf({ levels: [first!, second!], final: end }), [
      { from: first!, to: second! },
      { from: second!, to: end! }
    ])
  })

  it.each(
    [
      [{ steps: 10, skip: 10 }, /10 of 10 steps to leave out/],
      [{ steps: 10, skip: -1 }, /-1 of 10 steps/],
      [{ steps: 10, skip: 0.5 }, /0.5 of 10 steps/],
      [{ levels: [] }, /none are given/],
      [{ levels: [levelAt(schedule, 3), levelAt(schedule, 3)] }, /sigma .* comes after/],
      [{ timesteps: [5], final: levelAt(schedule, 6) }, /the way ends at sigma .*, above its last/],
      [{ steps: 0, spacing: "karras" }, /no such noise levels: "count" is 0/],
      [{ steps: 5, spacing: "karras", rho: 0 }, /"rho" is 0/],
      [{ steps: 5, spacing: "lu", sigmaMin: 1, sigmaMax: 0.5 }, /"sigmaMax" is 0.5; it is above "sigmaMin"/],
      [{ steps: 5, lambdaMin: 100 }, /no such timesteps: all have more noise than .* 100$/]
    ] as const
  )("refuses %j", (choice, message) => {
    const error = Result.getOrThrow(Result.flip(route(schedule, choice as TimestepChoice)))
    assert.match(error.message, message)
  })

  it("starts at the last timestep where a schedule ends in noise alone, unless told otherwise", () => {
    const zero = Result.getOrThrow(rescaleZeroTerminalSnr(schedule))
    for (const steps of [1, 7, 10, 999, 1000]) {
      const [first] = legsOf({ steps }, zero)
      assert.deepStrictEqual(first!.from, levelAt(zero, 999))
      assert.deepStrictEqual(legsOf({ steps }, zero), legsOf({ steps, spacing: "trailing" }, zero))
      assert.deepStrictEqual(legsOf({ steps }), legsOf({ steps, spacing: "leading" }))
    }
    assert.strictEqual(legsOf({ steps: 10, spacing: "leading" }, zero)[0]!.from.timestep, 900)
  })

  it("starts a spacing by sigma from 4096 where there is no signal at the end", () => {
    const zero = Result.getOrThrow(rescaleZeroTerminalSnr(schedule))
    const [first] = legsOf({ steps: 5, spacing: "karras" }, zero)
    assert.closeTo(sigmaOf(first!.from), 4096, 1e-3)
    // The network has seen this level a little before the end.
    assert.closeTo(first!.from.timestep, 995.26, 0.01)
  })
})

describe("levels for another schedule than a network was trained with", () => {
  it("are the levels of that schedule, told as the timesteps at which the network has seen them", () => {
    const other = Result.getOrThrow(linear({ steps: 250 }))
    const levels = Result.getOrThrow(levelsFor(schedule, other, { steps: 10, spacing: "trailing" }))
    const expected = legsOf({ steps: 10, spacing: "trailing" }, other).map(({ from }) => from)
    for (const [i, level] of levels.entries()) {
      assert.closeTo(sigmaOf(level), sigmaOf(expected[i]!), 1e-12)
      const [below, above] = [Math.floor(level.timestep), Math.ceil(level.timestep)].map((t) => levelAt(schedule, t))
      assert.isAtMost(sigmaOf(below!), sigmaOf(level) * (1 + 1e-12))
      assert.isAtLeast(sigmaOf(above!), sigmaOf(level) * (1 - 1e-12))
    }
  })

  it("are the same timesteps for the same schedule", () => {
    fc.assert(fc.property(schedules, fc.nat(), (schedule, n) => {
      const choice = { steps: 1 + n % schedule.steps, spacing: "trailing" } as const
      const levels = Result.getOrThrow(levelsFor(schedule, schedule, choice))
      const expected = legsOf(choice, schedule)
      assert.strictEqual(levels.length, expected.length)
      for (const [i, { timestep }] of levels.entries()) assert.closeTo(timestep, expected[i]!.from.timestep, 1e-6)
    }))
  })

  it("are no noisier than what the network has seen", () => {
    const trained = Result.getOrThrow(linear({ steps: 100, start: 1e-4, end: 0.02 }))
    const levels = Result.getOrThrow(levelsFor(trained, schedule, { steps: 10, spacing: "trailing" }))
    assert.closeTo(sigmaOf(levels[0]!), sigmaOf(levelAt(trained, 99)), 1e-12)
    assert.strictEqual(levels[0]!.timestep, 99)
    for (let i = 1; i < levels.length; i++) assert.isBelow(sigmaOf(levels[i]!), sigmaOf(levels[i - 1]!))
  })
})
