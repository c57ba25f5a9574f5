/**
 * Computing again in place of keeping: less memory, and the same results.
 */
import { assert, it, layer } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import { stateless } from "@effusion/core/engine"
import { Distribution, draw, Key } from "@effusion/core/random"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import { flopsOf } from "../../../../packages/core/src/engine/graph/flops.ts"
import type { Graph } from "../../../../packages/core/src/engine/graph/Graph.ts"
import { fullestMoment } from "../../../../packages/core/src/engine/graph/liveness.ts"
import { economize, optimize } from "../../../../packages/core/src/engine/graph/optimize.ts"
import { reductionsFirst } from "../../../../packages/core/src/engine/graph/passes/reductionsFirst.ts"
import {
  emptied,
  rematerialization,
  spendings
} from "../../../../packages/core/src/engine/graph/passes/rematerialization.ts"
import { runningOrder } from "../../../../packages/core/src/engine/graph/passes/runningOrder.ts"
import { probeConvolutionBlock } from "../../../../packages/core/src/engine/onnx/internal/probe.ts"
import { lower, lowerSimplified } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { overwritable } from "../../../../packages/core/src/engine/onnx/lowering/overwritable.ts"
import type { Rematerialize } from "../../../../packages/core/src/engine/Rematerialize.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import type { Instance } from "../../../conformance/Case.ts"
import { property, toHost } from "../../../conformance/check.ts"
import { expressions } from "../../../conformance/expressions.ts"
import { bits, f32, type NamedHost } from "../../../conformance/tests.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"
import { runtimeLayer, TestRuntime } from "../onnx/models.ts"

type Tensors = { readonly [name: string]: Tensor }

const block = Effect.flatMap(TestRuntime, probeConvolutionBlock)

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

/** The gradient of twelve convolutions, of whose results the gradients of the activations between are made. */
const deep = stateless<Tensors, Tensors>("deep", { x: f32(4, 16, 16, 16), filter: f32(3, 3, 16, 16) }, (given) => {
  const { filter, x } = given as { readonly [name: string]: tf.Tensor4D }
  const layer = (image: tf.Tensor4D, filter: tf.Tensor): tf.Tensor4D =>
    tf.tanh(tf.mul(tf.conv2d(image, filter as tf.Tensor4D, 1, "same"), 0.1))
  const layers = Array.from({ length: 12 }, () => layer)
  const loss = (filter: tf.Tensor) => tf.sum(layers.reduce((image, layer) => layer(image, filter), x!)) as tf.Scalar
  return { gradient: tf.grad(loss)(filter!) }
})

const normal = (shape: ReadonlyArray<number>) =>
  float32(shape, draw(Key.make(0), { distribution: Distribution.normal, shape }).data)

