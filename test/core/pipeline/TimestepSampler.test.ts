/**
 * How timesteps come from draws: spreads, distributions, and the importance of examples.
 */
import { assert, layer } from "@effect/vitest"
import { Engine, stateless } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import {
  logitNormalTimesteps,
  logNormalTimesteps,
  lossSecondMomentTimesteps,
  Pipeline,
  scheduleSampling,
  type Spread,
  timestepProbabilities,
  TimestepSampler,
  type TimestepSamplerShape
} from "@effusion/core/pipeline"
import { cosine, NoiseSchedule, type Schedule } from "@effusion/core/schedule"
import { float32, type HostTensor } from "@effusion/core/tensor"
import { Effect, Record, Result, Stream } from "effect"
import * as fc from "fast-check"

type HostTensors = { readonly [name: string]: HostTensor }

const spreads = ["independent", "stratified", "antithetic"] as const

const scheduleOf = (steps: number): Schedule => Result.getOrThrow(cosine({ steps }))

const even = (spread: Spread): TimestepSamplerShape => ({
  name: "even",
  distribution: { _tag: "Uniform" },
  spread
})

const fixed = (weights: ReadonlyArray<number>, corrects: boolean, spread: Spread): TimestepSamplerShape => ({
  name: "fixed",
  distribution: { _tag: "Fixed", probabilities: () => weights, corrects },
  spread
})

/** A sampler, and what it has learnt. */
interface Case {
  readonly sampler: TimestepSamplerShape
  readonly state?: HostTensors
}

/** Every distribution there is, over 32 timesteps. */
const casesOf = (spread: Spread): ReadonlyArray<Case> => {
  const learning = Result.getOrThrow(lossSecondMomentTimesteps({ history: 1, spread }))
  if (learning.distribution._tag !== "Learned") throw new Error("it learns")
  const { initial, observe } = learning.distribution.learning(32)
  const timesteps = Int32Array.from({ length: 32 }, (_, t) => t)
  return [
    { sampler: even(spread) },
    { sampler: Result.getOrThrow(logNormalTimesteps({ spread })) },
    { sampler: Result.getOrThrow(logNormalTimesteps({ mean: 3, standardDeviation: 0.3, spread })) },
    { sampler: Result.getOrThrow(logitNormalTimesteps({ spread })) },
    { sampler: Result.getOrThrow(logitNormalTimesteps({ mean: -1, standardDeviation: 0.5, spread })) },
    { sampler: learning },
    {
      sampler: learning,
      state: observe(initial, { timesteps, perExample: Float32Array.from(timesteps, (t) => 1 + t) })
    },
    { sampler: fixed(Array.from({ length: 32 }, (_, t) => t % 3), false, spread) }
  ]
}

const stageOf = (sampler: TimestepSamplerShape, steps: number) =>
  scheduleSampling.pipe(
    Effect.provideService(TimestepSampler, sampler),
    Effect.provideService(NoiseSchedule, scheduleOf(steps))
  )

const blank = (examples: number) => ({ x0: float32([examples, 1], new Float32Array(examples)) })

/** What a run draws: the timesteps of so many batches. */
const drawn = Effect.fnUntraced(
  function*(
    { sampler, state }: Case,
    options: { steps: number; batch: number; batches: number; seed?: number; accumulate?: number }
  ) {
    const { accumulate = 1, batch, batches, seed = 0, steps } = options
    const stage = yield* stageOf(sampler, steps)
    const made = yield* Stream.fromIterable(Array.from({ length: batches }, () => blank(batch))).pipe(
      Pipeline.through(stage, { seed, accumulate, ...(state === undefined ? {} : { adaptation: state }) }),
      Stream.runCollect
    )
    return made.map(({ importance, t }) => {
      assert.deepStrictEqual([t.dtype, t.shape], ["int32", [batch]])
      return { t: Array.from(t.data), importance: importance && Array.from(importance.data) }
    })
  }
)

/** What positions of one's own give. */
const at = Effect.fnUntraced(
  function*({ sampler, state }: Case, steps: number, positions: ReadonlyArray<ReadonlyArray<number>>) {
    const stage = yield* stageOf(sampler, steps)
    const batch = positions[0]!.length
    const tables = Pipeline.tablesOf(stage, state)
    const inputs = positions.map((u): HostTensors => ({ ...tables, u: float32([batch], u) }))
    const program = stateless(
      "timesteps",
      Record.map(inputs[0]!, ({ dtype, shape }) => ({ dtype, shape })),
      (input) => {
        const out = stage.apply({ x0: input["u"]! }, { parameters: {}, draws: input, tables: input })
        return { t: out.t, ...(out.importance && { importance: out.importance }) }
      }
    )
    const instance = yield* (yield* (yield* Engine).compile(program)).start({})
    return yield* Effect.forEach(inputs, (input) =>
      Effect.map(instance.step(input), (out) => ({
        t: Array.from(out.t.data),
        importance: out.importance && Array.from(out.importance.data)
      })))
  },
  Effect.scoped
)

