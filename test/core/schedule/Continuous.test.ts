import { assert, describe, it } from "@effect/vitest"
import * as S from "@effusion/core/schedule"
import { Continuous } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { assertRelative } from "../../support/close.ts"
import { anyContinuousSchedule, anySchedule, zeroTerminalSchedule } from "./arbitraries.ts"

const time = fc.double({ min: 0, max: 1, noNaN: true })
const smooth = fc.oneof(
  fc.constant(Continuous.linear()),
  fc.record({ shift: fc.double({ min: 0.1, max: 4, noNaN: true }) }).map(Continuous.cosine)
).map((result) => Result.getOrThrow(result))

describe("every continuous schedule", () => {
  it("falls, with the derivative that it says", () => {
    fc.assert(fc.property(anyContinuousSchedule, time, time, (schedule, a, b) => {
      const [early, late] = a < b ? [a, b] : [b, a]
      assert.isBelow(schedule.derivative(early), 0)
      if (late - early > 1e-9) assert.isBelow(schedule.logSnr(late), schedule.logSnr(early))
    }))
    fc.assert(fc.property(smooth, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (schedule, u) => {
      const h = 1e-6
      const slope = (schedule.logSnr(u + h) - schedule.logSnr(u - h)) / (2 * h)
      assertRelative(schedule.derivative(u), slope, 1e-5)
    }))
  })

  it("has as its derivative's integral the way from its one end to the other", () => {
    fc.assert(
      fc.property(smooth, (schedule) => {
        // Near its ends the cosine falls steeply: Simpson's rule on a graded grid.
        const places = Array.from({ length: 4001 }, (_, i) => (1 - Math.cos(Math.PI * i / 4000)) / 2)
        let sum = 0
        for (let i = 0; i < 4000; i++) {
          const [a, b] = [places[i]!, places[i + 1]!]
          sum += (b - a) / 6 *
            (schedule.derivative(a) + 4 * schedule.derivative((a + b) / 2) + schedule.derivative(b))
        }
        assertRelative(sum, schedule.logSnr(1) - schedule.logSnr(0), 1e-6)
      }),
      { numRuns: 10 }
    )
  })

  it("finds the time of a log-SNR", () => {
    fc.assert(fc.property(anyContinuousSchedule, time, (schedule, u) => {
      const logSnr = schedule.logSnr(u)
      assert.closeTo(schedule.logSnr(Continuous.timeOfLogSnr(schedule, logSnr)), logSnr, 1e-9)
      assert.strictEqual(Continuous.timeOfLogSnr(schedule, Infinity), 0)
      assert.strictEqual(Continuous.timeOfLogSnr(schedule, -Infinity), 1)
    }))
  })

  it("has levels of noise of its log-SNR", () => {
    fc.assert(fc.property(anyContinuousSchedule, time, (schedule, u) => {
      const level = Continuous.levelAt(schedule, u, 7)
      assert.closeTo(2 * S.lambdaOf(level), schedule.logSnr(u), 1e-9)
      assert.strictEqual(level.timestep, 7)
    }))
  })

  it("comes back from JSON, the same in every bit", () => {
    fc.assert(fc.property(anyContinuousSchedule, time, (schedule, u) => {
      const json: unknown = JSON.parse(JSON.stringify({ name: schedule.name, ...schedule.config }))
      const again = Result.getOrThrow(S.continuousFromConfig(json))
      assert.deepStrictEqual([again.name, again.config], [schedule.name, schedule.config])
      assert.strictEqual(again.logSnr(u), schedule.logSnr(u))
      assert.strictEqual(again.derivative(u), schedule.derivative(u))
    }))
  })

  it.each([-0.1, 1.1, NaN])("has no time %d", (u) => {
    for (const schedule of [Continuous.linear(), Continuous.cosine(), Continuous.fromLogSnr((u) => -u)]) {
      const { derivative, logSnr } = Result.getOrThrow(schedule)
      assert.throws(() => logSnr(u), RangeError, `from 0 to 1, and ${u}`)
      assert.throws(() => derivative(u), RangeError)
    }
  })
})

