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
})
