import { assert, describe, it } from "@effect/vitest"
import { stateless, type Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"

const x = { shape: [4], dtype: "float32" } as const

const kinds = (apply: (x: Tensor) => Tensor) =>
  Effect.map(
    trace(stateless("test", { x }, (input) => ({ y: apply(input.x) })), "onnx"),
    (graph) => graph.nodes.map(({ operation }) => operation.kind)
  )

describe("trace", () => {
  it.effect("records operations without computing them", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* kinds((x) => tf.mul(tf.neg(x), x)), ["unary", "binary"])
    }))

  it.effect("records a split into one piece (it was null)", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* kinds((x) => tf.split(x, [4])[0]!), ["split"])
      assert.deepStrictEqual(yield* kinds((x) => tf.unstack(tf.reshape(x, [1, 4]))[0]!), [
        "reshape",
        "split",
        "reshape"
      ])
    }))

  it.effect("gives the elements of constants, which are no secret", () =>
    Effect.gen(function*() {
      const twice = (x: Tensor) => tf.mul(x, tf.tensor1d([2, 2, 2, 3]).dataSync()[3]!)
      assert.include(yield* kinds(twice), "binary")
    }))

  it.effect("records the same program the same way", () =>
    Effect.gen(function*() {
      const program = (x: Tensor) => tf.grad((z) => tf.mean(tf.square(tf.sigmoid(z))))(x)
      assert.deepStrictEqual(yield* kinds(program), yield* kinds(program))
    }))

  it.effect("refuses tensors that were made outside of the program, and leaves them where and as they are", () =>
    Effect.gen(function*() {
      const outside = tf.tensor1d([1, 2, 3, 4])
      const uses: ReadonlyArray<(x: Tensor) => Tensor> = [
        (x) => tf.mul(x, outside),
        (x) => tf.add(x, tf.onesLike(outside)),
        (x) => tf.mul(x, tf.clone(outside)),
        (x) => tf.grad((x) => tf.sum(tf.mul(x, outside)))(x),
        () => outside
      ]
      const before = tf.memory()
      for (const use of uses) {
        const error = yield* Effect.flip(kinds(use))
        assert.strictEqual(error._tag, "InvalidProgram")
        assert.match(error.message, /it uses a tensor that was made outside of it; take it as state or input/)
      }
      assert.deepStrictEqual(tf.memory(), before)
      // Its elements are known, unlike those of the program's own.
      assert.include(yield* kinds((x) => tf.mul(x, tf.tensor1d(outside.dataSync()))), "constant")
      assert.deepStrictEqual(Array.from(tf.mul(outside, 2).dataSync()), [2, 4, 6, 8])
      outside.dispose()
    }))
})
