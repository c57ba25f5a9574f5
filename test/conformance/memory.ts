/**
 * Everything that an engine holds is gone when its scope closes: on success, on failure, on interruption.
 */
import { expect } from "@effect/vitest"
import { Engine, type EngineUnavailable, stateless } from "@effusion/core/engine"
import { float32, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { accumulate } from "./state.ts"
import { type EngineTests, f32, i32 } from "./tests.ts"

const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }
const memory = Effect.flatMap(Engine, (engine) => engine.memory)
const compile = Effect.flatMap(Engine, (engine) => engine.compile(accumulate))
const zeros = { sum: float32([3], [0, 0, 0]) }
const ones = { x: float32([3], [1, 1, 1]) }

/**
 * What cycles of compiling, running and releasing may add to the process once it is warm. Each cycle's state is 64 KiB,
 * so that a state lost in each of 1,000 cycles would be 62 MiB, beside what garbage collection leaves to chance.
 */
export interface MemoryBound {
  readonly cycles: number
  readonly megabytes: number
}

/** Elements of the state whose memory is watched. */
const large = 16_384

/** Registers the tests; the engine's layer is built once more to see it close. */
export const memoryTests = (
  it: EngineTests,
  layer: Layer.Layer<Engine, EngineUnavailable>,
  bound: MemoryBound
): void => {
  it.effect("what lives is counted, and gone when its scope closes", () =>
    Effect.gen(function*() {
      expect(yield* memory).toEqual(nothing)
      yield* Effect.scoped(Effect.gen(function*() {
        const engine = yield* Engine
        const executable = yield* engine.compile({
          ...accumulate,
          state: { sum: f32(3), n: i32() },
          apply: ({ n, sum }: { sum: tf.Tensor; n: tf.Tensor }, { x }) => ({
            state: { sum: tf.add(sum, x), n: tf.add(n, tf.scalar(1, "int32")) },
            output: { mean: tf.mean(sum) }
          })
        })
        expect(yield* memory).toEqual({ ...nothing, executables: 1 })
        const start = { ...zeros, n: int32([], [0]) }
        yield* Effect.scoped(Effect.gen(function*() {
          const instance = yield* executable.start(start)
          expect(yield* memory).toEqual({ executables: 1, instances: 1, tensors: 2, bytes: 16 })
          yield* instance.step(ones)
          yield* instance.write(start)
          yield* instance.read
          expect(yield* memory).toEqual({ executables: 1, instances: 1, tensors: 2, bytes: 16 })
          yield* executable.start(start)
          expect(yield* memory).toEqual({ executables: 1, instances: 2, tensors: 4, bytes: 32 })
        }))
        expect(yield* memory).toEqual({ ...nothing, executables: 1 })
      }))
      expect(yield* memory).toEqual(nothing)
    }))

  it.effect("a failure after the state is placed leaves nothing", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
        const instance = yield* (yield* compile).start(zeros)
        yield* instance.step(ones)
        return yield* Effect.fail("a failure of the program around it")
      })))
      expect(Exit.isFailure(exit)).toBe(true)
      expect(yield* memory).toEqual(nothing)
    }))

  it.effect("a program that does not compile, a state and an input that do not fit leave nothing", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const throwing = stateless("throws", { x: f32(2) }, (): { y: tf.Tensor } => {
        throw new Error("no")
      })
      expect(Exit.isFailure(yield* Effect.exit(Effect.scoped(engine.compile(throwing))))).toBe(true)
      expect(yield* memory).toEqual(nothing)
      yield* Effect.scoped(Effect.gen(function*() {
        const executable = yield* compile
        expect(Exit.isFailure(yield* Effect.exit(executable.start({ sum: float32([2], [0, 0]) })))).toBe(true)
        expect(yield* memory).toEqual({ ...nothing, executables: 1 })
        const instance = yield* executable.start(zeros)
        expect(Exit.isFailure(yield* Effect.exit(instance.step({ x: float32([2], [0, 0]) })))).toBe(true)
        expect(yield* memory).toEqual({ executables: 1, instances: 1, tensors: 1, bytes: 12 })
      }))
      expect(yield* memory).toEqual(nothing)
    }))

  it.effect("an interruption at any moment leaves nothing", () =>
    Effect.gen(function*() {
      for (const yields of [0, 1, 2, 5, 20, 100]) {
        const fiber = yield* Effect.forkChild(
          Effect.scoped(Effect.gen(function*() {
            const instance = yield* (yield* compile).start(zeros)
            return yield* Effect.forever(instance.step(ones))
          })),
          { startImmediately: true }
        )
        for (let i = 0; i < yields; i++) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        expect(yield* memory).toEqual(nothing)
      }
      // ... and in the middle of stepping, for certain.
      const stepped = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        Effect.scoped(Effect.gen(function*() {
          const instance = yield* (yield* compile).start(zeros)
          return yield* Effect.forever(Effect.andThen(instance.step(ones), Deferred.succeed(stepped, undefined)))
        }))
      )
      yield* Deferred.await(stepped)
      expect(yield* memory).toEqual({ executables: 1, instances: 1, tensors: 1, bytes: 12 })
      yield* Fiber.interrupt(fiber)
      expect(yield* memory).toEqual(nothing)
    }))

  it.effect("an engine that is closed holds nothing, and says so of what is asked of it", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
      const [engine, instance] = yield* Effect.gen(function*() {
        const instance = yield* (yield* compile).start(zeros)
        yield* instance.step(ones)
        return [yield* Engine, instance] as const
      }).pipe(Effect.provide(context), Scope.provide(scope))
      expect(yield* engine.memory).toEqual({ executables: 1, instances: 1, tensors: 1, bytes: 12 })
      yield* Scope.close(scope, Exit.void)
      expect(yield* engine.memory).toEqual(nothing)
      expect((yield* Effect.flip(instance.step(ones)))._tag).toBe("ExecutionFailed")
    }))

  it.effect(
    `${bound.cycles} cycles of compiling, running and releasing grow the process by less than ${bound.megabytes} MiB`,
    () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const input = { x: float32([large], new Float32Array(large).fill(1)) }
        const start = { sum: float32([large], new Float32Array(large)) }
        const cycle = Effect.scoped(Effect.gen(function*() {
          const executable = yield* engine.compile({
            ...accumulate,
            state: { sum: f32(large) },
            input: { x: f32(large) }
          })
          const instance = yield* executable.start(start)
          expect((yield* instance.step(input)).mean.data[0]).toBe(1)
        }))
        // The first cycles fill caches and pools that stay.
        for (let i = 0; i < bound.cycles / 4; i++) yield* cycle
        const before = residentMegabytes()
        for (let i = 0; i < bound.cycles; i++) yield* cycle
        expect(residentMegabytes() - before).toBeLessThan(bound.megabytes)
        expect(yield* memory).toEqual(nothing)
      }),
    120_000
  )
}

const residentMegabytes = (): number => process.memoryUsage.rss() / 2 ** 20
