/**
 * The gradient of a filter with blocked convolutions agrees with that without them. (That they give the right numbers is
 * the engine conformance suite's business; here are the sizes that it is too slow for.)
 */
import { assert, layer } from "@effect/vitest"
import type { HostTensor, Shape } from "@effusion/core/tensor"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { Graph, Value } from "../../../../packages/core/src/engine/graph/Graph.ts"
import type { Window } from "../../../../packages/core/src/engine/graph/Operation.ts"
import { lower } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { seeds } from "../../../conformance/arbitraries.ts"
import { property } from "../../../conformance/check.ts"
import { Blocks, uniform } from "./convolutionBlocks.ts"

interface Sizes {
  readonly batch: number
  /** Rows and columns of the output. */
  readonly output: readonly [number, number]
  readonly inputs: number
  readonly outputs: number
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly padding: readonly [number, number, number, number]
  /** Rows and columns after the last that a window reaches. */
  readonly unreached: readonly [number, number]
}

const value = (...shape: Shape): Value => ({ shape, dtype: "float32" })

/** The gradient by itself, as a program. */
const gradient = (sizes: Sizes): Graph => {
  const { batch, inputs, kernel, output, outputs, padding: [top, bottom, left, right], strides, unreached } = sizes
  const window: Window = { strides, dilations: [1, 1], padding: sizes.padding }
  const height = strides[0] * (output[0] - 1) + kernel[0] - top - bottom + unreached[0]
  const width = strides[1] * (output[1] - 1) + kernel[1] - left - right + unreached[1]
  const [x, dy] = [value(batch, height, width, inputs), value(batch, ...output, outputs)]
  const filter = value(...kernel, inputs, outputs)
  const spec = ({ shape }: Value) => ({ shape, dtype: "float32" }) as const
  return {
    name: "filter gradient",
    signature: { state: {}, input: { x: spec(x), dy: spec(dy) }, output: { filter: spec(filter) } },
    arguments: [{ role: "input", name: "x", value: x }, { role: "input", name: "dy", value: dy }],
    nodes: [{ operation: { kind: "convolutionFilterGradient", window }, inputs: [x, dy], outputs: [filter] }],
    results: [{ role: "output", name: "filter", value: filter }]
  }
}

const run = Effect.fnUntraced(function*(graph: Graph, convolutionBlock: number | undefined, seed: number) {
  const { runtime } = yield* Blocks
  const model = lower(graph, { convolutionBlock })
  const executable = yield* runtime.compileModel({ program: graph.name, signature: graph.signature, model })
  const instance = yield* executable.start({})
  const { dy, x } = graph.signature.input
  const input = { x: uniform(x!, seed, 0), dy: uniform(dy!, seed, 1) }
  const { filter } = (yield* instance.step(input)) as { readonly filter: HostTensor }
  const again = (yield* instance.step(input)) as { readonly filter: HostTensor }
  assert.deepStrictEqual(again.filter, filter)
  return Float64Array.from(filter.data)
}, Effect.scoped)

const sizes: fc.Arbitrary<Sizes> = fc.record({
  batch: fc.constantFrom(16, 16, 32, 8),
  output: fc.tuple(fc.constantFrom(1, 3, 7, 14, 20), fc.constantFrom(2, 7, 32)),
  inputs: fc.constantFrom(16, 20, 48, 64),
  outputs: fc.constantFrom(16, 32, 36, 64, 80),
  kernel: fc.constantFrom<readonly [number, number]>([3, 3], [3, 3], [1, 3], [2, 2], [5, 3], [1, 1]),
  strides: fc.constantFrom<readonly [number, number]>([1, 1], [1, 1], [2, 2], [1, 2], [3, 1]),
  padding: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
  unreached: fc.constantFrom<readonly [number, number]>([0, 0], [0, 0], [1, 1])
}).filter(({ kernel, output, padding: [top, bottom, left, right], strides, unreached }) =>
  // An input of at least a row and a column.
  strides[0] * (output[0] - 1) + kernel[0] - top - bottom + unreached[0] > 0 &&
  strides[1] * (output[1] - 1) + kernel[1] - left - right + unreached[1] > 0
)

layer(Blocks.layer)("the gradient of a filter", (it) => {
  it.effect("is the same with blocked convolutions as without, and the same at every run", () =>
    Effect.gen(function*() {
      const { block } = yield* Blocks
      yield* property(fc.tuple(sizes, seeds), ([drawn, seed]) =>
        Effect.gen(function*() {
          const graph = gradient(drawn)
          const expected = yield* run(graph, undefined, seed)
          const actual = yield* run(graph, block, seed)
          // Each is a sum of so many products, of variance 1/9 each.
          const typical = Math.sqrt(drawn.batch * drawn.output[0] * drawn.output[1]) / 3
          const furthest = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0)
          assert.isAtMost(furthest, 1e-5 * typical, JSON.stringify(drawn))
        }), { numRuns: 25 })
    }))
})
