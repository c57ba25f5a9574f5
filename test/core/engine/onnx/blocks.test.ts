/**
 * State vectors in blocks, and states that are written over: both are held to the program without them.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import type { Program, Tensor } from "@effusion/core/engine"
import { Optimizations } from "@effusion/core/engine/onnx"
import { float32, type HostTensor, scalar } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import { lower, type LoweringOptions } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { overwritable, writesLast } from "../../../../packages/core/src/engine/onnx/lowering/overwritable.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import { values } from "../../../conformance/arbitraries.ts"
import { property } from "../../../conformance/check.ts"
import { bits, f32, type NamedHost } from "../../../conformance/tests.ts"
import { tinyTrainingProgram, tinyTrainingProgramOf } from "../../../support/tinyTraining.ts"
import { copyingWorker, node, runtimeLayer, TestRuntime } from "./models.ts"

type Tensors = { readonly [name: string]: Tensor }
type AnyProgram = Program<Tensors, Tensors, Tensors>

/** Runs a program for a few steps, lowered in one way or another. */
const run = Effect.fnUntraced(function*(
  program: AnyProgram,
  state: NamedHost,
  inputs: ReadonlyArray<NamedHost>,
  options: LoweringOptions
) {
  const graph = yield* trace(program, "onnx")
  const { compileModel } = yield* TestRuntime
  const executable = yield* compileModel({
    program: program.name,
    signature: graph.signature,
    model: lower(graph, options),
    ...(options.optimizations === undefined ? {} : { optimizations: options.optimizations })
  })
  const instance = yield* executable.start(state)
  const outputs = yield* Effect.forEach(inputs, (input) => instance.step(input))
  return { outputs: outputs as ReadonlyArray<NamedHost>, state: (yield* instance.read) as NamedHost }
}, Effect.scoped)

/** Without what is tested here. */
const plainStates = Optimizations.without(["stateBlocks", "overwrittenStates"])

const sameBits = (a: HostTensor, b: HostTensor): boolean => bits({ a })["a"] === bits({ a: b })["a"]

/** What can be done to vectors, element by element and otherwise. */
const operations: ReadonlyArray<(vectors: ReadonlyArray<Tensor>, number: Tensor) => Tensor> = [
  ([a, b]) => tf.add(a!, b!),
  ([a, b]) => tf.mul(tf.sub(a!, b!), 0.3),
  ([a], number) => tf.mul(a!, number),
  ([a, b]) => tf.div(a!, tf.add(tf.sqrt(tf.square(b!)), 0.5)),
  ([a, b], number) => tf.where(tf.greater(number, 0), a!, b!),
  ([a, b]) => tf.where(tf.greater(a!, b!), a!, tf.neg(b!)),
  ([a]) => tf.add(a!, tf.onesLike(a!)),
  ([a]) => tf.mul(a!, tf.minimum(tf.div(1, tf.max(tf.abs(a!))), 1)),
  // What cannot be done block by block.
  ([a, b]) => tf.add(tf.reverse(a!, 0), b!),
  ([a]) => tf.reshape(tf.mul(tf.reshape(a!, [1, -1]), 0.5), [-1]),
  ([, b]) => b!
]

/** Two state vectors that a program splits into parts, joins again, and computes on. */
const programs = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 8 }),
  steps: fc.array(fc.nat(operations.length - 1), { minLength: 1, maxLength: 6 }),
  block: fc.integer({ min: 1, max: 12 }),
  readsBesides: fc.boolean(),
  seed: fc.nat(1000)
}).map(({ block, readsBesides, seed, sizes, steps }) => {
  const length = sizes.reduce((sum, size) => sum + size, 0)
  const program: AnyProgram = {
    name: "vectors",
    state: { first: f32(length), second: f32(length) },
    input: { number: f32() },
    apply: ({ first, second }, { number }) => {
      const parts = tf.split(first!, sizes).map((part, i) => tf.mul(part, i + 1))
      const gradient = tf.concat(parts)
      const [a, b] = steps.reduce<ReadonlyArray<Tensor>>(
        ([a, b], step) => [operations[step]!([a!, b!], number!), a!],
        [gradient, second!]
      )
      return {
        state: { first: tf.sub(first!, tf.mul(a!, 0.1)), second: tf.add(second!, tf.mul(tf.sub(b!, second!), 0.2)) },
        output: {
          vector: a!,
          largest: tf.max(b!),
          sum: tf.sum(tf.square(a!)),
          // Reads the present states for what their next elements do not need.
          ...(readsBesides ? { besides: tf.mul(tf.reverse(first!, 0), second!) } : {})
        }
      }
    }
  }
  const vector = (seed: number): HostTensor => float32([length], values(seed, [length], { low: -2, high: 2 }).data)
  return { program, block, state: { first: vector(seed), second: vector(seed + 1) } }
})

