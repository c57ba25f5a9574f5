import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Engine, InvalidProgram, type Program, stateless, type Tensor } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { nothingHeld } from "./models.ts"

/** The example of the documentation: a running sum, and its mean. */
const accumulate: Program<{ sum: Tensor }, { x: Tensor }, { mean: Tensor }> = {
  name: "accumulate",
  state: { sum: { shape: [3], dtype: "float32" } },
  input: { x: { shape: [3], dtype: "float32" } },
  apply: ({ sum }, { x }) => {
    const next = tf.add(sum, x)
    return { state: { sum: next }, output: { mean: tf.mean(next) } }
  }
}

layer(OnnxEngine.layer({ threads: 1 }))("OnnxEngine", (it) => {
  it.effect("compiles and steps programs written with tfjs", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      assert.strictEqual(engine.name, "onnx")
      assert.strictEqual(engine.device.threads, 1)
      yield* Effect.gen(function*() {
        const executable = yield* engine.compile(accumulate)
        assert.deepStrictEqual(executable.output, { mean: { shape: [], dtype: "float32" } })
        const instance = yield* executable.start({ sum: float32([3], [0, 0, 0]) })
        for (const n of [1, 2, 3]) {
          const { mean } = yield* instance.step({ x: float32([3], [1, 2, 3]) })
          assert.deepStrictEqual(mean, float32([], [2 * n]))
        }
        assert.deepStrictEqual(yield* instance.read, { sum: float32([3], [3, 6, 9]) })
      }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* engine.memory, nothingHeld)
    }))

  it.effect("takes the arrays of a state that is donated, and holds no second copy", () =>
    Effect.gen(function*() {
      const executable = yield* (yield* Engine).compile(accumulate)
      const [kept, donated] = [{ sum: float32([3], [1, 2, 3]) }, { sum: float32([3], [1, 2, 3]) }]
      yield* executable.start(kept)
      yield* executable.start(donated, { donate: true })
      assert.strictEqual(kept.sum.data.length, 3)
      assert.strictEqual(donated.sum.data.length, 0)
      const error = yield* Effect.flip(executable.start(donated, { donate: true }))
      assert.strictEqual(error._tag, "SignatureMismatch")
      assert.include(error.message, "in a Float32Array of 0 elements")
    }).pipe(Effect.scoped))

  it.effect("keeps state that a program passes through, swaps or sets to a constant", () =>
    Effect.gen(function*() {
      const spec = { shape: [2], dtype: "float32" } as const
      const shuffle: Program<{ a: Tensor; b: Tensor; c: Tensor; d: Tensor }, {}, { a: Tensor }> = {
        name: "shuffle",
        state: { a: spec, b: spec, c: spec, d: spec },
        input: {},
        apply: ({ a, b, c }) => ({ state: { a: b, b: a, c, d: tf.ones([2]) }, output: { a } })
      }
      const instance = yield* (yield* (yield* Engine).compile(shuffle)).start({
        a: float32([2], [1, 1]),
        b: float32([2], [2, 2]),
        c: float32([2], [3, 3]),
        d: float32([2], [4, 4])
      })
      for (const [a, b] of [[1, 2], [2, 1], [1, 2]] as const) {
        assert.deepStrictEqual((yield* instance.step({})).a, float32([2], [a, a]))
        const state = yield* instance.read
        assert.deepStrictEqual(
          [state.a, state.b, state.c, state.d].map(({ data }) => data[0]),
          [b, a, 3, 1]
        )
      }
    }))

  it.effect("says what is wrong with a program that throws", () =>
    Effect.gen(function*() {
      const broken = stateless(
        "broken",
        { x: { shape: [2], dtype: "float32" } },
        ({ x }) => ({ y: tf.reshape(x, [3]) })
      )
      const error = yield* Effect.flip(Effect.scoped((yield* Engine).compile(broken)))
      assert.instanceOf(error, InvalidProgram)
      assert.match(error.message, /^program "broken" cannot be compiled: Size\(2\) must match the product of shape 3/)
    }))
})

describe("OnnxEngine.layer", () => {
  it.effect("is unavailable with a number of threads that is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Effect.provide(Engine, OnnxEngine.layer({ threads: 0 }))))
      assert.match(error.message, /^the engine "onnx" does not work here: it was asked to use 0 threads/)
    }))

  it.effect("is unavailable with a rematerialization that is neither on nor off", () =>
    Effect.gen(function*() {
      const given = ["yes", 1, null, Number.NaN, () => true]
      for (const [i, shown] of ["\"yes\"", "1", "null", "NaN", "[Function (anonymous)]"].entries()) {
        for (const layer of [OnnxEngine.layer, OnnxEngine.profilingLayer]) {
          const engine = layer({ rematerialize: given[i] as never })
          const error = yield* Effect.flip(Effect.scoped(Effect.provide(Engine, engine)))
          assert.strictEqual(error._tag, "EngineUnavailable")
          assert.strictEqual(
            error.message,
            `the engine "onnx" does not work here: its rematerialize was set to ${shown}; say true, false or "all"`
          )
        }
      }
    }).pipe(Effect.provide(NodeServices.layer)))
})