layer(runtimeLayer({ threads: 1 }))("rematerialization", (it) => {
  const spending = fc.record({ price: fc.constantFrom(Infinity, 1e-2, 1e-6), segment: fc.constantFrom(2, 3, Infinity) })
  const instances = fc.oneof(...expressions.map((expression) => expression.instances))

  it.effect("changes no bit, at whatever moment of whatever expression as little as possible is kept", () =>
    property(
      fc.tuple(instances, fc.double({ min: 0, max: 1, noNaN: true }), spending),
      ([instance, moment, spending]) =>
        Effect.gen(function*() {
          const summed = { ...instance, program: (given: Tensors) => withSums(instance.program(given)) }
          const graph = optimize(yield* record(summed))
          const inputs = Object.fromEntries(
            Object.entries(instance.inputs).map(([name, argument]) => [name, toHost(argument)])
          )
          const once = emptied(Math.round(moment * graph.nodes.length), 0, spending)(graph)
          const expected = yield* run(graph, {}, [inputs])
          assert.deepStrictEqual(yield* run(once, {}, [inputs]), expected)
          const twice = emptied(Math.round(moment * moment * once.nodes.length), 0, spending)(once)
          assert.deepStrictEqual(yield* run(twice, {}, [inputs]), expected)
        }),
      { numRuns: 60 }
    ))

  it.effect("changes no bit with reductions first, nor with both as they are repeated", () =>
    Effect.gen(function*() {
      let waits = 0
      yield* property(
        fc.tuple(instances, fc.constantFrom(0, 8, 64), fc.array(spending, { maxLength: 2 })),
        ([instance, small, spendings]) =>
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
              yield* run(reductionsFirst(0, 1)(rematerialization(small, spendings)(runningOrder(graph))), {}, [inputs]),
              expected
            )
          }),
        { numRuns: 60 }
      )
      assert.isAbove(waits, 0)
    }))

  it.effect("trains to the same bits with a fifth less in memory", () =>
    Effect.gen(function*() {
      const { input, program, state } = yield* tinyTrainingProgram
      const graph = optimize(yield* trace(program, "onnx"))
      const inputs = [0, 1, 2].map(input)
      const expected = yield* run(graph, state as NamedHost, inputs)
      for (const given of [[], spendings]) {
        const emptier = reductionsFirst(1024)(rematerialization(64, given)(runningOrder(graph)))
        assert.isAbove(copiesIn(emptier), 0)
        assert.isBelow(fullestMoment(emptier).bytes, 0.8 * fullestMoment(graph).bytes)
        assert.deepStrictEqual(yield* run(emptier, state as NamedHost, inputs), expected)
      }
    }))

  it.effect("trains to the same bits as it is lowered, in the order that ONNX Runtime is told", () =>
    Effect.gen(function*() {
      const { input, program, state } = yield* tinyTrainingProgram
      const { compileModel } = yield* TestRuntime
      const graph = yield* trace(program, "onnx")
      const train = Effect.fnUntraced(function*(rematerialize: Rematerialize) {
        const model = lower(graph, { rematerialize, convolutionBlock: yield* block, stateBlock: 1000 })
        const executable = yield* compileModel({ program: graph.name, signature: graph.signature, model })
        const instance = yield* executable.start(state)
        const outputs = yield* Effect.forEach([0, 1, 2], (step) => instance.step(input(step)))
        return [...outputs, yield* instance.read].map((tensors) => bits(tensors as NamedHost))
      }, Effect.scoped)
      const expected = yield* train(false)
      for (const rematerialize of [true, "all"] as const) assert.deepStrictEqual(yield* train(rematerialize), expected)
    }))

  it.effect("keeps fewer convolutions than there are where these may be computed again, and no bit differs", () =>
    Effect.gen(function*() {
      const graph = optimize(yield* trace(deep, "onnx"))
      const cheap = economize(true)(graph)
      const all = economize("all")(graph)
      assert.strictEqual(flopsOf(cheap), flopsOf(graph))
      assert.isAbove(flopsOf(all), flopsOf(graph))
      // All of the forward half once more would be a third.
      assert.isAtMost(flopsOf(all), 4 / 3 * flopsOf(graph))
      assert.isBelow(fullestMoment(all).bytes, 0.75 * fullestMoment(cheap).bytes)
      const inputs = [{ x: normal([4, 16, 16, 16]), filter: normal([3, 3, 16, 16]) }]
      const expected = yield* run(graph, {}, inputs)
      assert.deepStrictEqual(yield* run(cheap, {}, inputs), expected)
      assert.deepStrictEqual(yield* run(all, {}, inputs), expected)
    }))
})

it.effect("ends on a graph that keeps nothing at all", () =>
  Effect.gen(function*() {
    const one = stateless("one", { x: f32(64) }, ({ x }) => ({ y: tf.add(x, x) }))
    const graph = optimize(yield* trace(one, "onnx"))
    assert.strictEqual(fullestMoment(graph).bytes, 0)
    for (const rematerialize of [true, "all"] as const) assert.strictEqual(economize(rematerialize)(graph), graph)
  }))

it.effect("leaves a graph alone that keeps nothing it could compute again", () =>
  Effect.gen(function*() {
    const { program } = yield* tinyTrainingProgram
    const graph = optimize(yield* trace(program, "onnx"))
    assert.strictEqual(rematerialization(Infinity)(graph), graph)
  }))

it.effect("has no copy wait for the next elements of a state, which wait for all that reads the present ones", () =>
  Effect.gen(function*() {
    const program = {
      name: "update",
      state: { w: f32(64, 64) },
      input: { x: f32(64, 64) },
      apply: ({ w }: Tensors, { x }: Tensors) => {
        const [filter, update] = [tf.sin(w!), tf.cos(x!)]
        return { state: { w: tf.add(w!, update) }, output: { y: tf.matMul(x as tf.Tensor2D, filter as tf.Tensor2D) } }
      }
    }
    const graph = optimize(yield* trace(program, "onnx"))
    assert.deepStrictEqual(kindsOf(graph), ["unary", "unary", "binary", "matMul"])
    const next = graph.results.find(({ role }) => role === "state")!.value
    const { nodes } = emptied(2, 0)(graph)
    assert.isFalse(nodes.some(({ inputs }) => inputs.includes(next)))
  }))

it.effect("has states written over, also where something is made of the next elements and of what is computed again", () =>
  Effect.gen(function*() {
    const program = {
      name: "reader",
      state: { w: f32(256, 256) },
      input: { x: f32(256, 256) },
      apply: ({ w }: Tensors, { x }: Tensors) => {
        const a = tf.neg(w!)
        const y = tf.matMul(x as tf.Tensor2D, a as tf.Tensor2D)
        const b = tf.matMul(y, x as tf.Tensor2D)
        const next = tf.add(w!, b)
        return { state: { w: next }, output: { y: tf.mul(b, y), z: tf.mul(next, a) } }
      }
    }
    const graph = yield* trace(program, "onnx")
    for (const rematerialize of [false, true, "all"] as const) {
      assert.deepStrictEqual([...overwritable(lower(graph, { rematerialize }))], ["w"], String(rematerialize))
    }
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
