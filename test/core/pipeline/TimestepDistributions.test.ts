/**
 * The uneven distributions over timesteps, against other ways to compute them.
 */
import { assert, describe, it } from "@effect/vitest"
import {
  logitNormalTimesteps,
  logNormalTimesteps,
  lossSecondMomentTimesteps,
  Pipeline,
  scheduleSampling,
  timestepProbabilities,
  TimestepSampler,
  type TimestepSamplerShape
} from "@effusion/core/pipeline"
import { cosine, linear, logSnr, NoiseSchedule, rescaleZeroTerminalSnr, type Schedule } from "@effusion/core/schedule"
import { Effect, Result } from "effect"
import * as fc from "fast-check"

const schedule: fc.Arbitrary<Schedule> = fc.tuple(fc.constantFrom(cosine, linear), fc.integer({ min: 20, max: 200 }))
  .map(([family, steps]) => Result.getOrThrow(family({ steps })))

const mean = fc.double({ min: -3, max: 3, noNaN: true })
const standardDeviation = fc.double({ min: 0.2, max: 3, noNaN: true })

/** The integral of a function, by Simpson's rule on so many intervals. */
const integral = (f: (x: number) => number, from: number, to: number, intervals = 400): number => {
  const h = (to - from) / intervals
  let sum = f(from) + f(to)
  for (let i = 1; i < intervals; i++) sum += (i % 2 === 0 ? 2 : 4) * f(from + i * h)
  return sum * h / 3
}

const density = (x: number): number => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI)

const learningOf = (sampler: TimestepSamplerShape, steps: number) => {
  if (sampler.distribution._tag !== "Learned") throw new Error(`"${sampler.name}" does not learn`)
  return sampler.distribution.learning(steps)
}

describe("the log-normal distribution", () => {
  it("has for each timestep the normal density of ln sigma, integrated to the midpoints on both sides", () => {
    fc.assert(
      fc.property(schedule, mean, standardDeviation, (schedule, mean, standardDeviation) => {
        const sampler = Result.getOrThrow(logNormalTimesteps({ mean, standardDeviation }))
        const p = timestepProbabilities(sampler, schedule)
        // sigma^2 is the inverse of the signal-to-noise ratio.
        const logSigma = (t: number) => Math.log(Math.exp(-logSnr(schedule, t))) / 2
        const f = (x: number) => density((x - mean) / standardDeviation) / standardDeviation
        const last = schedule.steps - 1
        for (let t = 0; t <= last; t++) {
          const from = t === 0 ? mean - 10 * standardDeviation : (logSigma(t - 1) + logSigma(t)) / 2
          const to = t === last ? mean + 10 * standardDeviation : (logSigma(t) + logSigma(t + 1)) / 2
          // Beyond 10 standard deviations there is nothing.
          const expected = from < to ? integral(f, from, to, 4000) : 0
          assert.closeTo(p[t]!, expected, 1e-12, `t = ${t}`)
        }
      }),
      { numRuns: 15 }
    )
  })

  it("has the mean and standard deviation that were asked for, where a schedule is fine and wide enough", () => {
    const schedule = Result.getOrThrow(cosine({ steps: 4000 }))
    const p = timestepProbabilities(
      Result.getOrThrow(logNormalTimesteps({ mean: -1.2, standardDeviation: 1.2 })),
      schedule
    )
    const expectation = (f: (x: number) => number) =>
      p.reduce((sum, probability, t) => sum + probability * f(-logSnr(schedule, t) / 2), 0)
    const average = expectation((x) => x)
    assert.closeTo(average, -1.2, 1e-3)
    assert.closeTo(Math.sqrt(expectation((x) => (x - average) ** 2)), 1.2, 2e-3)
  })

  it("leaves a last timestep that has no signal out", () => {
    const terminal = Result.getOrThrow(Result.flatMap(linear({ steps: 50 }), rescaleZeroTerminalSnr))
    const p = timestepProbabilities(Result.getOrThrow(logNormalTimesteps({ mean: 3 })), terminal)
    assert.strictEqual(p[49], 0)
    assert.isAbove(p[48]!, 0)
    assert.closeTo(p.reduce((sum, value) => sum + value, 0), 1, 1e-12)
  })
})

