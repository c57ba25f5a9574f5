/**
 * What images in blocks of channels spare. (That the elements are right is held by the conformance suite of engines, and by
 * `Optimizations.test.ts`.)
 */
import { assert, describe, it } from "@effect/vitest"
import { stateless, type Tensor } from "@effusion/core/engine"
import { Optimizations } from "@effusion/core/engine/onnx"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { lower } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"

type Image = tf.Tensor4D

/** The operators that a program of an image and a filter is lowered to, with blocks of 16, by domain and name. */
const operators = (
  program: (x: Image, filter: Image) => Tensor,
  channels: number,
  optimizations = Optimizations.all
) =>
  Effect.map(
    trace(
      stateless(
        "images",
        {
          x: { shape: [2, 4, 4, channels], dtype: "float32" },
          filter: { shape: [3, 3, channels, channels], dtype: "float32" }
        },
        ({ filter, x }: { readonly x: Tensor; readonly filter: Tensor }) => ({
          y: program(x as Image, filter as Image)
        })
      ),
      "onnx"
    ),
    (graph) => lower(graph, { convolutionBlock: 16, optimizations }).nodes.map(({ domain, op }) => `${domain} ${op}`)
  )

const count = (all: ReadonlyArray<string>, operator: string): number => all.filter((one) => one === operator).length

const convolve = (x: Image, filter: Image): Image => tf.conv2d(x, filter, 1, "same") as Image

describe("an image in blocks of channels", () => {
  it.effect("stays in blocks from one convolution to the next, and is what is wanted otherwise too", () =>
    Effect.gen(function*() {
      const twice = yield* operators((x, filter) => convolve(convolve(x, filter), filter), 32)
      assert.strictEqual(count(twice, "com.microsoft.nchwc Conv"), 2)
      // One is for the filter.
      assert.strictEqual(count(twice, "com.microsoft.nchwc ReorderInput"), 2)
      assert.strictEqual(count(twice, "com.microsoft.nchwc ReorderOutput"), 1)

      const both = yield* operators((x, filter) => {
        const y = convolve(x, filter)
        return tf.add(convolve(y, filter), tf.exp(y))
      }, 32)
      assert.strictEqual(count(both, "com.microsoft.nchwc ReorderInput"), 2)
      assert.strictEqual(count(both, "com.microsoft.nchwc ReorderOutput"), 2)
    }))

  it.effect("goes out of blocks and in again where nothing is shared", () =>
    Effect.gen(function*() {
      const twice = yield* operators(
        (x, filter) => convolve(convolve(x, filter), filter),
        32,
        Optimizations.without(["commonSubexpressions"])
      )
      assert.strictEqual(count(twice, "com.microsoft.nchwc ReorderOutput"), 2)
    }))

  it.effect("is averaged in blocks, where its channels fill them", () =>
    Effect.gen(function*() {
      const average = (x: Image) => tf.avgPool(x, 2, 2, "valid")
      assert.include(yield* operators(average, 32), "com.microsoft.nchwc AveragePool")
      assert.include(yield* operators(average, 20), " AveragePool")
      const plain = yield* operators(average, 32, Optimizations.without(["blockedConvolutions"]))
      assert.include(plain, " AveragePool")
    }))
})