const inputs = [{ number: scalar(0.7) }, { number: scalar(-0.4) }]

for (const [name, options] of [["in place", {}], ["copying", { worker: copyingWorker }]] as const) {
  layer(runtimeLayer({ threads: 1, ...options }))(`a runtime that works ${name}`, (it) => {
    it.effect("computes the same elements in blocks, bit for bit, and the same sums", () =>
      property(programs, ({ block, program, state }) =>
        Effect.gen(function*() {
          const plain = yield* run(program, state, inputs, { optimizations: plainStates })
          const blocked = yield* run(program, state, inputs, { stateBlock: block })
          for (const name of ["first", "second"]) {
            assert.isTrue(sameBits(blocked.state[name]!, plain.state[name]!), name)
          }
          plain.outputs.forEach(({ sum, ...output }, i) => {
            const { sum: blockedSum, ...blockedOutput } = blocked.outputs[i]!
            assert.deepStrictEqual(bits(blockedOutput), bits(output))
            assert.closeTo(blockedSum!.data[0]!, sum!.data[0]!, 2 ** -22 * sum!.data[0]!)
          })
        }), { numRuns: 60 }))

    it.effect("trains to the same weights in blocks of any size, and to the same bits whether written over or not", () =>
      Effect.gen(function*() {
        const { input, program, state } = yield* tinyTrainingProgram
        const train = (options: LoweringOptions) =>
          run(program as AnyProgram, state as NamedHost, [0, 1, 2].map(input), options)
        const plain = yield* train({ optimizations: plainStates })
        for (const stateBlock of [undefined, 1, 64]) {
          const kept = yield* train({ stateBlock, optimizations: Optimizations.without(["overwrittenStates"]) })
          const overwritten = yield* train({ stateBlock })
          for (const [name, vector] of Object.entries(kept.state)) {
            assert.isTrue(sameBits(overwritten.state[name]!, vector), name)
          }
          // Gradients are clipped to a norm, and that is the same up to rounding only.
          plain.outputs.forEach((output, step) => {
            for (const name of ["loss", "gradientNorm"]) {
              const [expected, actual] = [output, kept.outputs[step]!].map((from) => from[name]!.data[0]!)
              assert.closeTo(actual!, expected!, 1e-5 * expected!, name)
            }
          })
        }
      }))
  })
}

