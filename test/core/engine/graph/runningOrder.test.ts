/**
 * Orders of nodes that hold less at once.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import { stateless } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { Graph } from "../../../../packages/core/src/engine/graph/Graph.ts"
import { fullestMoment } from "../../../../packages/core/src/engine/graph/liveness.ts"
import { optimize } from "../../../../packages/core/src/engine/graph/optimize.ts"
import { runningOrder } from "../../../../packages/core/src/engine/graph/passes/runningOrder.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import { property } from "../../../conformance/check.ts"
import { expressions } from "../../../conformance/expressions.ts"
import { f32 } from "../../../conformance/tests.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"

type Tensors = { readonly [name: string]: Tensor }

const checkOrder = (graph: Graph) => {
  const made = new Set(graph.arguments.map(({ value }) => value))
  for (const { inputs, outputs } of graph.nodes) {
    for (const input of inputs) assert.isTrue(made.has(input))
    for (const output of outputs) made.add(output)
  }
}

describe("runningOrder", () => {
  it.effect("has the same nodes, each after what it reads, whatever the expression", () =>
    property(
      fc.oneof(...expressions.map((expression) => expression.instances)),
      ({ inputs, program }) =>
        Effect.gen(function*() {
          const specs = Object.fromEntries(
            Object.entries(inputs).map(([name, { array, dtype }]) => [name, { shape: array.shape, dtype }])
          )
          const apply = (tensors: Tensors): Tensors =>
            Object.fromEntries(program(tensors).map((tensor, i) => [`y${i}`, tensor]))
          const graph = yield* trace(stateless<Tensors, Tensors>("expression", specs, apply), "onnx")
          const ordered = runningOrder(graph)
          checkOrder(ordered)
          assert.sameMembers([...ordered.nodes], [...graph.nodes])
        }),
      { numRuns: 100 }
    ))

  it.effect("has gradients of filters before those of inputs, and holds no more", () =>
    Effect.gen(function*() {
      const graph = optimize(yield* trace((yield* tinyTrainingProgram).program, "onnx"))
      const ordered = runningOrder(graph)
      checkOrder(ordered)
      assert.isAtMost(fullestMoment(ordered).bytes, fullestMoment(graph).bytes)
      /** How many filters have their gradient before the gradient of the input. */
      const first = (graph: Graph) =>
        graph.nodes.filter(({ inputs: [gradient], operation }, place) =>
          operation.kind === "convolutionInputGradient" &&
          graph.nodes.slice(0, place).some(({ inputs, operation }) =>
            operation.kind === "convolutionFilterGradient" && inputs[1] === gradient
          )
        ).length
      assert.isAbove(first(ordered), first(graph))
    }))

  it.effect("has a state written once the last operand is there, and after all that reads it", () =>
    Effect.gen(function*() {
      const program = {
        name: "three states",
        state: { a: f32(64, 64), b: f32(64, 64), c: f32(64, 64) },
        input: { x: f32(64, 64) },
        apply: ({ a, b, c }: Tensors, { x }: Tensors) => {
          const first = tf.matMul(x as tf.Tensor2D, b as tf.Tensor2D)
          const second = tf.matMul(first, a as tf.Tensor2D)
          return { state: { b: tf.add(b!, second), a: tf.add(a!, first), c: tf.add(c!, first) }, output: {} }
        }
      }
      const graph = optimize(yield* trace(program, "onnx"))
      const kinds = (graph: Graph) => graph.nodes.map(({ operation }) => operation.kind)
      assert.deepStrictEqual(kinds(graph), ["matMul", "matMul", "binary", "binary", "binary"])
      const ordered = runningOrder(graph)
      // c needs nothing but the first product; a is read by the second one.
      assert.deepStrictEqual(kinds(ordered), ["matMul", "binary", "matMul", "binary", "binary"])
      assert.strictEqual(ordered.nodes[1]!.outputs[0], ordered.results.find(({ name }) => name === "c")!.value)
      checkOrder(ordered)
    }))
})
