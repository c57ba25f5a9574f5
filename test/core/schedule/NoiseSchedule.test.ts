import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as S from "@effusion/core/schedule"
import { fromBetas, InvalidSchedule, linear, NoiseSchedule, type Schedule } from "@effusion/core/schedule"
import { Effect, type Layer, Result } from "effect"
import { families, familyNames, layers } from "./families.ts"

const provided = (layer: Layer.Layer<NoiseSchedule, InvalidSchedule>) => NoiseSchedule.pipe(Effect.provide(layer))

describe("NoiseSchedule", () => {
  it.effect("provides the schedule of each family", () =>
    Effect.gen(function*() {
      const provide: ReadonlyArray<
        readonly [Layer.Layer<NoiseSchedule, InvalidSchedule>, Result.Result<Schedule, InvalidSchedule>]
      > = [
        ...familyNames.map((name) => [layers[name]({ steps: 20 }), families[name]({ steps: 20 })] as const),
        [NoiseSchedule.linear({ steps: 20, end: 0.1 }), linear({ steps: 20, end: 0.1 })],
        [NoiseSchedule.fromBetas([0.1, 0.2]), fromBetas([0.1, 0.2])],
        [NoiseSchedule.fromAlphaBars([0.9, 0.2]), S.fromAlphaBars([0.9, 0.2])],
        [NoiseSchedule.fromAlphaBar((u) => 1 - u, { steps: 9 }), S.fromAlphaBar((u) => 1 - u, { steps: 9 })],
        [
          NoiseSchedule.fromResult(Result.flatMap(linear({ steps: 9 }), S.rescaleZeroTerminalSnr)),
          Result.flatMap(linear({ steps: 9 }), S.rescaleZeroTerminalSnr)
        ]
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
        ...familyNames.map((name) => layers[name]({ steps: 0 })),
        NoiseSchedule.fromBetas([]),
        NoiseSchedule.fromAlphaBars([]),
        NoiseSchedule.fromAlphaBar((u) => u, { steps: 9 })
      ]
      for (const layer of failing) {
        assert.instanceOf(yield* Effect.flip(provided(layer)), InvalidSchedule)
      }
    }))

  it("cannot fail when the schedule is at hand", () => {
    expectTypeOf(NoiseSchedule.layer).returns.toEqualTypeOf<Layer.Layer<NoiseSchedule>>()
  })
})
