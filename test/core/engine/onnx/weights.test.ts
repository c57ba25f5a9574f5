/** What becomes of the weights of a program that samples, which are its constants. */
import { assert, describe, it, layer } from "@effect/vitest"
import { constants, Engine, stateless } from "@effusion/core/engine"
import { encode, OnnxEngine, Optimizations } from "@effusion/core/engine/onnx"
import type { DenoiserShape } from "@effusion/core/pipeline"
import { float32, sizeOf } from "@effusion/core/tensor"
import { UNet } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect, Record } from "effect"
import { makeMachine } from "../../../../packages/core/src/engine/onnx/internal/machine.ts"
import { probeConvolutionBlock } from "../../../../packages/core/src/engine/onnx/internal/probe.ts"
import { makeRuntime } from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { lower } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import { guidedDenoiser } from "../../../../packages/core/src/sampling/internal/guided.ts"
import { denoisingProgram } from "../../../../packages/core/src/sampling/internal/program.ts"
import { bits, type NamedHost } from "../../../conformance/tests.ts"
import { uncollected } from "../../../support/collect.ts"
import { tinyUNet } from "../../../support/tinyTraining.ts"
import { uniform } from "./convolutionBlocks.ts"

const sines = (shape: ReadonlyArray<number>) =>
  float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i) / 4))

const unet = (config: Partial<UNet.Config>) => UNet.make(UNet.Config.make({ ...tinyUNet, ...config }))

const weightsOf = (network: DenoiserShape) => Record.map(network.parameters, ({ shape }) => sines(shape))

/** Channels from which convolutions of images of 16 by 16 pixels are by Winograd's algorithm. */
const wide = { sample_size: 16, block_out_channels: [128, 128] } as const

/** Steps of networks: with filters in blocks of 8 and 16 channels, of 1 by 1, and that have no blocks; and of 3 by 3 that are summed. */
const steps = [
  [unet({ block_out_channels: [16, 32] }), 2],
  [unet({ ...wide, down_block_types: ["DownBlock2D", "DownBlock2D"], up_block_types: ["UpBlock2D", "UpBlock2D"] }), 4]
] as const

describe("weights that are moved ahead", () => {
  it.effect("are the bits that the runtime would have moved", () =>
    Effect.gen(function*() {
      const runtime = yield* makeRuntime({ threads: 1 })
      const probed = yield* probeConvolutionBlock(runtime)
      for (const [network, batch] of steps) {
        const program = denoisingProgram(network, weightsOf(network), { batch, memory: [] })
        const { coefficients, noise, t } = program.input
        const input = Record.map({ coefficients, noise, t }, ({ shape }) => sines(shape))
        const stepped = Effect.fnUntraced(function*(off: ReadonlyArray<Optimizations.Name>, convolutionBlock?: number) {
          const optimizations = Optimizations.without(off)
          const graph = yield* trace(program, "onnx")
          const { signature } = graph
          const model = lower(graph, { optimizations, convolutionBlock })
          const executable = yield* runtime.compileModel({ program: "denoising", signature, model, optimizations })
          const instance = yield* executable.start({ x: sines(program.state["x"]!.shape) })
          yield* instance.step(input)
          return { model, state: bits((yield* instance.read) as NamedHost) }
        }, Effect.scoped)
        for (const off of [[], ["groupedTransposes", "axisOrders"]] as const) {
          for (const block of [undefined, probed]) {
            const expected = yield* stepped([...off, "constantMoves"], block)
            const actual = yield* stepped(off, block)
            assert.deepStrictEqual(actual.state, expected.state)
            const named = new Set(actual.model.initializers.map(({ name }) => name))
            const moves = ["Reshape", "Transpose", "ReorderInput"]
            assert.isEmpty(actual.model.nodes.filter(({ inputs, op }) => moves.includes(op) && named.has(inputs[0]!)))
          }
        }
      }
    }).pipe(Effect.scoped))
})

describe("a program that samples", () => {
  it.effect("has each weight once, as it is used, guided too", () =>
    Effect.gen(function*() {
      const network = unet({ ...wide, num_class_embeds: 3, self_condition: true })
      // Small ones that are equal would be joined.
      const weights = Object.fromEntries(
        Object.entries(network.parameters).map(([name, spec], salt) => [name, uniform(spec, 1, salt)])
      )
      const guided = guidedDenoiser(network, { classifierFree: { scale: 2, timesteps: [0, 1000] } })
      const program = denoisingProgram(guided, weights, { batch: 4, memory: [] })
      const { initializers, nodes } = lower(yield* trace(program, "onnx"), { convolutionBlock: 16 })
      let summed = 0
      for (const [name, { data, shape }] of Object.entries(weights)) {
        if (data.length < 1024) continue
        const own = initializers.filter((initializer) => (initializer.data as Float32Array).buffer === data.buffer)
        const isSummed = own.some(({ reading }) => reading?.terms !== undefined)
        if (isSummed) summed++
        const elements = own.reduce((elements, { shape }) => elements + sizeOf(shape), 0)
        assert.strictEqual(elements, isSummed ? 16 / 9 * data.length : data.length, `${name} ${shape.join()}`)
        assert.strictEqual(own.length, isSummed ? 16 : 1, name)
      }
      assert.strictEqual(summed, 7)
      // The sums of images and the products, of each filter twice.
      assert.isAtLeast(nodes.filter(({ op }) => op === "Conv").length, summed * 64)
    }))
})

/** A product with a matrix that nobody else has. */
const compiled = Effect.gen(function*() {
  const matrix = sines([64, 64])
  const references = { tensor: new WeakRef<object>(matrix), elements: new WeakRef<object>(matrix.data.buffer) }
  const program = stateless(
    "product",
    { x: { shape: [1, 64], dtype: "float32" } },
    ({ x }) => ({ y: tf.matMul(x, tf.transpose(constants({ matrix })["matrix"]!)) })
  )
  return { executable: yield* (yield* Engine).compile(program), references }
})

layer(OnnxEngine.layer({ threads: 1 }))("weights of the host", (it) => {
  it.effect("are not held by a program that is compiled", () =>
    Effect.gen(function*() {
      const { executable, references } = yield* compiled
      const instance = yield* executable.start({})
      assert.deepStrictEqual(yield* uncollected(references), [])
      yield* instance.step({ x: float32([1, 64], new Float32Array(64)) })
    }).pipe(Effect.scoped))

  it.effect("are not held by one that shares its session", () =>
    Effect.gen(function*() {
      const first = yield* compiled
      const second = yield* compiled
      yield* second.executable.start({})
      assert.deepStrictEqual(yield* uncollected(first.references), [])
      assert.deepStrictEqual(yield* uncollected(second.references), [])
    }).pipe(Effect.scoped))
})

describe("what was encoded", () => {
  it("is given back as soon as there is a session of it", async () => {
    const session = { run: async () => {}, release: async () => {} }
    const model = encode({ name: "m", inputs: [], outputs: [], initializers: [], nodes: [] })
    const source = { model, weights: new Uint8Array(1000), inputs: [], outputs: [], threads: 1 }
    const seen: Array<number> = []
    const machine = makeMachine({
      inPlace: true,
      create: async ({ model, weights }) => {
        seen.push(model.byteLength, weights!.byteLength)
        return session
      }
    })
    const expected = [model.byteLength, 1000, 0, 0]
    await machine.compile(source)
    assert.deepStrictEqual([...seen, source.model.buffer.byteLength, source.weights.buffer.byteLength], expected)
  })
})
