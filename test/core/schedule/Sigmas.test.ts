import { assert, describe, it } from "@effect/vitest"
import {
  InvalidSigmas,
  linear,
  rescaleZeroTerminalSnr,
  type Schedule,
  sigma,
  Sigmas,
  Timesteps
} from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import families from "../../fixtures/schedule-families.json" with { type: "json" }
import { assertRelative } from "../../support/close.ts"
import { anySchedule, zeroTerminalSchedule } from "./arbitraries.ts"

const sequences = {
  karras: Sigmas.karras,
  exponential: Sigmas.exponential,
  lu: Sigmas.lu,
  polyexponential: Sigmas.polyexponential
}

const ranges = fc.record({
  sigmaMin: fc.double({ min: 1e-3, max: 1, noNaN: true }),
  ratio: fc.double({ min: 2, max: 1e5, noNaN: true }),
  count: fc.integer({ min: 1, max: 60 })
}).map(({ count, ratio, sigmaMin }) => ({ sigmaMin, sigmaMax: sigmaMin * ratio, count }))

const golden = (name: string) => families.sigmas.cases.find((reference) => reference.name === name)!
const linearOf = (steps: number) => Result.getOrThrow(linear({ steps }))
const rangeAndCount = (schedule: Schedule) => ({ ...Sigmas.rangeOf(schedule), count: 10 })

describe("sequences of levels", () => {
  it.each(families.sequences.cases)("$name $options are those of 60-digit arithmetic", ({ name, options, sigmas }) => {
    const levels = Result.getOrThrow(sequences[name as keyof typeof sequences](options))
    assert.strictEqual(levels.length, sigmas.length)
    for (const [i, expected] of sigmas.entries()) assertRelative(levels[i]!, expected, 1e-14)
  })

  it("are sigmaMax alone where there is one, and then sigmaMin may be the same", () => {
    for (const spacing of [Sigmas.karras, Sigmas.exponential, Sigmas.polyexponential, Sigmas.lu]) {
      assert.deepStrictEqual(Result.getOrThrow(spacing({ sigmaMin: 0.5, sigmaMax: 2, count: 1 })), [2])
      assert.deepStrictEqual(Result.getOrThrow(spacing({ sigmaMin: 2, sigmaMax: 2, count: 1 })), [2])
      assert.isTrue(Result.isFailure(spacing({ sigmaMin: 2, sigmaMax: 2, count: 2 })))
      assert.isTrue(Result.isFailure(spacing({ sigmaMin: 3, sigmaMax: 2, count: 1 })))
    }
  })

  it("fall from sigmaMax to sigmaMin, both exact", () => {
    const rho = fc.double({ min: 0.5, max: 8, noNaN: true })
    fc.assert(fc.property(ranges, rho, (options, rho) => {
      for (const levels of Object.values(sequences)) {
        const sigmas = Result.getOrThrow(levels(options))
        assert.strictEqual(sigmas.length, options.count)
        assert.strictEqual(sigmas[0], options.sigmaMax)
        if (options.count > 1) assert.strictEqual(sigmas.at(-1), options.sigmaMin)
        assert.isTrue(sigmas.every((value, i) => i === 0 || value < sigmas[i - 1]!))
      }
      for (const levels of [Sigmas.karras, Sigmas.polyexponential]) {
        const sigmas = Result.getOrThrow(levels({ ...options, rho }))
        assert.isTrue(sigmas.every((value, i) => i === 0 || value < sigmas[i - 1]!))
      }
    }))
  })

  it("are evenly spaced in what they say", () => {
    fc.assert(fc.property(ranges.filter(({ count }) => count > 1), ({ count, sigmaMax, sigmaMin }) => {
      const stride = (Math.log(sigmaMax) - Math.log(sigmaMin)) / (count - 1)
      const stride7 = (sigmaMax ** (1 / 7) - sigmaMin ** (1 / 7)) / (count - 1)
      const options = { count, sigmaMax, sigmaMin }
      const exponential = Result.getOrThrow(Sigmas.exponential(options))
      const karras = Result.getOrThrow(Sigmas.karras(options))
      for (let i = 1; i < count; i++) {
        assert.closeTo(Math.log(exponential[i - 1]!) - Math.log(exponential[i]!), stride, 1e-12)
        assert.closeTo(karras[i - 1]! ** (1 / 7) - karras[i]! ** (1 / 7), stride7, 1e-12)
      }
      const poly = Result.getOrThrow(Sigmas.polyexponential(options))
      for (const [i, level] of exponential.entries()) assertRelative(poly[i]!, level, 1e-13)
    }))
  })

  it.each<[string, Result.Result<ReadonlyArray<number>, InvalidSigmas>, string]>([
    ["no levels", Sigmas.karras({ sigmaMin: 1, sigmaMax: 2, count: 0 }), "\"count\" is 0"],
    ["half a level", Sigmas.lu({ sigmaMin: 1, sigmaMax: 2, count: 1.5 }), "\"count\" is 1.5"],
    ["a level of 0", Sigmas.exponential({ sigmaMin: 0, sigmaMax: 2, count: 3 }), "\"sigmaMin\" is 0"],
    ["levels that rise", Sigmas.exponential({ sigmaMin: 3, sigmaMax: 2, count: 3 }), "above \"sigmaMin\", which is 3"],
    ["a level that is no number", Sigmas.karras({ sigmaMin: 1, sigmaMax: NaN, count: 3 }), "\"sigmaMax\" is NaN"],
    ["zero terminal SNR", Sigmas.karras({ sigmaMin: 1, sigmaMax: Infinity, count: 3 }), "zero terminal SNR"],
    ["a rho of 0", Sigmas.karras({ sigmaMin: 1, sigmaMax: 2, count: 3, rho: 0 }), "\"rho\" is 0"],
    [
      "an infinite rho",
      Sigmas.polyexponential({ sigmaMin: 1, sigmaMax: 2, count: 3, rho: Infinity }),
      "\"rho\" is Inf"
    ],
    ["a range too narrow", Sigmas.lu({ sigmaMin: 1, sigmaMax: 1 + 2 ** -52, count: 3 }), "fall together"]
  ])("%s: fails with InvalidSigmas", (_, result, named) => {
    const error = Result.getOrThrow(Result.flip(result))
    assert.instanceOf(error, InvalidSigmas)
    assert.include(error.message, named)
  })
})