describe("overwritable", () => {
  const info = (name: string) => ({ name, dtype: "float32" as const, shape: [4] })
  const modelOf = (nodes: ReadonlyArray<ReturnType<typeof node>>, ...states: ReadonlyArray<string>) => ({
    name: "test",
    initializers: [],
    inputs: [...states.map((name) => info(`state.${name}`)), info("input.x")],
    outputs: [...states.map((name) => info(`next.${name}`)), info("output.y")],
    nodes
  })
  const y = node("Neg", ["input.x"], ["output.y"])

  it("is a state that is read by what its next elements need", () => {
    const average = [
      node("Sub", ["input.x", "state.a"], ["difference"]),
      node("Mul", ["difference", "difference"], ["share"]),
      node("Add", ["state.a", "share"], ["next.a"]),
      y
    ]
    assert.deepStrictEqual([...overwritable(modelOf(average, "a"))], ["a"])
  })

  it("is not one that something else reads, which may come later", () => {
    const output = node("Add", ["input.x", "state.a"], ["output.y"])
    assert.deepStrictEqual([...overwritable(modelOf([node("Neg", ["state.a"], ["next.a"]), output], "a"))], [])
  })

  it("is one that a view hands on to what its next elements need, and not one that is handed on further", () => {
    const viewed = (...readers: ReadonlyArray<ReturnType<typeof node>>) => [
      node("Reshape", ["state.a", "shape"], ["view"]),
      node("Mul", ["view", "view"], ["square"]),
      ...readers,
      node("Add", ["state.a", "square"], ["next.a"])
    ]
    assert.deepStrictEqual([...overwritable(modelOf([...viewed(), y], "a"))], ["a"])
    const late = node("Neg", ["view"], ["output.y"])
    assert.deepStrictEqual([...overwritable(modelOf(viewed(late), "a"))], [])
    const output = node("Identity", ["view"], ["output.y"])
    assert.deepStrictEqual([...overwritable(modelOf(viewed(output), "a"))], [])
  })

  it("is not one that is written by what is not elementwise, or read by what is not known to be done when it has run", () => {
    const product = node("MatMul", ["state.a", "state.a"], ["next.a"])
    assert.deepStrictEqual([...overwritable(modelOf([product, y], "a"))], [])
    const unknown = [node("Dropout", ["state.a"], ["kept"]), node("Neg", ["kept"], ["next.a"]), y]
    assert.deepStrictEqual([...overwritable(modelOf(unknown, "a"))], [])
  })

  it("is not one of two that change places", () => {
    const swapped = [node("Neg", ["state.b"], ["next.a"]), node("Neg", ["state.a"], ["next.b"]), y]
    assert.deepStrictEqual([...overwritable(modelOf(swapped, "a", "b"))], [])
  })

  it.effect("are all states of a training step, of one batch or of several", () =>
    Effect.gen(function*() {
      for (const accumulate of [1, 2]) {
        const { program } = yield* tinyTrainingProgramOf({ accumulate })
        const graph = yield* trace(program, "onnx")
        for (const stateBlock of [undefined, 64]) {
          for (const rematerialize of [false, "all"] as const) {
            const model = lower(graph, { stateBlock, rematerialize })
            assert.sameMembers([...overwritable(model)], Object.keys(program.state))
          }
        }
      }
    }))
})

describe("writesLast", () => {
  const info = (name: string) => ({ name, dtype: "float32" as const, shape: [4] })
  const modelOf = (nodes: ReadonlyArray<ReturnType<typeof node>>) => {
    const made = new Set(nodes.flatMap(({ outputs }) => outputs))
    const states = ["a", "b"].filter((name) => made.has(`next.${name}`))
    return {
      name: "test",
      initializers: [],
      inputs: [...states.map((name) => info(`state.${name}`)), info("input.x")],
      outputs: [...made].filter((name) => /^(next|output)\./.test(name)).map(info),
      nodes
    }
  }
  const scaled = node("Mul", ["input.x", "input.x"], ["scaled"])

  it("lets a state be written over that is read besides", () => {
    const model = modelOf([
      scaled,
      node("Add", ["state.a", "scaled"], ["next.a"]),
      node("Neg", ["state.a"], ["output.y"])
    ])
    assert.deepStrictEqual([...overwritable(model)], [])
    assert.deepStrictEqual([...overwritable(writesLast(model))], ["a"])
  })

  it("leaves a state alone whose reader needs the next elements", () => {
    const model = modelOf([
      scaled,
      node("Add", ["state.a", "scaled"], ["next.a"]),
      node("Sub", ["next.a", "state.a"], ["output.y"])
    ])
    assert.strictEqual(writesLast(model), model)
  })

  it("makes no two states wait for each other", () => {
    const model = modelOf([
      node("Mul", ["input.x", "state.b"], ["u"]),
      node("Mul", ["input.x", "state.a"], ["v"]),
      node("Neg", ["u"], ["w"]),
      node("Neg", ["v"], ["z"]),
      node("Add", ["w", "state.a"], ["next.a"]),
      node("Add", ["z", "state.b"], ["next.b"]),
      node("Mul", ["next.a", "state.b"], ["output.y"]),
      node("Mul", ["next.b", "state.a"], ["output.z"])
    ])
    assert.strictEqual(overwritable(writesLast(model)).size, 1)
  })
})