describe("the logit-normal distribution", () => {
  it("has for each timestep the density of Esser et al. 2024, equation 19, integrated over its part of [0, 1]", () => {
    fc.assert(
      fc.property(schedule, mean, standardDeviation, (schedule, mean, standardDeviation) => {
        const { steps } = schedule
        const p = timestepProbabilities(Result.getOrThrow(logitNormalTimesteps({ mean, standardDeviation })), schedule)
        const f = (t: number) =>
          t <= 0 || t >= 1
            ? 0
            : density((Math.log(t / (1 - t)) - mean) / standardDeviation) / (standardDeviation * t * (1 - t))
        // Along y = ln(t / (1 - t)), dt = t (1 - t) dy, because the density may rise to its peak within the first timestep.
        const along = (y: number) => {
          const t = 1 / (1 + Math.exp(-y))
          return f(t) * t * (1 - t)
        }
        const place = (t: number) =>
          Math.min(Math.max(Math.log(t / (1 - t)), mean - 9 * standardDeviation), mean + 9 * standardDeviation)
        for (let t = 0; t < steps; t++) {
          assert.closeTo(
            p[t]!,
            integral(along, place(t / steps), place((t + 1) / steps), 2000),
            1e-5,
            `t = ${t} of ${steps}`
          )
        }
      }),
      { numRuns: 10 }
    )
  })

  it("is symmetric around the middle where its mean is 0, and reversed where its mean is negated", () => {
    fc.assert(fc.property(schedule, mean, standardDeviation, (schedule, mean, standardDeviation) => {
      const of = (mean: number) =>
        timestepProbabilities(Result.getOrThrow(logitNormalTimesteps({ mean, standardDeviation })), schedule)
      const [p, q] = [of(mean), of(-mean).reverse()]
      p.forEach((probability, t) => assert.closeTo(probability, q[t]!, 1e-14))
    }))
  })
})

describe("loss-second-moment importance", () => {
  const setting = fc.integer({ min: 1, max: 8 }).chain((steps) =>
    fc.record({
      steps: fc.constant(steps),
      history: fc.integer({ min: 1, max: 4 }),
      uniform: fc.double({ min: 1e-3, max: 1, noNaN: true }),
      batches: fc.array(
        fc.array(fc.tuple(fc.nat(steps - 1), fc.float({ min: -100, max: 100, noNaN: true })), { maxLength: 20 }),
        { maxLength: 12 }
      )
    })
  )

  /** The state and the probabilities after some batches. */
  const learnt = (
    { batches, history, steps, uniform }: Pick<
      typeof setting extends fc.Arbitrary<infer T> ? T : never,
      "batches" | "history" | "steps" | "uniform"
    >
  ) => {
    const learning = learningOf(Result.getOrThrow(lossSecondMomentTimesteps({ history, uniform })), steps)
    const state = batches.reduce(
      (state, batch) =>
        learning.observe(state, {
          timesteps: Int32Array.from(batch, ([t]) => t),
          perExample: Float32Array.from(batch, ([, loss]) => loss)
        }),
      learning.initial
    )
    return { state, p: Array.from(learning.probabilities(state)), learning }
  }

  it("is what a list of losses for each timestep says, also where a timestep is more than once in a batch", () => {
    let warm = 0
    fc.assert(
      fc.property(setting, (setting) => {
        const { batches, history, steps, uniform } = setting
        const lists = Array.from({ length: steps }, (): Array<number> => [])
        for (const [t, loss] of batches.flat()) {
          lists[t]!.push(loss)
          if (lists[t]!.length > history) lists[t]!.shift()
        }
        const { p, state } = learnt(setting)
        lists.forEach((list, t) => {
          assert.strictEqual(state["timesteps.counts"]!.data[t], list.length)
          const kept = state["timesteps.losses"]!.data.slice(t * history, t * history + list.length)
          assert.deepStrictEqual(Array.from(kept), list)
        })
        const rms = lists.map((list) => Math.sqrt(list.reduce((sum, loss) => sum + loss ** 2, 0) / history))
        const total = rms.reduce((sum, value) => sum + value, 0)
        const isWarm = lists.every((list) => list.length === history) && total > 0
        if (isWarm) warm++
        p.forEach((probability, t) => {
          const expected = isWarm ? (1 - uniform) * rms[t]! / total + uniform / steps : 1 / steps
          assert.closeTo(probability, expected, 1e-12)
        })
      }),
      { seed: 5, numRuns: 400 }
    )
    assert.isAbove(warm, 50)
  })

  it("is uniform until the last timestep has its last loss", () => {
    const once: Array<[number, number]> = [[0, 1], [1, 2], [2, 3]]
    const all = { steps: 3, history: 2, uniform: 0.001 }
    assert.deepStrictEqual(learnt({ ...all, batches: [once, once.slice(1)] }).p, [1 / 3, 1 / 3, 1 / 3])
    const { p } = learnt({ ...all, batches: [once, once] })
    p.forEach((probability, t) => assert.closeTo(probability, 0.999 * (t + 1) / 6 + 0.001 / 3, 1e-15))
  })

  it("does not depend on how a step's examples are cut into batches, and changes no state that it was given", () => {
    fc.assert(fc.property(setting, (setting) => {
      const one = learnt({ ...setting, batches: [setting.batches.flat()] })
      const many = learnt({ ...setting, batches: setting.batches.flat().map((example) => [example]) })
      assert.deepStrictEqual(one.state, many.state)
      assert.deepStrictEqual(one.learning.initial, learnt({ ...setting, batches: [] }).state)
      assert.isTrue(one.learning.initial["timesteps.counts"]!.data.every((count) => count === 0))
    }))
  })

  it("corrected, gives every function of t the expectation of uniform timesteps", () => {
    fc.assert(
      fc.property(setting, fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })), (setting, values) => {
        const { steps } = setting
        const { state } = learnt(setting)
        const sampler = Result.getOrThrow(lossSecondMomentTimesteps(setting))
        const schedule = Result.getOrThrow(cosine({ steps }))
        const stage = Effect.runSync(scheduleSampling.pipe(
          Effect.provideService(TimestepSampler, sampler),
          Effect.provideService(NoiseSchedule, schedule)
        ))
        const importance = Pipeline.tablesOf(stage, state)["timesteps.importance"]!.data
        const p = timestepProbabilities(sampler, schedule, state)
        const f = Float64Array.from({ length: steps }, () => values.next().value as number)
        const corrected = f.reduce((sum, value, t) => sum + p[t]! * importance[t]! * value, 0)
        assert.closeTo(corrected, f.reduce((sum, value) => sum + value, 0) / steps, 1e-7)
        p.forEach((probability, t) => assert.closeTo(probability * importance[t]! * steps, 1, 1e-7))
      })
    )
  })

  it("has the least variance of the corrected loss that a distribution over timesteps can have", () => {
    const rms = [1, 4, 0.5, 2]
    const { p } = learnt({ steps: 4, history: 1, uniform: 1e-9, batches: [rms.map((loss, t) => [t, loss])] })
    // E[(L / (T p_t))^2] is at least mean(rms)^2, by the inequality of Cauchy and Schwarz.
    const secondMoment = (p: ReadonlyArray<number>) =>
      p.reduce((sum, probability, t) => sum + probability * (rms[t]! / (4 * probability)) ** 2, 0)
    assert.closeTo(secondMoment(p), (7.5 / 4) ** 2, 1e-7)
    assert.isAbove(secondMoment([0.25, 0.25, 0.25, 0.25]), 5)
  })
})

