/**
 * Convolutions by Winograd's algorithm are the same convolutions. (The engine conformance suite has none that is large enough to
 * be computed so.)
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { constants, stateless } from "@effusion/core/engine"
import type { OnnxModel } from "@effusion/core/engine/onnx"
import { float32, type Shape, sizeOf } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { Graph, Value } from "../../../../packages/core/src/engine/graph/Graph.ts"
import type { Window } from "../../../../packages/core/src/engine/graph/Operation.ts"
import { encodeApart } from "../../../../packages/core/src/engine/onnx/encode.ts"
import { lower } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { ModelBuilder } from "../../../../packages/core/src/engine/onnx/lowering/ModelBuilder.ts"
import { filterSums, isFasterByWinograd } from "../../../../packages/core/src/engine/onnx/lowering/winograd.ts"
import { without } from "../../../../packages/core/src/engine/onnx/Optimizations.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import { hash, seeds } from "../../../conformance/arbitraries.ts"
import { property } from "../../../conformance/check.ts"
import { Blocks } from "./convolutionBlocks.ts"
import { compilation, evaluate, f32 } from "./models.ts"
import { readModel } from "./wire.ts"

interface Sizes {
  readonly batch: number
  readonly image: readonly [height: number, width: number]
  readonly inputs: number
  readonly outputs: number
}

const same: Window = { strides: [1, 1], dilations: [1, 1], padding: [1, 1, 1, 1] }

/** A convolution of x with a bias, and the gradient of its input where that of its output is dy. */
const convolution = ({ batch, image, inputs, outputs }: Sizes): Graph => {
  const value = (...shape: Shape): Value => ({ shape, dtype: "float32" })
  const values = {
    x: value(batch, ...image, inputs),
    dy: value(batch, ...image, outputs),
    filter: value(3, 3, inputs, outputs),
    bias: value(outputs),
    y: value(batch, ...image, outputs),
    dx: value(batch, ...image, inputs)
  }
  const { bias, dx, dy, filter, x, y } = values
  const named = (role: "input" | "output", names: ReadonlyArray<keyof typeof values>) =>
    names.map((name) => ({ role, name, value: values[name] }))
  const specs = (names: ReadonlyArray<keyof typeof values>) =>
    Object.fromEntries(names.map((name) => [name, { shape: values[name].shape, dtype: "float32" } as const]))
  return {
    name: "convolution",
    signature: { state: {}, input: specs(["x", "dy", "filter", "bias"]), output: specs(["y", "dx"]) },
    arguments: named("input", ["x", "dy", "filter", "bias"]),
    nodes: [
      { operation: { kind: "convolution", window: same }, inputs: [x, filter, bias], outputs: [y] },
      { operation: { kind: "convolutionInputGradient", window: same }, inputs: [dy, filter], outputs: [dx] }
    ],
    results: named("output", ["y", "dx"])
  }
}

const lowered = (graph: Graph, convolutionBlock: number | undefined, byWinograd: boolean) =>
  lower(graph, { convolutionBlock, optimizations: without(byWinograd ? [] : ["winogradConvolutions"]) })

/** Both results on numbers that `element` makes, by Winograd's algorithm and without. */
const bothWays = Effect.fnUntraced(function*(sizes: Sizes, element: (name: string, i: number) => number) {
  const { block, runtime } = yield* Blocks
  const graph = convolution(sizes)
  const { signature } = graph
  const input = Object.fromEntries(
    Object.entries(signature.input).map(([name, { shape }]) =>
      [name, float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => element(name, i)))] as const
    )
  )
  const run = Effect.fnUntraced(function*(byWinograd: boolean) {
    const model = lowered(graph, block, byWinograd)
    const executable = yield* runtime.compileModel({ program: graph.name, signature, model })
    const { dx, y } = yield* (yield* executable.start({})).step(input)
    return { y: Float64Array.from(y!.data), dx: Float64Array.from(dx!.data) }
  }, Effect.scoped)
  return [yield* run(true), yield* run(false)] as const
})