const countsOf = (timesteps: ReadonlyArray<number>, steps: number): ReadonlyArray<number> => {
  const counts = Array.from({ length: steps }, () => 0)
  for (const t of timesteps) counts[t]!++
  return counts
}

/** p_0 + ... + p_{t-1} for each t, and 1. */
const cumulative = (p: Float64Array): ReadonlyArray<number> => {
  const sums = [0]
  for (const probability of p) sums.push(sums.at(-1)! + probability)
  return sums
}

// Positions are float32 numbers, and so are the boundaries between timesteps: each is rounded by at most 2^-24.
const rounding = 2 ** -22

layer(OnnxEngine.layer({ threads: 1 }))("a timestep sampler", (it) => {
  const steps = 32

  for (const spread of spreads) {
    casesOf(spread).forEach((one, i) => {
      it.effect(`draws every timestep as often as it says: ${spread}, ${one.sampler.name} (${i})`, () =>
        Effect.gen(function*() {
          // A batch is smaller than the range, so that it is the draws that must reach all of it.
          const [batch, batches] = [4, 1000]
          const timesteps = (yield* drawn(one, { steps, batch, batches })).flatMap(({ t }) => t)
          const p = timestepProbabilities(one.sampler, scheduleOf(steps), one.state)
          assert.closeTo(p.reduce((sum, value) => sum + value, 0), 1, 1e-12)
          // Timesteps that are expected less than ten times are counted together.
          const cells = new Map<number, { seen: number; expected: number }>()
          countsOf(timesteps, steps).forEach((seen, t) => {
            const expected = p[t]! * batch * batches
            if (expected === 0) assert.strictEqual(seen, 0)
            const cell = expected < 10 ? -1 : t
            const former = cells.get(cell) ?? { seen: 0, expected: 0 }
            cells.set(cell, { seen: former.seen + seen, expected: former.expected + expected })
          })
          const all = [...cells.values()].filter(({ expected }) => expected > 1)
          const chiSquared = all.reduce((sum, { expected, seen }) => sum + (seen - expected) ** 2 / expected, 0)
          // The 99.99th percentile by the approximation of Wilson and Hilferty. Timesteps that come from one draw count
          // once, so a batch that is spread is allowed as many times as much.
          const freedom = all.length - 1
          const bound = freedom * (1 - 2 / (9 * freedom) + 3.719 * Math.sqrt(2 / (9 * freedom))) ** 3
          assert.isBelow(chiSquared, { independent: 1, antithetic: 2, stratified: batch }[spread] * bound)
        }))
    })
  }

  it.effect("gives the timestep of a position: that with the position between what is before it and after it", () =>
    Effect.gen(function*() {
      const weights = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), {
        minLength: 1,
        maxLength: 60
      }).filter((weights) => weights.reduce((sum, weight) => sum + weight, 0) > 1e-3)
      const position = fc.oneof(
        fc.constantFrom(0, 2 ** -24, 1 - 2 ** -24),
        fc.nat(2 ** 24 - 1).map((k) => k * 2 ** -24)
      )
      const samples = fc.sample(fc.tuple(weights, fc.array(position, { minLength: 20, maxLength: 20 })), {
        seed: 4,
        numRuns: 25
      })
      for (const [weights, u] of samples) {
        const sampler = fixed(weights, false, "independent")
        const [result] = yield* at({ sampler }, weights.length, [u])
        assert.isUndefined(result!.importance)
        const p = timestepProbabilities(sampler, scheduleOf(weights.length))
        const below = cumulative(p)
        result!.t.forEach((t, i) => {
          const context = `u = ${u[i]}, t = ${t}, weights ${weights}`
          assert.isAbove(p[t]!, 0, context)
          assert.isAtLeast(u[i]!, below[t]! - rounding, context)
          assert.isBelow(u[i]!, below[t + 1]! + rounding, context)
        })
      }
    }))

  it.effect("stratified: an effective batch has each timestep as often as it should, rounded down or up", () =>
    Effect.gen(function*() {
      for (const one of casesOf("stratified")) {
        const below = cumulative(timestepProbabilities(one.sampler, scheduleOf(steps), one.state))
        for (const batch of [1, 5, 32, 48, 200]) {
          for (const { t } of yield* drawn(one, { steps, batch, batches: 8, seed: batch })) {
            countsOf(t, steps).forEach((count, timestep) => {
              const expected = batch * (below[timestep + 1]! - below[timestep]!)
              assert.isBelow(Math.abs(count - expected), 1 + 1e-4, `${one.sampler.name}, t = ${timestep} of ${batch}`)
            })
          }
        }
      }
    }))

  it.effect("stratified: uniform timesteps are those of float32 arithmetic, wherever u lies", () =>
    Effect.gen(function*() {
      const f = Math.fround
      const cases = fc.sample(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 1000 })), {
        seed: 1,
        numRuns: 15
      })
      for (const [batch, steps] of cases) {
        const stage = yield* stageOf(even("stratified"), steps)
        const made = yield* drawn({ sampler: even("stratified") }, { steps, batch, batches: 20 })
        made.forEach(({ t }, step) => {
          const u = Pipeline.draws(stage, { x0: { shape: [1, 1], dtype: "float32" } }, { seed: 0, step })["u"]!.data[0]!
          // As runs have drawn them from the first: they go on as they were.
          const expected = Array.from(
            { length: batch },
            (_, i) => Math.min(steps - 1, Math.floor(f((f(u + f(i / batch)) % 1) * steps)))
          )
          assert.deepStrictEqual(t, expected)
        })
      }
    }))

  it.effect("antithetic: uniform timesteps are pairs t and T - 1 - t, but where float32 rounds up to the next timestep", () =>
    Effect.gen(function*() {
      let pairs = 0
      for (const [batch, steps] of [[2, 10], [7, 1000], [16, 37]] as const) {
        const sampler = even("antithetic")
        const stage = yield* stageOf(sampler, steps)
        const made = yield* drawn({ sampler }, { steps, batch, batches: 50 })
        made.forEach(({ t }, step) => {
          const x0 = { shape: [batch, 1], dtype: "float32" as const }
          const u = Pipeline.draws(stage, { x0 }, { seed: 0, step })["u"]!.data
          for (let i = 0; i + 1 < batch; i += 2) {
            const place = u[i]! * steps
            if (Math.abs(place - Math.round(place)) < steps * 2 ** -24) continue
            assert.strictEqual(t[i]! + t[i + 1]!, steps - 1)
            pairs++
          }
        })
      }
      assert.isAbove(pairs, 590)
    }))

  it.effect("spreads lessen the variance of a batch's mean as they say", () =>
    Effect.gen(function*() {
      const [batch, steps] = [16, 1000]
      const variance = Effect.fnUntraced(function*(spread: Spread, f: (place: number) => number) {
        const made = yield* drawn({ sampler: even(spread) }, { steps, batch, batches: 600 })
        const means = made.map(({ t }) => t.reduce((sum, t) => sum + f(t / (steps - 1)), 0) / batch)
        const mean = means.reduce((sum, value) => sum + value, 0) / means.length
        return means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / means.length
      })
      const ratio = Effect.fnUntraced(function*(spread: Spread, f: (place: number) => number) {
        return (yield* variance(spread, f)) / (yield* variance("independent", f))
      })
      // The loss of a denoiser falls steeply from the first timesteps on.
      const loss = (place: number) => 1 / (0.02 + place)
      const linear = (place: number) => place
      const aroundTheMiddle = (place: number) => (place - 0.5) ** 2
      assert.isBelow(yield* ratio("stratified", loss), 0.4)
      // The mean moves with u by 1 / B, and has the variance of u / B.
      assert.closeTo(yield* ratio("stratified", linear), 1 / batch, 0.3 / batch)
      assert.isBelow(yield* ratio("stratified", aroundTheMiddle), 0.05)
      assert.isBelow(yield* ratio("antithetic", loss), 0.9)
      assert.isBelow(yield* ratio("antithetic", linear), 1e-6)
      // Twice, within about four standard deviations of an estimate from 600 batches.
      assert.closeTo(yield* ratio("antithetic", aroundTheMiddle), 2, 0.65)
    }))

  for (const spread of ["stratified", "antithetic"] as const) {
    it.effect(`${spread}: the micro-batches of a step have the timesteps of one batch of all their examples`, () =>
      Effect.gen(function*() {
        for (const one of casesOf(spread)) {
          for (const [accumulate, batch] of [[2, 3], [3, 4], [5, 1]] as const) {
            const split = yield* drawn(one, { steps, batch, batches: 4 * accumulate, accumulate })
            const whole = yield* drawn(one, { steps, batch: accumulate * batch, batches: 4 })
            whole.forEach(({ t }, step) => {
              const parts = split.slice(step * accumulate, (step + 1) * accumulate)
              assert.deepStrictEqual(parts.flatMap(({ t }) => t), t)
            })
            assert.notDeepEqual(whole[0]!.t, whole[1]!.t)
          }
        }
      }))
  }

  it.effect("independent: the micro-batches of a step have draws of their own", () =>
    Effect.gen(function*() {
      const one = { sampler: even("independent") }
      const accumulated = yield* drawn(one, { steps: 1000, batch: 4, batches: 6, accumulate: 3 })
      assert.deepStrictEqual(accumulated, yield* drawn(one, { steps: 1000, batch: 4, batches: 6 }))
      assert.strictEqual(new Set(accumulated.map(({ t }) => t.join())).size, 6)
    }))

  it.effect("that corrects weighs each example with 1 / (T p_t)", () =>
    Effect.gen(function*() {
      const weights = fc.array(fc.double({ min: 1e-4, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 })
      for (const [seed, of] of fc.sample(weights, { seed: 6, numRuns: 10 }).entries()) {
        const sampler = fixed(of, true, spreads[seed % 3]!)
        const p = timestepProbabilities(sampler, scheduleOf(of.length))
        for (const { importance, t } of yield* drawn({ sampler }, { steps: of.length, batch: 9, batches: 3, seed })) {
          importance!.forEach((weight, i) => {
            const expected = 1 / (of.length * p[t[i]!]!)
            assert.closeTo(weight, expected, 1e-6 * expected)
          })
        }
      }
    }))
})