describe("linear", () => {
  it("goes from 13.3 to -5 as in the paper, its ends exact", () => {
    const schedule = Result.getOrThrow(Continuous.linear())
    assert.strictEqual(schedule.logSnr(0), 13.3)
    assert.strictEqual(schedule.logSnr(1), -5)
    assertRelative(schedule.logSnr(0.5), 4.15, 1e-14)
  })
})

describe("cosine", () => {
  it("is alphaBar = cos^2 between its ends, and shifts log-SNR by a constant", () => {
    fc.assert(fc.property(time, fc.double({ min: 0.05, max: 8, noNaN: true }), (u, shift) => {
      const plain = Result.getOrThrow(Continuous.cosine())
      const shifted = Result.getOrThrow(Continuous.cosine({ shift }))
      assert.closeTo(shifted.logSnr(u) - plain.logSnr(u), 2 * Math.log(shift), 1e-12)
      // Kept away from its ends, the angle is the whole quarter circle but for 2 atan(exp(-7.5)).
      const cut = Math.atan(Math.exp(-7.5))
      const alphaBar = Math.cos(cut + u * (Math.PI / 2 - 2 * cut)) ** 2
      assert.closeTo(plain.logSnr(u), Math.log(alphaBar / (1 - alphaBar)), 1e-6)
    }))
    const { logSnr } = Result.getOrThrow(Continuous.cosine())
    assert.closeTo(logSnr(0), 15, 1e-12)
    assert.closeTo(logSnr(1), -15, 1e-9)
  })
})

describe("fromLogSnr", () => {
  it("differentiates where no derivative is given", () => {
    const f = (u: number) => 10 - 20 * u ** 2 - u
    const own = Result.getOrThrow(Continuous.fromLogSnr(f))
    const given = Result.getOrThrow(Continuous.fromLogSnr(f, { derivative: (u) => -40 * u - 1, name: "parabola" }))
    assert.strictEqual(given.name, "parabola")
    for (const u of [0, 1e-6, 0.2, 0.5, 1 - 1e-6, 1]) assertRelative(own.derivative(u), given.derivative(u), 1e-7)
  })

  it("keeps to the unit interval while it differentiates", () => {
    const f = (u: number) => {
      assert.isTrue(u >= 0 && u <= 1)
      return -Math.sqrt(1 + u)
    }
    const { derivative } = Result.getOrThrow(Continuous.fromLogSnr(f))
    for (const u of [0, 5e-6, 1e-5, 1 - 1e-5, 1 - 5e-6, 1]) assertRelative(derivative(u), -0.5 / Math.sqrt(1 + u), 1e-6)
  })

  it.each<[string, Result.Result<S.ContinuousSchedule, S.InvalidSchedule>, string]>([
    ["a function that rises", Continuous.fromLogSnr((u) => u), "logSnr(0.0009765625) is 0.0009765625, after 0"],
    ["a function that is level", Continuous.fromLogSnr((u) => -Math.max(u, 0.5)), "logSnr(0.0009765625) is -0.5"],
    ["an infinite end", Continuous.fromLogSnr((u) => -Math.log(u)), "logSnr(0) is Infinity"],
    ["an infinite start", Continuous.fromLogSnr((u) => Math.log(1 - u)), "logSnr(1) is -Infinity"],
    ["no number", Continuous.fromLogSnr(() => NaN), "logSnr(0) is NaN"],
    ["a line that rises", Continuous.linear({ logSnrMax: -6 }), "above \"logSnrMin\", which is -5"],
    ["a line without end", Continuous.linear({ logSnrMin: -Infinity }), "\"logSnrMin\" is -Infinity"],
    ["a cosine beyond float64", Continuous.cosine({ logSnrMax: 40 }), "\"logSnrMax\" is 40"],
    ["a shift of 0", Continuous.cosine({ shift: 0 }), "\"shift\" is 0"]
  ])("%s: fails with InvalidSchedule", (_, result, named) => {
    const error = Result.getOrThrow(Result.flip(result))
    assert.instanceOf(error, S.InvalidSchedule)
    assert.include(error.message, named)
  })
})

