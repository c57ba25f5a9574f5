/** Sessions in their worker thread: failures, memory by the addon's own count, and layers that come and go. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Engine, OutOfMemory, type Program, stateless, type Tensor } from "@effusion/core/engine"
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { float32, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"

const f32 = (...shape: ReadonlyArray<number>) => ({ shape, dtype: "float32" } as const)
const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }
const one = { executables: 1, instances: 1, tensors: 1, bytes: 8 }

/** Adds the element at an index of the state to the state; TensorFlow refuses an index that there is none of. */
const pick: Program<{ w: Tensor }, { i: Tensor }, { y: Tensor }> = {
  name: "pick",
  state: { w: f32(2) },
  input: { i: { shape: [1], dtype: "int32" } },
  apply: ({ w }, { i }) => {
    const y = tf.gather(w, i as tf.Tensor1D)
    return { state: { w: tf.add(w, y) }, output: { y } }
  }
}
const at = (i: number) => ({ i: int32([1], [i]) })
const start = { w: float32([2], [1, 2]) }

/** 4 TiB, which no allocator gives: nothing of it is touched. */
const huge = stateless("huge", { x: f32(1) }, ({ x }: { x: Tensor }) => ({
  y: tf.sum(tf.tanh(tf.add(tf.broadcastTo(tf.reshape(x, [1, 1]), [2 ** 20, 2 ** 20]), 1)))
}))

layer(TensorflowEngine.layer({ mode: "graph" }))("sessions", (it) => {
  it.effect("step a state forward, each its own, and keep nothing of what they were fed", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      yield* Effect.scoped(Effect.gen(function*() {
        const executable = yield* engine.compile(pick)
        const [a, b] = [yield* executable.start(start), yield* executable.start(start)]
        assert.deepStrictEqual(Array.from((yield* a.step(at(1))).y.data), [2])
        assert.deepStrictEqual(Array.from((yield* a.read).w.data), [3, 4])
        assert.deepStrictEqual(Array.from((yield* b.read).w.data), [1, 2])
        assert.deepStrictEqual(Array.from(start.w.data), [1, 2])
      }))
      assert.deepStrictEqual(yield* engine.memory, nothing)
    }))

  it.effect("that fail in a step say why, are of no use afterwards, and leave no handle of the addon's", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      yield* Effect.scoped(Effect.gen(function*() {
        const instance = yield* (yield* engine.compile(pick)).start(start)
        const error = yield* Effect.flip(instance.step(at(7)))
        assert.strictEqual(error._tag, "ExecutionFailed")
        assert.match(
          error.message,
          /the engine "tensorflow" failed while running program "pick": .*7 is not in \[0, 2\)/
        )
        assert.match((yield* Effect.flip(instance.step(at(0)))).message, /an earlier step failed: /)
        assert.deepStrictEqual(yield* engine.memory, one)
      }))
      assert.deepStrictEqual(yield* engine.memory, nothing)
    }))

  // TensorFlow waits for ten seconds for memory to come free.
  it.effect("that run out of memory say how much was asked for, where, and what to do", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const instance = yield* (yield* engine.compile(huge)).start({})
      const error = yield* Effect.flip(instance.step({ x: float32([1], [1]) }))
      assert.instanceOf(error, OutOfMemory)
      assert.strictEqual(error.requestedBytes, 2 ** 42)
      assert.strictEqual(error.device, `${engine.device.description} (${engine.device.kind.toUpperCase()}:0)`)
      assert.match(error.message, /when 4 TiB more were needed, in program "huge"; lower the batch size/)
    }))
})

describe("layers", () => {
  it.effect(
    "come and go, and leave no memory behind",
    () =>
      Effect.gen(function*() {
        const size = 1 << 20
        const grow: Program<{ w: Tensor }, { x: Tensor }, {}> = {
          name: "grow",
          state: { w: f32(size) },
          input: { x: f32(size) },
          apply: ({ w }, { x }) => ({ state: { w: tf.add(w, x) }, output: {} })
        }
        const ones = float32([size], new Float32Array(size).fill(1))
        const life = Effect.gen(function*() {
          const engine = yield* Engine
          const instance = yield* (yield* engine.compile(grow)).start({ w: ones })
          yield* instance.step({ x: ones })
          assert.strictEqual((yield* instance.read).w.data[size - 1], 2)
        }).pipe(Effect.scoped, Effect.provide(TensorflowEngine.layer({ mode: "graph" }), { local: true }))
        const lives = (count: number) => Effect.forEach(Array.from({ length: count }), () => life, { discard: true })
        yield* lives(8)
        const before = process.memoryUsage.rss()
        yield* lives(32)
        // A session that is kept in each would be 128 MiB of state alone.
        assert.isBelow((process.memoryUsage.rss() - before) / 2 ** 20, 64)
      }),
    120_000
  )
})