describe("a timestep sampler", () => {
  it("refuses options that make no sense, by name", () => {
    const message = (made: Result.Result<unknown, { readonly message: string }>) =>
      Result.isFailure(made) ? made.failure.message : "there is no failure"
    assert.strictEqual(
      message(logNormalTimesteps({ standardDeviation: 0 })),
      `the timestep sampler "log-normal" cannot have standardDeviation 0; give a number above 0`
    )
    assert.include(message(logNormalTimesteps({ mean: NaN })), "mean NaN")
    assert.include(message(logitNormalTimesteps({ standardDeviation: Infinity })), "standardDeviation Infinity")
    assert.include(message(lossSecondMomentTimesteps({ history: 0 })), "history 0; give a whole number of at least 1")
    assert.include(message(lossSecondMomentTimesteps({ uniform: 0 })), "uniform 0; give a number above 0 and at most 1")
    assert.include(message(lossSecondMomentTimesteps({ uniform: 1.5 })), "uniform 1.5")
  })

  it.each<[string, ReadonlyArray<number>, boolean, RegExp]>([
    ["too few", [1, 1], false, /are 2, and there are 3 timesteps/],
    ["negative", [1, -1, 1], false, /at least 0; at t = 1 there is -1/],
    ["no numbers", [1, 1, NaN], false, /at t = 2 there is NaN/],
    ["0, where losses are corrected", [1, 0, 1], true, /above 0, to be corrected for; at t = 1 there is 0/],
    ["all 0", [0, 0, 0], false, /sum to 0/]
  ])("refuses probabilities of one's own that are %s", (_, weights, corrects, message) => {
    const sampler: TimestepSamplerShape = {
      name: "mine",
      distribution: { _tag: "Fixed", probabilities: () => weights, corrects },
      spread: "independent"
    }
    assert.throws(() => timestepProbabilities(sampler, Result.getOrThrow(linear({ steps: 3 }))), RangeError, message)
  })
})
