/**
 * Computing again in place of keeping: less memory, and the same results.
 */
import { assert, it, layer } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import { stateless } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { Graph } from "../../../../packages/core/src/engine/graph/Graph.ts"
import { fullestMoment } from "../../../../packages/core/src/engine/graph/liveness.ts"
import { economize, optimize } from "../../../../packages/core/src/engine/graph/optimize.ts"
import { reductionsFirst } from "../../../../packages/core/src/engine/graph/passes/reductionsFirst.ts"
import { emptied, rematerialization } from "../../../../packages/core/src/engine/graph/passes/rematerialization.ts"
import { lowerSimplified } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import type { Instance } from "../../../conformance/Case.ts"
import { property, toHost } from "../../../conformance/check.ts"
import { expressions } from "../../../conformance/expressions.ts"
import { bits, f32, type NamedHost } from "../../../conformance/tests.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"
import { runtimeLayer, TestRuntime } from "../onnx/models.ts"

type Tensors = { readonly [name: string]: Tensor }

/** Steps a state with a graph, as it is. */
const run = Effect.fnUntraced(function*(graph: Graph, state: NamedHost, inputs: ReadonlyArray<NamedHost>) {
  const { compileModel } = yield* TestRuntime
  const { model } = lowerSimplified(graph, {})
  const executable = yield* compileModel({ program: graph.name, signature: graph.signature, model })
  const instance = yield* executable.start(state)
  const outputs = yield* Effect.forEach(inputs, (input) => instance.step(input))
  return {
    outputs: outputs.map((output) => bits(output as NamedHost)),
    state: bits((yield* instance.read) as NamedHost)
  }
}, Effect.scoped)

/** The tensors of an expression, twice as large, and their sums. */
const withSums = (tensors: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> =>
  tensors.flatMap((tensor) => {
    const x = tf.cast(tensor, "float32")
    return [tf.mul(x, 2), tf.sum(x)]
  })

const record = ({ inputs, program }: Instance) => {
  const specs = Object.fromEntries(
    Object.entries(inputs).map(([name, { array, dtype }]) => [name, { shape: array.shape, dtype }])
  )
  const apply = (tensors: Tensors): Tensors =>
    Object.fromEntries(program(tensors).map((tensor, i) => [`y${i}`, tensor]))
  return trace(stateless<Tensors, Tensors>("expression", specs, apply), "onnx")
}

const kindsOf = ({ nodes }: Graph): ReadonlyArray<string> => nodes.map(({ operation }) => operation.kind)

const copiesIn = (graph: Graph): number => kindsOf(graph).filter((kind) => kind === "after").length

layer(runtimeLayer({ threads: 1 }))("rematerialization", (it) => {
  const instances = fc.oneof(...expressions.map((expression) => expression.instances))

  it.effect("changes no bit, at whatever moment of whatever expression as little as possible is kept", () =>
    property(
      fc.tuple(instances, fc.double({ min: 0, max: 1, noNaN: true })),
      ([instance, moment]) =>
        Effect.gen(function*() {
          const summed = { ...instance, program: (given: Tensors) => withSums(instance.program(given)) }
          const graph = optimize(yield* record(summed))
          const inputs = Object.fromEntries(
            Object.entries(instance.inputs).map(([name, argument]) => [name, toHost(argument)])
          )
          const once = emptied(Math.round(moment * graph.nodes.length), 0)(graph)
          const expected = yield* run(graph, {}, [inputs])
          assert.deepStrictEqual(yield* run(once, {}, [inputs]), expected)
          const twice = emptied(Math.round(moment * moment * once.nodes.length), 0)(once)
          assert.deepStrictEqual(yield* run(twice, {}, [inputs]), expected)
        }),
      { numRuns: 60 }
    ))

  it.effect("changes no bit with reductions first, nor with both as they are repeated", () =>
    Effect.gen(function*() {
      let waits = 0
      yield* property(fc.tuple(instances, fc.constantFrom(0, 8, 64)), ([instance, small]) =>
        Effect.gen(function*() {
          const summed = { ...instance, program: (given: Tensors) => withSums(instance.program(given)) }
          const graph = optimize(yield* record(summed))
          const inputs = Object.fromEntries(
            Object.entries(instance.inputs).map(([name, argument]) => [name, toHost(argument)])
          )
          const expected = yield* run(graph, {}, [inputs])
          const first = reductionsFirst(0, 1)(graph)
          waits += copiesIn(first)
          assert.deepStrictEqual(yield* run(first, {}, [inputs]), expected)
          assert.deepStrictEqual(
            yield* run(reductionsFirst(0, 1)(rematerialization(small)(graph)), {}, [inputs]),
            expected
          )
        }), { numRuns: 60 })
      assert.isAbove(waits, 0)
    }))

  it.effect("trains to the same bits with a fifth less in memory", () =>
    Effect.gen(function*() {
      const { input, program, state } = yield* tinyTrainingProgram
      const graph = optimize(yield* trace(program, "onnx"))
      const emptier = reductionsFirst(1024)(rematerialization(64)(graph))
      assert.isAbove(copiesIn(emptier), 0)
      assert.isBelow(fullestMoment(emptier).bytes, 0.8 * fullestMoment(graph).bytes)
      const inputs = [0, 1, 2].map(input)
      assert.deepStrictEqual(
        yield* run(emptier, state as NamedHost, inputs),
        yield* run(graph, state as NamedHost, inputs)
      )
    }))
})

it.effect("ends on a graph that keeps nothing at all", () =>
  Effect.gen(function*() {
    const one = stateless("one", { x: f32(64) }, ({ x }) => ({ y: tf.add(x, x) }))
    const graph = optimize(yield* trace(one, "onnx"))
    assert.strictEqual(fullestMoment(graph).bytes, 0)
    assert.strictEqual(economize(graph), graph)
  }))

it.effect("leaves a graph alone that keeps nothing it could compute again", () =>
  Effect.gen(function*() {
    const { program } = yield* tinyTrainingProgram
    const graph = optimize(yield* trace(program, "onnx"))
    assert.strictEqual(rematerialization(Infinity)(graph), graph)
  }))

it.effect("has squares summed before they are averaged", () =>
  Effect.gen(function*() {
    const program = {
      name: "squares",
      state: { average: f32(256) },
      input: { x: f32(256) },
      apply: ({ average }: Tensors, { x }: Tensors) => {
        const squares = tf.square(x!)
        return { state: { average: tf.add(average!, squares) }, output: { sum: tf.sum(squares) } }
      }
    }
    const graph = optimize(yield* trace(program, "onnx"))
    assert.deepStrictEqual(kindsOf(graph), ["unary", "binary", "reduce"])
    assert.deepStrictEqual(kindsOf(reductionsFirst(1024)(graph)), ["unary", "reduce", "after", "binary"])
    assert.strictEqual(reductionsFirst(1025)(graph), graph)
  }))
