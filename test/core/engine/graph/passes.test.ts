/**
 * Each pass keeps what a program computes: the graph before it and the graph after it, lowered as they are, give the
 * same elements. (That the whole gives the right ones is the engine conformance suite's business.)
 */
import { assert, layer } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import { stateless } from "@effusion/core/engine"
import { Optimizations } from "@effusion/core/engine/onnx"
import { Context, Effect, Layer } from "effect"
import * as fc from "fast-check"
import type { Graph } from "../../../../packages/core/src/engine/graph/Graph.ts"
import { passes } from "../../../../packages/core/src/engine/graph/optimize.ts"
import type { Pass } from "../../../../packages/core/src/engine/graph/rewrite.ts"
import { makeRuntime, type Runtime } from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { lower } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import type { Instance } from "../../../conformance/Case.ts"
import { property, toHost } from "../../../conformance/check.ts"
import { expressions } from "../../../conformance/expressions.ts"

class TestRuntime extends Context.Service<TestRuntime, Runtime>()("test/TestRuntime") {
  static readonly layer = Layer.effect(TestRuntime, makeRuntime({ threads: 1 }))
}

const record = ({ inputs, program }: Instance) => {
  const specs = Object.fromEntries(
    Object.entries(inputs).map(([name, { array, dtype }]) => [name, { shape: array.shape, dtype }])
  )
  return trace(
    stateless<{ readonly [name: string]: Tensor }, { readonly [name: string]: Tensor }>(
      "expression",
      specs,
      (tensors) => Object.fromEntries(program(tensors).map((tensor, i) => [`y${i}`, tensor]))
    ),
    "onnx"
  )
}

const run = Effect.fnUntraced(function*(graph: Graph, { inputs }: Instance) {
  const { compileModel } = yield* TestRuntime
  const optimizations = Optimizations.none
  const model = lower(graph, { optimizations })
  const executable = yield* compileModel({ program: graph.name, signature: graph.signature, model, optimizations })
  const running = yield* executable.start({})
  const given = Object.fromEntries(Object.entries(inputs).map(([name, argument]) => [name, toHost(argument)]))
  const output = yield* running.step(given)
  // A sum with 0 may lose the sign of a zero, and nothing else.
  return Object.entries(output).map(([name, { data, shape }]) => [name, shape, Array.from(data, (x) => x + 0)])
}, Effect.scoped)

const instances = fc.oneof(...expressions.map((expression) => expression.instances))
const examples = expressions.flatMap(({ examples = [] }) => examples.map((example): [Instance] => [example]))

layer(TestRuntime.layer)("passes", (it) => {
  const seen = new Set<string>()
  passes.forEach(([name, pass], place) => {
    const when = seen.has(name) ? "again, later" : "first"
    seen.add(name)
    it.effect(`${name} (${when}) changes no element`, () =>
      property(instances, (instance) =>
        Effect.gen(function*() {
          const recorded = yield* record(instance)
          const before = passes.slice(0, place).reduce(
            (graph, [, earlier]: readonly [string, Pass]) => earlier(graph),
            recorded
          )
          const after = pass(before)
          assert.deepStrictEqual(yield* run(after, instance), yield* run(before, instance))
        }), { numRuns: 40 + examples.length, examples }))
  })

  it.effect("change something: they leave fewer nodes", () =>
    Effect.gen(function*() {
      let before = 0
      let after = 0
      for (const instance of fc.sample(instances, { numRuns: 30, seed: 1 })) {
        const recorded = yield* record(instance)
        before += recorded.nodes.length
        after += passes.reduce((graph, [, pass]) => pass(graph), recorded).nodes.length
      }
      assert.isBelow(after, 0.8 * before)
    }))
})
