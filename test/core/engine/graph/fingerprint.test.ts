/** What a fingerprint tells apart, and what it does not look at. */
import { assert, describe, it } from "@effect/vitest"
import { type Program, stateless, type Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import { fingerprint } from "../../../../packages/core/src/engine/graph/fingerprint.ts"
import type { Binding, Graph, Node, Value } from "../../../../packages/core/src/engine/graph/Graph.ts"
import { trace, type TraceOptions } from "../../../../packages/core/src/engine/trace/trace.ts"
import type { Instance } from "../../../conformance/Case.ts"
import { property } from "../../../conformance/check.ts"
import { expressions } from "../../../conformance/expressions.ts"

const whole = (graph: Graph): string => {
  const { elements, structure } = fingerprint(graph)
  return `${structure()} ${elements()}`
}

type Named = { readonly [name: string]: Tensor }

const record = ({ inputs, program }: Instance, name = "expression", options?: TraceOptions) => {
  const specs = Object.fromEntries(
    Object.entries(inputs).map(([name, { array, dtype }]) => [name, { shape: array.shape, dtype }])
  )
  const outputs = (tensors: Named) => Object.fromEntries(program(tensors).map((tensor, i) => [`y${i}`, tensor]))
  return trace(stateless<Named, Named>(name, specs, outputs), "onnx", options)
}

const instances = fc.oneof(...expressions.map((expression) => expression.instances))

/** The same, in other objects. */
const again = <A>(value: A): A => structuredClone(value)

describe("the fingerprint of a graph", () => {
  it.effect("is that of the same program traced again, whatever it is called and whether origins are known", () =>
    property(instances, (instance) =>
      Effect.gen(function*() {
        const graph = yield* record(instance)
        assert.strictEqual(whole(yield* record(instance)), whole(graph))
        assert.strictEqual(whole(yield* record(instance, "another name", { origins: true })), whole(graph))
        assert.strictEqual(whole(again(graph)), whole(graph))
      }), { numRuns: 50 }))

  it.effect("is another one after any single change", () =>
    property(instances, (instance) =>
      Effect.gen(function*() {
        const graph = yield* record(instance)
        const own = whole(graph)
        for (const [what, changed] of changesOf(graph)) assert.notStrictEqual(whole(changed), own, what)
      }), { numRuns: 50 }))

  it.effect("is another one after any single change of a program with a state, windows and names", () =>
    Effect.gen(function*() {
      const image = { shape: [1, 4, 4, 1], dtype: "float32" } as const
      const program: Program<{ a: Tensor; b: Tensor }, { x: Tensor }, { y: Tensor; z: Tensor }> = {
        name: "convolution",
        state: { a: image, b: image },
        input: { x: image },
        apply: ({ a, b }, { x }) => {
          const filter = tf.tensor4d([1, -2, 0, 4], [2, 2, 1, 1])
          const y = tf.conv2d(tf.add(a, x) as tf.Tensor4D, filter, 1, "same")
          const padded = tf.pad(y, [[0, 0], [1, 0], [0, 0], [0, 0]], -Infinity)
          return { state: { a: b, b: tf.mul(a, tf.scalar(0)) }, output: { y, z: tf.max(padded) } }
        }
      }
      const graph = yield* trace(program, "onnx")
      const changes = changesOf(graph)
      assert.isAbove(changes.length, 150)
      for (const [what, changed] of changes) assert.notStrictEqual(whole(changed), whole(graph), what)
    }))

  it("keeps numbers apart that are the same in JSON", () => {
    const numbers = [0, -0, NaN, Infinity, -Infinity, 1e-45, 1]
    const fill = (value: number): Graph => {
      const made: Value = { shape: [], dtype: "float32" }
      return {
        name: "fill",
        signature: { state: {}, input: {}, output: { y: { shape: [], dtype: "float32" } } },
        arguments: [],
        nodes: [{ operation: { kind: "fill", value }, inputs: [], outputs: [made] }],
        results: [{ role: "output", name: "y", value: made }]
      }
    }
    assert.strictEqual(new Set(numbers.map((number) => whole(fill(number)))).size, numbers.length)
  })

  it.effect("is of the elements as they were when they were asked for first", () =>
    Effect.gen(function*() {
      const data = Float32Array.of(1, 2, 3)
      const graph = yield* trace(stateless("constant", {}, () => ({ y: tf.neg(tf.tensor1d(data)) })), "onnx")
      const { elements } = fingerprint(graph)
      const before = elements()
      data[0] = 4
      assert.strictEqual(elements(), before)
      assert.notStrictEqual(fingerprint(graph).elements(), before)
    }))
})

/** A change, in words, and what it makes of what was changed. */
type Changes<A> = ReadonlyArray<readonly [what: string, changed: A]>

/** Every change of one thing in plain data: a number, a flag, a name, a bit, an entry more or less. */
const changesIn = <A>(part: A): Changes<A> => {
  const all = (): Changes<unknown> => {
    if (typeof part === "number") {
      const others = [-part, part + 1, Infinity, NaN].filter((other) => !Object.is(other, part))
      return others.map((other) => [`${part} to ${other}`, other])
    }
    if (typeof part === "string") return [[`"${part}" to another`, `${part}'`]]
    if (typeof part === "boolean") return [[`${part} to ${!part}`, !part]]
    if (ArrayBuffer.isView(part)) return bitsOf(part as unknown as Float32Array)
    if (Array.isArray(part)) {
      return [
        ...part.flatMap((entry, i) =>
          changesIn(entry).map(([what, changed]) => [`[${i}]: ${what}`, part.with(i, changed)] as const)
        ),
        ...(part.length === 0 ? [] : [
          ["an entry less", part.slice(1)] as const,
          [
            "an entry twice",
            [...part, part[0]]
          ] as const
        ])
      ]
    }
    if (typeof part !== "object" || part === null) return []
    const entries = Object.entries(part)
    return entries.flatMap(([key, value], i) => [
      ...changesIn(value).map(([what, changed]) => [`${key}: ${what}`, { ...part, [key]: changed }] as const),
      [`${key} to another name`, Object.fromEntries(entries.with(i, [`${key}'`, value]))] as const
    ])
  }
  return all() as Changes<A>
}

/** Constants with one bit of their first or their last byte flipped. */
const bitsOf = (data: Float32Array | Int32Array | Uint8Array): Changes<typeof data> =>
  data.length === 0
    ? []
    : [0, data.byteLength - 1].map((place) => {
      const changed = data.slice()
      const bytes = new Uint8Array(changed.buffer)
      bytes[place]! ^= 1
      return [`a bit of byte ${place}`, changed]
    })

/** Every change of one thing in a graph. */
const changesOf = (graph: Graph): Changes<Graph> => {
  const values = [...graph.arguments.map(({ value }) => value), ...graph.nodes.flatMap(({ outputs }) => outputs)]
  const withNode = (i: number, node: Node): Graph => ({ ...graph, nodes: graph.nodes.with(i, node) })
  const bindings = (key: "arguments" | "results"): Changes<Graph> =>
    graph[key].flatMap(({ value, ...described }, i) =>
      [...changesIn(described), ["kept in a block", { ...described, offset: 0 }] as const].map(([what, other]) =>
        [`${key}[${i}] ${what}`, { ...graph, [key]: graph[key].with(i, { ...other, value }) }] as const
      )
    )
  return [
    ...changesIn(graph.signature).map(([what, signature]) => [`signature ${what}`, { ...graph, signature }] as const),
    ...bindings("arguments"),
    ...bindings("results"),
    ...graph.nodes.flatMap((node, i) => [
      // A constant without data is none.
      ...changesIn(node.operation).filter(([, changed]) => changed.kind !== "constant" || "data" in changed).map((
        [what, operation]
      ) => [`node ${i} ${what}`, withNode(i, { ...node, operation })] as const),
      ...node.inputs.flatMap((input, j) =>
        values.filter((value) => value !== input).map((value, k) =>
          [`node ${i} with ${k} for input ${j}`, withNode(i, { ...node, inputs: node.inputs.with(j, value) })] as const
        )
      ),
      [`without node ${i}`, { ...graph, nodes: graph.nodes.toSpliced(i, 1) }] as const
    ]),
    ...graph.results.flatMap((result, i) =>
      values.filter((value) => value !== result.value).map((value, k) =>
        [`value ${k} as result ${i}`, { ...graph, results: graph.results.with(i, { ...result, value }) }] as const
      )
    ),
    ...(graph.results.length < 2
      ? []
      : [["results in another order", { ...graph, results: graph.results.toReversed() }] as const]),
    ...values.flatMap((value, i) =>
      changesIn(value).map(([what, other]) => [`value ${i} ${what}`, withValue(graph, value, other)] as const)
    )
  ]
}

/** A graph with another value in the place of one. */
const withValue = (graph: Graph, value: Value, other: Value): Graph => {
  const swap = (one: Value): Value => one === value ? other : one
  const bound = (binding: Binding): Binding => ({ ...binding, value: swap(binding.value) })
  return {
    ...graph,
    arguments: graph.arguments.map(bound),
    nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(swap), outputs: node.outputs.map(swap) })),
    results: graph.results.map(bound)
  }
}
