/**
 * The gradient of the input of a convolution with strides agrees, by phases on blocked channels, with the transposed
 * convolution. (That this gives the right numbers is the engine conformance suite's business; here are more windows.)
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

/** Along one axis. */
interface Axis {
  readonly length: number
  readonly size: number
  readonly stride: number
  readonly before: number
  readonly after: number
  readonly dilation: number
}

interface Sizes {
  readonly batch: number
  readonly axes: readonly [Axis, Axis]
  readonly inputs: number
  readonly outputs: number
}

const outputOf = ({ after, before, dilation, length, size, stride }: Axis): number =>
  Math.floor((length + before + after - dilation * (size - 1) - 1) / stride) + 1

const value = (...shape: Shape): Value => ({ shape, dtype: "float32" })

/** The gradient by itself, as a program. */
const gradient = ({ axes: [down, across], batch, inputs, outputs }: Sizes): Graph => {
  const window: Window = {
    strides: [down.stride, across.stride],
    dilations: [down.dilation, across.dilation],
    padding: [down.before, down.after, across.before, across.after]
  }
  const dy = value(batch, outputOf(down), outputOf(across), outputs)
  const filter = value(down.size, across.size, inputs, outputs)
  const dx = value(batch, down.length, across.length, inputs)
  const spec = ({ shape }: Value) => ({ shape, dtype: "float32" }) as const
  return {
    name: "input gradient",
    signature: { state: {}, input: { dy: spec(dy), filter: spec(filter) }, output: { dx: spec(dx) } },
    arguments: [{ role: "input", name: "dy", value: dy }, { role: "input", name: "filter", value: filter }],
    nodes: [{ operation: { kind: "convolutionInputGradient", window }, inputs: [dy, filter], outputs: [dx] }],
    results: [{ role: "output", name: "dx", value: dx }]
  }
}

const run = Effect.fnUntraced(function*(graph: Graph, convolutionBlock: number | undefined, seed: number) {
  const { runtime } = yield* Blocks
  const model = lower(graph, { convolutionBlock })
  const executable = yield* runtime.compileModel({ program: graph.name, signature: graph.signature, model })
  const instance = yield* executable.start({})
  const { dy, filter } = graph.signature.input
  const { dx } = (yield* instance.step({ dy: uniform(dy!, seed, 0), filter: uniform(filter!, seed, 1) })) as {
    readonly dx: HostTensor
  }
  return Float64Array.from(dx.data)
}, Effect.scoped)

const axis: fc.Arbitrary<Axis> = fc.record({
  length: fc.constantFrom(2, 3, 4, 6, 8, 9, 14),
  size: fc.constantFrom(1, 2, 3, 3, 3, 4, 5),
  stride: fc.constantFrom(1, 2, 2, 2, 3),
  before: fc.nat(2),
  after: fc.nat(2),
  dilation: fc.constantFrom(1, 1, 1, 1, 2)
}).filter((axis) => outputOf(axis) >= 1)

const sizes: fc.Arbitrary<Sizes> = fc.record({
  batch: fc.constantFrom(1, 3),
  axes: fc.tuple(axis, axis),
  inputs: fc.constantFrom(16, 32, 48, 20),
  outputs: fc.constantFrom(16, 32, 48, 24)
})

const halved: Axis = { length: 14, size: 3, stride: 2, before: 1, after: 1, dilation: 1 }
const along = (changes: Partial<Axis> = {}): Axis => ({ ...halved, ...changes })
const of = (down: Axis, across = down, inputs = 32, outputs = 16): Sizes => ({
  batch: 2,
  axes: [down, across],
  inputs,
  outputs
})

/** What has phases: padding on one side, both or neither; other strides and filters; an axis without a stride. */
const phased = [
  of(along()),
  of(along({ before: 0 })),
  of(along({ after: 0, length: 4 })),
  of(along({ size: 4 })),
  of(along({ size: 2, before: 0, after: 0 })),
  of(along({ size: 5, before: 2, after: 2 })),
  of(along({ stride: 3, length: 9, size: 5 })),
  of(along(), along({ stride: 1 })),
  of(along({ stride: 3, length: 6, before: 0, after: 0 }), along({ size: 4 }), 16, 48)
]

/**
 * What has none: an odd input, strides longer than the filter, dilation, padding that is as far as a phase reaches, other
 * channels.
 */
const others = [
  of(along({ length: 9 })),
  of(along({ size: 1, before: 0, after: 0 })),
  of(along({ dilation: 2 })),
  of(along({ size: 2, before: 0, after: 0, stride: 3, length: 9 })),
  of(along({ before: 3 })),
  of(along({ stride: 3, length: 9 })),
  of(along(), along(), 20),
  of(along(), along(), 32, 24)
]

layer(Blocks.layer)("the gradient of the input of a convolution with strides", (it) => {
  it.effect("is the same by phases as by a transposed convolution", () =>
    Effect.gen(function*() {
      const { block } = yield* Blocks
      const known = [...phased, ...others].map((sizes): [[Sizes, number]] => [[sizes, 1]])
      yield* property(fc.tuple(sizes, seeds), ([drawn, seed]) =>
        Effect.gen(function*() {
          const graph = gradient(drawn)
          const expected = yield* run(graph, undefined, seed)
          const actual = yield* run(graph, block, seed)
          // Each is a sum of at most so many products, of variance 1/9 each.
          const typical = Math.sqrt(drawn.outputs * drawn.axes[0].size * drawn.axes[1].size) / 3
          const furthest = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0)
          assert.isAtMost(furthest, 1e-5 * typical)
        }), { numRuns: 40 + known.length, examples: known })
    }))

  it.effect("has no transposed convolution where it has phases, and one where it has none", () =>
    Effect.sync(() => {
      const transposed = (sizes: Sizes) =>
        lower(gradient(sizes), { convolutionBlock: 16 }).nodes.some(({ op }) => op === "ConvTranspose")
      for (const sizes of phased) assert.isFalse(transposed(sizes), JSON.stringify(sizes))
      for (const sizes of others) assert.isTrue(transposed(sizes), JSON.stringify(sizes))
    }))
})