/** Sizes from which it pays, and a little below. */
const sizes: fc.Arbitrary<Sizes> = fc.record({
  batch: fc.constantFrom(2, 4, 5, 8),
  image: fc.constantFrom<Sizes["image"]>([16, 16], [16, 18], [22, 12], [32, 8], [8, 34]),
  inputs: fc.constantFrom(64, 96, 128, 144),
  outputs: fc.constantFrom(96, 112, 128)
})

const cases = fc.record({ drawn: sizes, seed: seeds })

const largest: Sizes = { batch: 4, image: [16, 16], inputs: 128, outputs: 112 }

const wide: Sizes = { batch: 4, image: [8, 34], inputs: 112, outputs: 128 }

layer(Blocks.layer)("a convolution by Winograd's algorithm", (it) => {
  it.effect("is exact on numbers whose sums are, at every edge and corner", () =>
    property(cases, ({ drawn, seed }) =>
      Effect.gen(function*() {
        // Multiples of 4 in a filter, of which it takes quarters; sums stay below 2^24.
        const element = (name: string, i: number) =>
          Math.floor(9 * hash(seed + name.length, i) - 4) * (name === "filter" ? 4 : 1)
        const [actual, expected] = yield* bothWays(drawn, element)
        assert.deepStrictEqual(actual, expected)
      }), { numRuns: 6, examples: [[{ drawn: largest, seed: 1 }], [{ drawn: wide, seed: 2 }]] }))

  it.effect("loses no more than rounding does", () =>
    property(cases, ({ drawn, seed }) =>
      Effect.gen(function*() {
        const [actual, expected] = yield* bothWays(drawn, (name, i) => 2 * hash(seed + name.length, i) - 1)
        for (const [name, terms] of [["y", 9 * drawn.inputs], ["dx", 9 * drawn.outputs]] as const) {
          // Each is a sum of so many products, of variance 1/9 each.
          const typical = Math.sqrt(terms) / 3
          const furthest = actual[name].reduce(
            (most, value, i) => Math.max(most, Math.abs(value - expected[name][i]!)),
            0
          )
          assert.isAtMost(furthest, 1e-5 * typical, `${name} of ${JSON.stringify(drawn)}`)
        }
      }), { numRuns: 6, examples: [[{ drawn: largest, seed: 1 }], [{ drawn: wide, seed: 2 }]] }))
})

/** Numbers of many magnitudes, zeros of both signs among them. */
const spread = (seed: number) => (_: unknown, i: number): number => {
  const kind = hash(seed, 3 * i)
  const sign = hash(seed, 3 * i + 1) < .5 ? -1 : 1
  return sign * (kind < .1 ? 0 : (1 + hash(seed, 3 * i + 2)) * 2 ** Math.floor(40 * kind - 20))
}

layer(Blocks.layer)("the sums of a filter that is a constant", (it) => {
  const channels = fc.integer({ min: 1, max: 4 })
  const filters = fc.record({ inputs: channels, outputs: channels, seed: seeds, turned: fc.boolean() })

  it.effect("are those that the runtime makes, bit for bit, where it would have them", () =>
    property(filters, ({ seed, turned, ...blocks }) =>
      Effect.gen(function*() {
        const { block, runtime } = yield* Blocks
        if (block === undefined) return
        const [inputs, outputs] = [block * blocks.inputs, block * blocks.outputs] as const
        const filter = float32(
          [3, 3, inputs, outputs],
          Float32Array.from({ length: 9 * inputs * outputs }, spread(seed))
        )

        const computing = new ModelBuilder({ convolutionBlock: block })
        const computed = filterSums(computing, "input.filter", [inputs, outputs], { turned })
        for (const [i, sum] of computed.entries()) {
          computing.append({
            name: `${i}`,
            domain: "",
            op: "Identity",
            inputs: [sum],
            outputs: [`output.${i}`],
            attributes: {}
          })
        }
        const shape = turned ? [inputs, outputs, 1, 1] : [outputs, inputs, 1, 1]
        const expected = yield* evaluate(
          runtime,
          compilation({
            input: { filter: f32(...filter.shape) },
            output: Object.fromEntries(computed.map((_, i) => [i, f32(...shape)])),
            initializers: [...computing.initializers.values()],
            nodes: computing.nodes
          }),
          { filter }
        )

        const writing = new ModelBuilder({ convolutionBlock: block })
        const constant = writing.constant(filter.data, filter.shape, "float32")
        const names = filterSums(writing, constant, [inputs, outputs], { turned })
        assert.isEmpty(writing.nodes)
        const initializers = names.map((name) => writing.initializers.get(name)!)
        const { model, weights } = encodeApart({ name: "m", inputs: [], outputs: [], nodes: [], initializers })
        const written = readModel(model, weights).model.initializers
        assert.strictEqual(written.length, 16)
        for (const [i, sum] of written.entries()) {
          assert.deepStrictEqual(sum.shape, shape)
          assert.deepStrictEqual(sum.data, Array.from(expected[i]!.data))
        }
      }), { numRuns: 20 }))
})

