import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { cosine, fromBetas, InvalidSchedule, linear, NoiseSchedule, type Schedule } from "@effusion/core/schedule"
import { Effect, type Layer, Result } from "effect"

const provided = (layer: Layer.Layer<NoiseSchedule, InvalidSchedule>) => NoiseSchedule.pipe(Effect.provide(layer))

describe("NoiseSchedule", () => {
  it.effect("provides the schedule of each family", () =>
    Effect.gen(function*() {
      const provide: ReadonlyArray<
        [Layer.Layer<NoiseSchedule, InvalidSchedule>, Result.Result<Schedule, InvalidSchedule>]
      > = [
        [NoiseSchedule.linear({ steps: 20, end: 0.1 }), linear({ steps: 20, end: 0.1 })],
        [NoiseSchedule.cosine({ steps: 20 }), cosine({ steps: 20 })],
        [NoiseSchedule.fromBetas([0.1, 0.2]), fromBetas([0.1, 0.2])]
      ]
      for (const [layer, expected] of provide) {
        assert.deepStrictEqual(yield* provided(layer), Result.getOrThrow(expected))
      }
    }))

  it.effect("provides a schedule that is at hand", () =>
    Effect.gen(function*() {
      const schedule = Result.getOrThrow(linear({ steps: 3 }))
      assert.strictEqual(yield* provided(NoiseSchedule.layer(schedule)), schedule)
    }))

  it.effect("fails with InvalidSchedule where there is none", () =>
    Effect.gen(function*() {
      const failing = [
        NoiseSchedule.linear({ steps: 0 }),
        NoiseSchedule.cosine({ steps: 0 }),
        NoiseSchedule.fromBetas([])
      ]
      for (const layer of failing) {
        assert.instanceOf(yield* Effect.flip(provided(layer)), InvalidSchedule)
      }
    }))

  it("cannot fail when the schedule is at hand", () => {
    expectTypeOf(NoiseSchedule.layer).returns.toEqualTypeOf<Layer.Layer<NoiseSchedule>>()
  })
})
