/**
 * How timesteps come from draws.
 */
import { assert, layer } from "@effect/vitest"
import { Engine, stateless } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { TimestepSampler } from "@effusion/core/pipeline"
import { draw, Key } from "@effusion/core/random"
import { float32, type HostTensor } from "@effusion/core/tensor"
import { Effect, Record } from "effect"
import * as fc from "fast-check"

type Drawn = { readonly [name: string]: HostTensor }

/** The timesteps that each of some draws gives, as an engine computes them. */
const timestepsOf = Effect.fnUntraced(
  function*(batch: number, steps: number, drawn: (sampler: TimestepSampler["Service"]) => ReadonlyArray<Drawn>) {
    const sampler = yield* TimestepSampler
    const engine = yield* Engine
    const values = drawn(sampler)
    const specs = Record.map(values[0]!, ({ dtype, shape }) => ({ dtype, shape }))
    const program = stateless("timesteps", specs, (draws) => ({ t: sampler.timesteps(draws, batch, steps) }))
    const instance = yield* (yield* engine.compile(program)).start({})
    return yield* Effect.forEach(values, (value) =>
      Effect.map(instance.step(value), ({ t }) => {
        assert.deepStrictEqual([t.dtype, t.shape], ["int32", [batch]])
        return Array.from(t.data)
      }))
  },
  Effect.scoped
)

layer(OnnxEngine.layer({ threads: 1 }))("a timestep sampler", (it) => {
  for (const name of ["uniform", "stratified"] as const) {
    it.effect(`${name}: every timestep is as likely as any other`, () =>
      Effect.gen(function*() {
        // A batch is smaller than the range, so that it is the draws that must reach all of it.
        const [batch, steps, batches] = [4, 32, 400]
        const timesteps = yield* timestepsOf(batch, steps, (sampler) =>
          Array.from({ length: batches }, (_, seed) =>
            Record.map(sampler.draws(batch, steps), (spec, name) =>
              draw(Key.fold(Key.make(seed), name), spec))))
        const counts = Array.from({ length: steps }, () =>
          0)
        for (const t of timesteps.flat()) {
          counts[t]!++
        }
        const expected = batch * batches / steps
        const chiSquared = counts.reduce((sum, count) =>
          sum + (count - expected) ** 2 / expected, 0)
        // The 99.9th percentile of chi squared with 31 degrees of freedom. Four timesteps that come from one draw count
        // once, so an evenly spread batch is allowed four times as much.
        assert.isBelow(chiSquared, name === "uniform" ? 61.1 : 4 * 61.1)
      }).pipe(Effect.provide(TimestepSampler[name])))
  }

  it.effect("stratified: a batch has one timestep in each of its equal parts of the range, wherever u lies", () =>
    Effect.gen(function*() {
      const cases = fc.sample(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 1000 })), {
        seed: 1,
        numRuns: 15
      })
      const positions = [
        0,
        1 - 2 ** -24,
        ...fc.sample(fc.float({ min: 0, max: Math.fround(1 - 2 ** -24), noNaN: true }), { seed: 2, numRuns: 20 })
      ]
      for (const [batch, steps] of cases) {
        const timesteps = yield* timestepsOf(batch, steps, () => positions.map((u) => ({ u: float32([], [u]) })))
        for (const [i, t] of timesteps.entries()) {
          const sorted = t.toSorted((a, b) => a - b)
          sorted.forEach((timestep, part) => {
            const context = `part ${part} of ${batch}, ${steps} steps, u = ${positions[i]}`
            assert.isAtLeast(timestep, Math.floor(steps * part / batch), context)
            assert.isAtMost(timestep, Math.min(steps - 1, Math.floor(steps * (part + 1) / batch)), context)
          })
        }
      }
    }).pipe(Effect.provide(TimestepSampler.stratified)))
})