describe("Winograd's algorithm", () => {
  const operators = (graph: Graph, byWinograd: boolean) =>
    lowered(graph, 16, byWinograd).nodes.filter(({ op }) => op === "Conv").length

  it("is what large convolutions, and the gradients of their inputs, are lowered to", () => {
    // 16 sums of the image and 16 products, in both.
    assert.strictEqual(operators(convolution(largest), true), 64)
    assert.strictEqual(operators(convolution(largest), false), 2)
    assert.strictEqual(operators(convolution({ ...largest, inputs: 64, outputs: 64 }), true), 2)
  })

  const count = ({ nodes }: OnnxModel, op: string) => nodes.filter((node) => node.op === op).length

  it.effect("sums a filter once, however often it convolves", () =>
    Effect.gen(function*() {
      const images = { shape: [4, 16, 16, 128], dtype: "float32" } as const
      const twice = (x: tf.Tensor, filter: tf.Tensor) =>
        [1, 2].reduce((x) => tf.conv2d(x, filter as tf.Tensor4D, 1, "same"), x as tf.Tensor4D)
      const state = stateless(
        "a filter that is not constant",
        { x: images, filter: { shape: [3, 3, 128, 128], dtype: "float32" } },
        ({ filter, x }) => ({ y: twice(x, filter) })
      )
      const ofState = lower(yield* trace(state, "onnx"), { convolutionBlock: 16 })
      assert.deepStrictEqual(["Conv", "MatMul", "Split"].map((op) => count(ofState, op)), [64, 1, 1])

      const filter = float32([3, 3, 128, 128], Float32Array.from({ length: 9 * 128 * 128 }, spread(1)))
      const constant = stateless(
        "a filter that is constant",
        { x: images },
        ({ x }) => ({ y: twice(x, constants({ filter })["filter"]!) })
      )
      const ofConstant = lower(yield* trace(constant, "onnx"), { convolutionBlock: 16 })
      assert.deepStrictEqual(["Conv", "MatMul", "Split"].map((op) => count(ofConstant, op)), [64, 0, 0])
      const weights = ofConstant.initializers.filter(({ shape }) => sizeOf(shape) >= 128 * 128)
      assert.deepStrictEqual(weights.map(({ shape }) => shape), Array.from({ length: 16 }, () => [128, 128, 1, 1]))
    }))

  it("is for 3x3 filters that keep the size of images with an even height and width", () => {
    const [height, width] = largest.image
    const convolution = {
      image: [largest.batch, largest.inputs, height, width],
      filter: [3, 3, largest.inputs, largest.outputs],
      window: same
    } as const
    assert.isTrue(isFasterByWinograd(convolution))
    for (
      const other of [
        { image: [4, 128, 17, 16] },
        { image: [4, 128, 16, 17] },
        { filter: [1, 3, 128, 112] },
        { filter: [3, 1, 128, 112] },
        { window: { ...same, strides: [2, 2] } },
        { window: { ...same, dilations: [1, 2] } },
        { window: { ...same, padding: [0, 0, 1, 1] } },
        { window: { ...same, padding: [1, 1, 1, 0] } }
      ] as const
    ) {
      assert.isFalse(isFasterByWinograd({ ...convolution, ...other }), JSON.stringify(other))
    }
  })
})
