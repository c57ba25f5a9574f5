/**
 * Which additions become the bias of a convolution. (That the elements stay right is held by the conformance suite of
 * engines, whose chains add vectors to convolutions.)
 */
import { assert, describe, it } from "@effect/vitest"
import { stateless, type Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import type { Graph } from "../../../../packages/core/src/engine/graph/Graph.ts"
import { biases } from "../../../../packages/core/src/engine/graph/passes/biases.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"

type Image = tf.Tensor4D

/** A program of two convolutions of an image, with what is added to them made of other inputs. */
const record = (program: (convolved: Image, other: Image, added: Tensor) => ReadonlyArray<Tensor>, added = [3]) => {
  const shapes = { x: [2, 4, 4, 2], filter: [3, 3, 2, 3], added }
  const specs = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { shape, dtype: "float32" as const }])
  )
  return trace(
    stateless<{ readonly [name: string]: Tensor }, { readonly [name: string]: Tensor }>(
      "biases",
      specs,
      ({ added, filter, x }) => {
        const convolve = (dilation: number) =>
          tf.conv2d(x as Image, filter as Image, 1, "same", "NHWC", dilation) as Image
        return Object.fromEntries(program(convolve(1), convolve(2), added!).map((y, i) => [`y${i}`, y]))
      }
    ),
    "onnx"
  )
}

const count = ({ nodes }: Graph, kind: string): number =>
  nodes.filter(({ operation }) => operation.kind === kind).length

const biased = ({ nodes }: Graph): number =>
  nodes.filter(({ inputs, operation }) => operation.kind === "convolution" && inputs.length === 3).length

describe("the bias of a convolution", () => {
  it.effect("is what is added of one number a channel, on either side, however late it is computed", () =>
    Effect.gen(function*() {
      for (const shape of [[3], [1, 3], [1, 1, 1, 3]]) {
        for (
          const program of [
            (y: Image, _: Image, added: Tensor) => [tf.relu(tf.add(y, added))],
            (y: Image, _: Image, added: Tensor) => [tf.relu(tf.add(tf.exp(added), y))]
          ]
        ) {
          const before = yield* record(program, shape)
          const after = biases(before)
          assert.strictEqual(biased(after), 1)
          assert.strictEqual(count(after, "binary"), count(before, "binary") - 1)
          assert.strictEqual(count(after, "convolution"), count(before, "convolution"))
          // What is read was there before, and what reads the sum reads it still.
          const known = new Set(after.arguments.map(({ value }) => value))
          for (const { inputs, outputs } of after.nodes) {
            assert.isTrue(inputs.every((input) => known.has(input)))
            for (const output of outputs) known.add(output)
          }
          assert.isTrue(after.results.every(({ value }) => known.has(value)))
        }
      }
    }))

  it.effect("is the first vector only", () =>
    Effect.gen(function*() {
      const after = biases(yield* record((y, _, added) => [tf.add(tf.add(y, added), tf.exp(added))]))
      assert.strictEqual(biased(after), 1)
      assert.strictEqual(count(after, "binary"), 1)
    }))

  it.effect("goes with the source of its convolution", () =>
    Effect.gen(function*() {
      const before = yield* record((y, _, added) => [tf.add(y, added)])
      const origins = before.nodes.map((node) => ({ ...node, origin: { frames: [], pass: "forward" as const } }))
      const { nodes } = biases({ ...before, nodes: origins })
      const convolution = nodes.find(({ inputs }) => inputs.length === 3)!
      assert.strictEqual(
        convolution.origin,
        origins.find(({ operation }) => operation.kind === "convolution")!.origin
      )
    }))

  it.effect("is nothing else: not where what is added to is wanted, nor where what is added is no vector of channels", () =>
    Effect.gen(function*() {
      const programs = [
        // Wanted by itself: as a result, by another operation, by the addition itself.
        record((y, _, added) => [y, tf.add(y, added)]),
        record((y, _, added) => [tf.exp(y), tf.add(y, added)]),
        record((y) => [tf.add(y, y)]),
        record((y, other) => [tf.add(y, other)]),
        // One number an example and channel, a row, a pixel, all; another operation; larger than the image.
        record((y, _, added) => [tf.add(y, added)], [2, 1, 1, 3]),
        record((y, _, added) => [tf.add(y, added)], [4, 1]),
        record((y, _, added) => [tf.add(y, added)], [4, 3]),
        record((y, _, added) => [tf.add(y, added)], [1]),
        record((y, _, added) => [tf.sub(y, added)]),
        record((y, _, added) => [tf.add(y, added)], [1, 1, 1, 1, 3])
      ]
      for (const program of programs) {
        const before = yield* program
        assert.deepStrictEqual(biases(before), before)
      }
    }))
})