describe("levels and timesteps of a schedule", () => {
  // The ends are theirs: in float32 their sigma_0 is off by 8e-5 of its value.
  const rangeOfGolden = ({ sigmas }: { readonly sigmas: ReadonlyArray<number> }) => ({
    sigmaMin: sigmas[9]!,
    sigmaMax: sigmas[0]!,
    count: 10
  })

  it("are those of DPM-Solver in diffusers: Karras and Lu, rounded", () => {
    const schedule = linearOf(1000)
    for (const [name, levels] of [["dpm2m.karras.v", Sigmas.karras], ["dpm2m.lu.v", Sigmas.lu]] as const) {
      const { sigmas, timesteps } = golden(name)
      for (const [i, level] of Result.getOrThrow(levels(rangeOfGolden({ sigmas }))).entries()) {
        assertRelative(level, sigmas[i]!, 2e-7)
      }
      for (const [i, level] of Result.getOrThrow(levels(rangeAndCount(schedule))).entries()) {
        assertRelative(level, sigmas[i]!, 1e-4)
        assert.strictEqual(Math.round(Sigmas.timestepOfSigma(schedule, level)), timesteps[i])
      }
    }
  })

  it("are those of Euler in diffusers: fractional", () => {
    const schedule = linearOf(1100)
    const { sigmas, timesteps } = golden("euler.karras")
    for (const [i, level] of Result.getOrThrow(Sigmas.karras(rangeOfGolden({ sigmas }))).entries()) {
      assertRelative(level, sigmas[i]!, 2e-7)
      assert.closeTo(Sigmas.timestepOfSigma(schedule, level), timesteps[i]!, 2e-3)
    }
    const evenly = golden("euler.no_noise")
    for (let i = 0; i < 10; i++) {
      const t = Math.max(1099 - i * 1099 / 9, 0)
      assert.closeTo(t, evenly.timesteps[i]!, 1e-3)
      assertRelative(Sigmas.sigmaAt(schedule, t), evenly.sigmas[i]!, 1e-4)
    }
  })

  it("are those of DPM-Solver's spacings in diffusers", () => {
    const schedule = linearOf(1000)
    const spacings = {
      "dpm2m.no_noise": Timesteps.linspaced({ steps: 1000, count: 10, dropLast: true }),
      "dpm2m.trailing": Timesteps.trailing({ steps: 1000, count: 10 })
    }
    for (const [name, timesteps] of Object.entries(spacings)) {
      assert.deepStrictEqual(Result.getOrThrow(timesteps), golden(name).timesteps)
      for (const [i, t] of Result.getOrThrow(timesteps).entries()) {
        assertRelative(Sigmas.sigmaAt(schedule, t), golden(name).sigmas[i]!, 3e-5)
      }
    }
  })

  it("lead to one another at whole timesteps", () => {
    fc.assert(fc.property(fc.oneof(anySchedule, zeroTerminalSchedule), (schedule) => {
      for (let t = 0; t < schedule.steps; t++) {
        assert.strictEqual(Sigmas.sigmaAt(schedule, t), sigma(schedule, t))
        assert.closeTo(Sigmas.timestepOfSigma(schedule, sigma(schedule, t)), t, 1e-9)
      }
    }))
  })

  it("rise together between two timesteps, the one by logarithms, the other by lines", () => {
    const between = fc.oneof(anySchedule, zeroTerminalSchedule)
      .filter(({ steps }) => steps > 1)
      .chain((schedule) =>
        fc.record({
          schedule: fc.constant(schedule),
          t: fc.integer({ min: 0, max: schedule.steps - 2 }),
          fraction: fc.double({ min: 0.01, max: 0.99, noNaN: true })
        })
      )
    fc.assert(fc.property(between, ({ fraction, schedule, t }) => {
      const [low, high] = [sigma(schedule, t), sigma(schedule, t + 1)]
      if (high === Infinity) {
        assert.strictEqual(Sigmas.sigmaAt(schedule, t + fraction), Infinity)
        assert.strictEqual(Sigmas.timestepOfSigma(schedule, 2 * low), t)
        return
      }
      assertRelative(Sigmas.sigmaAt(schedule, t + fraction), low + fraction * (high - low), 1e-9)
      const level = low * (high / low) ** fraction
      assert.closeTo(Sigmas.timestepOfSigma(schedule, level), t + fraction, 1e-6 + 1e-14 / Math.log(high / low))
    }))
  })

  it("end where the schedule does", () => {
    const schedule = Result.getOrThrow(Result.flatMap(linear({ steps: 10 }), rescaleZeroTerminalSnr))
    assert.strictEqual(Sigmas.timestepOfSigma(schedule, 0), 0)
    assert.strictEqual(Sigmas.timestepOfSigma(schedule, Infinity), 9)
    assert.strictEqual(Sigmas.rangeOf(schedule).sigmaMax, Infinity)
    assert.strictEqual(Sigmas.timestepOfSigma(linearOf(10), 1e9), 9)
    assert.strictEqual(Sigmas.timestepOfSigma(linearOf(1), 1), 0)
  })

  it.each([-1, NaN])("has no level %d", (level) => {
    assert.throws(() => Sigmas.timestepOfSigma(linearOf(10), level), RangeError, `not ${level}`)
  })

  it.each([-0.1, 9.1, NaN])("has no timestep %d", (t) => {
    assert.throws(() => Sigmas.sigmaAt(linearOf(10), t), RangeError, `from 0 to 9, not ${t}`)
  })
})
