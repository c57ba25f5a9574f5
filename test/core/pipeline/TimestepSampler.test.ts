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

/** The timesteps of draws, as an engine computes them. */
const timestepsOf = Effect.fnUntraced(
  function*(batch: number, steps: number, drawn: (sampler: TimestepSampler["Service"]) => Record<string, HostTensor>) {
    const sampler = yield* TimestepSampler
    const engine = yield* Engine
    const values = drawn(sampler)
    const specs = Record.map(values, ({ dtype, shape }) => ({ dtype, shape }))
    const program = stateless("timesteps", specs, (draws) => ({ t: sampler.timesteps(draws, batch, steps) }))
    const instance = yield* (yield* engine.compile(program)).start({})
    const { t } = yield* instance.step(values)
    assert.deepStrictEqual([t.dtype, t.shape], ["int32", [batch]])
    return Array.from(t.data)
  },
  Effect.scoped
)

const fromKey = (batch: number, steps: number, seed: number) => (sampler: TimestepSampler["Service"]) =>
  Record.map(sampler.draws(batch, steps), (spec, name) => draw(Key.fold(Key.make(seed), name), spec))

layer(OnnxEngine.layer({ threads: 1 }))("a timestep sampler", (it) => {
  for (const name of ["uniform", "stratified"] as const) {
    it.effect(`${name}: every timestep is as likely as any other`, () =>
      Effect.gen(function*() {
        const [batch, steps, batches] = [32, 8, 64]
        const counts = Array.from({ length: steps }, () => 0)
        for (let seed = 0; seed < batches; seed++) {
          for (const t of yield* timestepsOf(batch, steps, fromKey(batch, steps, seed))) counts[t]!++
        }
        const expected = batch * batches / steps
        const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
        // The 99.9th percentile of chi squared with 7 degrees of freedom.
        assert.isBelow(chiSquared, 24.32)
      }).pipe(Effect.provide(TimestepSampler[name])))
  }

  it.effect("stratified: a batch has one timestep in each of its equal parts of the range, wherever u lies", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 40 }),
          fc.integer({ min: 1, max: 1000 }),
          fc.oneof(fc.float({ min: 0, max: Math.fround(1 - 2 ** -24), noNaN: true }), fc.constant(1 - 2 ** -24)),
          async (batch, steps, u) => {
            const t = await timestepsOf(batch, steps, () => ({ u: float32([], [u]) })).pipe(
              Effect.provide([TimestepSampler.stratified, OnnxEngine.layer({ threads: 1 })]),
              Effect.runPromise
            )
            const sorted = t.toSorted((a, b) => a - b)
            sorted.forEach((timestep, i) => {
              assert.isAtLeast(timestep, Math.floor(steps * i / batch))
              assert.isAtMost(timestep, Math.min(steps - 1, Math.floor(steps * (i + 1) / batch)))
            })
          }
        ),
        { seed: 1, numRuns: 10 }
      )
    ))
})