describe("discretize", () => {
  it("has the log-SNR of the end of each part of time", () => {
    fc.assert(fc.property(anyContinuousSchedule, fc.integer({ min: 1, max: 60 }), (continuous, steps) => {
      const result = Continuous.discretize(continuous, { steps })
      fc.pre(Result.isSuccess(result))
      for (let t = 0; t < steps; t++) {
        // 1 - alphaBar is known to 1e-16 only.
        const expected = continuous.logSnr((t + 1) / steps)
        assert.closeTo(S.logSnr(result.success, t), expected, 1e-12 + 1e-15 * Math.exp(expected))
      }
    }))
  })

  it("of the cosine without cut and shift is the cosine schedule, but for offset and bound", () => {
    const continuous = Result.getOrThrow(Continuous.cosine({ logSnrMax: 30, logSnrMin: -30 }))
    const { alphaBar } = Result.getOrThrow(Continuous.discretize(continuous, { steps: 100 }))
    const cosine = Result.getOrThrow(S.cosine({ steps: 100, offset: 0 }))
    for (let t = 0; t < 99; t++) assert.closeTo(alphaBar[t]!, cosine.alphaBar[t]!, 1e-6)
  })

  it("keeps a function's table as its config", () => {
    const continuous = Result.getOrThrow(Continuous.fromLogSnr((u) => 5 - 10 * u))
    const schedule = Result.getOrThrow(Continuous.discretize(continuous, { steps: 10 }))
    assert.strictEqual(schedule.name, "alpha-bar")
    assert.deepStrictEqual(Result.getOrThrow(S.fromConfig(S.toConfig(schedule))), schedule)
  })

  it("refuses no steps", () => {
    const result = Result.flatMap(Continuous.linear(), (c) => Continuous.discretize(c, { steps: 0 }))
    assert.include(Result.getOrThrow(Result.flip(result)).message, "\"steps\" is 0")
  })
})

describe("interpolate", () => {
  it("leads back to the schedule that it came from", () => {
    fc.assert(fc.property(anySchedule.filter(({ steps }) => steps > 1), (schedule) => {
      const continuous = Result.getOrThrow(Continuous.interpolate(schedule))
      for (let t = 0; t < schedule.steps; t++) {
        assert.closeTo(continuous.logSnr((t + 1) / schedule.steps), S.logSnr(schedule, t), 1e-9)
      }
      const back = Continuous.discretize(continuous, { steps: schedule.steps })
      fc.pre(Result.isSuccess(back))
      for (let t = 0; t < schedule.steps; t++) {
        assertRelative(back.success.alphaBar[t]!, schedule.alphaBar[t]!, 1e-9)
      }
    }))
  })

  it("goes along lines between timesteps, and along the first one before them", () => {
    const schedule = Result.getOrThrow(S.linear({ steps: 10 }))
    const { derivative, logSnr } = Result.getOrThrow(Continuous.interpolate(schedule))
    const [first, second] = [S.logSnr(schedule, 0), S.logSnr(schedule, 1)]
    assert.closeTo(logSnr(0.15), (first + second) / 2, 1e-12)
    assert.closeTo(logSnr(0), 2 * first - second, 1e-12)
    assert.closeTo(derivative(0.05), 10 * (second - first), 1e-10)
    assert.closeTo(derivative(0.2), 10 * (second - first), 1e-10)
    assert.closeTo(derivative(0.21), 10 * (S.logSnr(schedule, 2) - second), 1e-10)
  })

  it("refuses what has no lines", () => {
    const one = Result.flatMap(S.linear({ steps: 1 }), Continuous.interpolate)
    assert.include(Result.getOrThrow(Result.flip(one)).message, "at least two timesteps")
    fc.assert(
      fc.property(zeroTerminalSchedule, (schedule) => {
        const error = Result.getOrThrow(Result.flip(Continuous.interpolate(schedule)))
        assert.include(error.message, "before it is rescaled")
      }),
      { numRuns: 5 }
    )
  })
})
