/**
 * Each optimization can be switched off, and whichever are on, a program computes what it computes without any.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Engine, type Program, stateless, type Tensors } from "@effusion/core/engine"
import { OnnxEngine, Optimizations, Profiler } from "@effusion/core/engine/onnx"
import { float32, type HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Context, Effect, Layer } from "effect"
import * as fc from "fast-check"
import { makeMachine } from "../../../../packages/core/src/engine/onnx/internal/machine.ts"
import { complete, composed } from "../../../../packages/core/src/engine/onnx/internal/optimizations.ts"
import { probeConvolutionBlock } from "../../../../packages/core/src/engine/onnx/internal/probe.ts"
import { makeRuntime } from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import {
  eitherWay,
  type Session,
  type SessionSource
} from "../../../../packages/core/src/engine/onnx/internal/session.ts"
import { settingsOf } from "../../../../packages/core/src/engine/onnx/internal/settings.ts"
import { lower } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import type { Arrays } from "../../../../packages/core/src/engine/worker/protocol.ts"
import { chains } from "../../../conformance/cases/chains.ts"
import { composites } from "../../../conformance/cases/composites.ts"
import { linear } from "../../../conformance/cases/linear.ts"
import { checkInstances, property } from "../../../conformance/check.ts"
import { expressions } from "../../../conformance/expressions.ts"
import { bits, type NamedHost } from "../../../conformance/tests.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"

const { all, names, none, without } = Optimizations

const only = (some: ReadonlyArray<Optimizations.Name>) => without(names.filter((name) => !some.includes(name)))

const engineWith = (optimizations: Optimizations.Choice) =>
  Effect.map(Layer.build(OnnxEngine.layer({ threads: 1, optimizations })), (context) => Context.get(context, Engine))

/** Those that are on; a counterexample shrinks to the fewest. */
const subsets = fc.subarray([...names])

/** That elements are the same but for float32's rounding, relative to the largest. */
const assertClose = (actual: HostTensor, expected: HostTensor, relative: number, what: string): void => {
  assert.deepStrictEqual(actual.shape, expected.shape, what)
  const numbers = Float64Array.from(expected.data)
  const largest = numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const furthest = numbers.reduce((most, x, i) => Math.max(most, Math.abs(x - actual.data[i]!)), 0)
  assert.isAtMost(furthest, relative * largest, what)
}

/** Trains a U-Net by the optimizations that it is given, in one runtime. */
const makeTrainer = Effect.gen(function*() {
  const runtime = yield* makeRuntime({ threads: 1 })
  const convolutionBlock = yield* probeConvolutionBlock(runtime)
  const { input, program, state } = yield* tinyTrainingProgram

  /** Three steps: what each gives, the state after the first, and the state after the last. */
  return Effect.fnUntraced(function*(optimizations: Optimizations.Optimizations) {
    const graph = yield* trace(program, "onnx", { composed: composed(optimizations) })
    const { name, signature } = graph
    const model = lower(graph, { optimizations, convolutionBlock, stateBlock: 10_000 })
    const executable = yield* runtime.compileModel({ program: name, signature, model, optimizations })
    const instance = yield* executable.start(state)
    const first = yield* instance.step(input(0))
    const afterOne = (yield* instance.read) as NamedHost
    const outputs = [first, yield* instance.step(input(1)), yield* instance.step(input(2))]
    return { outputs: outputs as ReadonlyArray<NamedHost>, afterOne, state: (yield* instance.read) as NamedHost }
  }, Effect.scoped)
})

describe("a program with some optimizations", () => {
  it.effect("computes what it computes without any, gradients too, and that is right", () =>
    Effect.gen(function*() {
      const plain = yield* engineWith(none)
      const instances = fc.oneof(
        ...[expressions, chains, composites, linear].map((cases) =>
          fc.oneof(...cases.map(({ instances }) => instances))
        )
      )
      const some = fc.array(instances, { minLength: 1, maxLength: 6, size: "max" })
      const known = expressions.flatMap(({ examples = [] }) => examples)
      yield* property(fc.record({ on: subsets, some }), ({ on, some }) =>
        Effect.gen(function*() {
          const engine = yield* engineWith(only(on))
          // Both are held to the float64 reference, each element by the magnitude of its sums, and so to each other.
          const compute = (engine: Engine["Service"]) =>
            Effect.provideService(checkInstances(some, { relative: 1e-5 }), Engine, engine)
          const [expected, actual] = [yield* compute(plain), yield* compute(engine)]
          assert.sameMembers(Object.keys(actual), Object.keys(expected))
        }).pipe(Effect.scoped), { numRuns: 25, examples: [[{ on: [...names], some: known }]] })
    }).pipe(Effect.scoped))

  it.effect("trains a U-Net by the same gradients", () =>
    Effect.gen(function*() {
      const train = yield* makeTrainer
      const expected = yield* train(none)
      yield* property(subsets, (on) =>
        Effect.gen(function*() {
          const actual = yield* train(only(on))
          // After one step the moments are multiples of the gradient, and of its squares.
          for (const name of ["optimizer.adam.firstMoment", "optimizer.adam.secondMoment"]) {
            assertClose(actual.afterOne[name]!, expected.afterOne[name]!, 1e-5, name)
          }
          expected.outputs.forEach((output, step) => {
            for (const [name, tensor] of Object.entries(output)) {
              assertClose(actual.outputs[step]![name]!, tensor, step === 0 ? 1e-5 : 1e-3, `${name} of step ${step}`)
            }
          })
        }), { numRuns: 12, examples: [[[...names]]] })
    }).pipe(Effect.scoped))
})

/** What moves elements, or keeps them elsewhere, and computes nothing in another way. (Of blocks, see `blocks.test.ts`.) */
const exact = [
  "deadCode",
  "commonSubexpressions",
  "groupedTransposes",
  "viewsFromOrigin",
  "constantMoves",
  "hiddenShapes",
  "overwrittenStates",
  "statesInPlace"
] as const satisfies ReadonlyArray<Optimizations.Name>

describe("an optimization that promises it", () => {
  it.effect("keeps every bit of a training run, whatever else is on", () =>
    Effect.gen(function*() {
      const train = yield* makeTrainer
      const drawn = fc.record({ on: subsets, name: fc.constantFrom<Optimizations.Name>(...exact) })
      yield* property(drawn, ({ name, on }) =>
        Effect.gen(function*() {
          const others = on.filter((other) => other !== name)
          const expected = yield* train(only(others))
          const actual = yield* train(only([...others, name]))
          assert.deepStrictEqual(bits(actual.state), bits(expected.state), name)
          assert.deepStrictEqual(actual.outputs.map(bits), expected.outputs.map(bits), name)
        }), { numRuns: 12, examples: exact.map((name) => [{ on: [...names], name }]) })
    }).pipe(Effect.scoped))
})

/** A transpose of a transpose, of which the program of a U-Net has none. */
const turning = stateless(
  "turning",
  { x: { shape: [2, 3, 4], dtype: "float32" } },
  ({ x }) => ({ y: tf.exp(tf.transpose(tf.transpose(x, [2, 0, 1]), [2, 1, 0])) })
)

/** A layer with constant weights, which the runtime's optimizer would make one operation of. */
const dense = stateless("dense", { x: { shape: [2, 64], dtype: "float32" } }, ({ x }) => {
  const numbers = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i))
  return { y: tf.add(tf.matMul(x, tf.tensor2d(numbers(4096), [64, 64])), tf.tensor1d(numbers(64))) }
})

/** A convolution with many channels. */
const wide = stateless("wide", {
  x: { shape: [4, 16, 16, 128], dtype: "float32" },
  filter: { shape: [3, 3, 128, 128], dtype: "float32" }
}, ({ filter, x }) => ({ y: tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same") }))

describe("switching an optimization off", () => {
  it.effect("changes what a program is lowered to, or how it is run", () =>
    Effect.gen(function*() {
      const { program } = yield* tinyTrainingProgram
      const compiled = Effect.fnUntraced(function*(optimizations: Optimizations.Optimizations) {
        const options = { optimizations, convolutionBlock: 16, stateBlock: 10_000 }
        const asParts = composed(optimizations)
        const step = lower(yield* trace(program, "onnx", { composed: asParts }), options)
        const turned = lower(yield* trace(turning, "onnx"), options)
        const widened = lower(yield* trace(wide, "onnx"), options)
        const { inPlace, overwritten = [] } = settingsOf(step, optimizations)
        return JSON.stringify([step.nodes, turned.nodes, widened.nodes, [...overwritten], inPlace])
      })
      const [withAll, withNone] = [yield* compiled(all), yield* compiled(none)]
      for (const name of names) {
        // Merged transposes show only where each would be moved at once.
        const differs = (yield* compiled(without([name]))) !== withAll || (yield* compiled(only([name]))) !== withNone
        assert.isTrue(differs, name)
      }
    }))

  it.effect("leaves the plain operators of ONNX", () =>
    Effect.gen(function*() {
      const { program } = yield* tinyTrainingProgram
      const graph = yield* trace(program, "onnx", { composed: composed(none) })
      const kinds = new Set(graph.nodes.map(({ operation }) => operation.kind))
      for (const kind of ["attention", "groupNorm", "upsampleNearest"] as const) assert.isFalse(kinds.has(kind), kind)
      const { nodes } = lower(graph, { optimizations: none, convolutionBlock: 16, stateBlock: 1 })
      const operators = new Set(nodes.map(({ domain, op }) => `${domain} ${op}`))
      assert.includeMembers([...operators], [" Conv", " ConvTranspose", " MatMul", " Transpose"])
      // The one operator of Microsoft's is a matrix product with a transposed operand, as programs write it.
      assert.deepStrictEqual([...operators].filter((operator) => !operator.startsWith(" ")), [
        "com.microsoft FusedMatMul"
      ])
    }))

  it.effect("is what the engine does, with its profiler on or off", () =>
    Effect.gen(function*() {
      const kernelsOf = <S extends Tensors, I extends Tensors, O extends Tensors>(
        program: Program<S, I, O>,
        state: NamedHost,
        input: NamedHost,
        optimizations: Optimizations.Choice
      ) =>
        Effect.gen(function*() {
          yield* Effect.scoped(Effect.gen(function*() {
            const executable = yield* (yield* Engine).compile(program as unknown as Program<Tensors, Tensors, Tensors>)
            yield* (yield* executable.start(state)).step(input)
          }))
          const [profile] = yield* (yield* Profiler).profiles
          return profile!.kernels.map(({ kernel }) => kernel).toSorted()
        }).pipe(Effect.provide(OnnxEngine.profilingLayer({ threads: 1, optimizations })))

      const { input, program, state } = yield* tinyTrainingProgram
      const graph = yield* trace(program, "onnx", { composed: composed(none) })
      const { nodes } = lower(graph, { optimizations: none })
      assert.deepStrictEqual(
        yield* kernelsOf(program, state, input(0), none),
        nodes.map(({ op }) => op).toSorted()
      )

      const x = { x: float32([2, 64], new Float32Array(128)) }
      assert.deepStrictEqual(yield* kernelsOf(dense, {}, x, all), ["Add", "MatMul"], "the runtime rewrites nothing")
    }).pipe(Effect.provide(NodeServices.layer)))

  it("takes the sessions that copy, and new arrays for every state", async () => {
    const made: Array<string> = []
    const sessions = (name: string) => ({
      inPlace: name === "in place",
      create: async (): Promise<Session> => {
        made.push(name)
        return { run: async () => {}, release: async () => {} }
      }
    })
    const port = (name: string) => ({ name, dtype: "float32" as const, shape: [2] })
    const source = { model: new Uint8Array(), inputs: [port("state.x")], outputs: [port("next.x")], threads: 1 }
    const either = eitherWay(sessions("in place"), sessions("copying"))
    const written: Array<Arrays> = []
    const steps = async (more: Partial<SessionSource>) => {
      written.length = 0
      const machine = makeMachine({
        inPlace: true,
        create: async (source) => ({
          ...await either.create(source),
          run: async (_, outputs) => void written.push(outputs)
        })
      })
      const held = await (await machine.compile({ ...source, ...more })).start({
        x: new Float32Array(2)
      })
      for (const _ of [1, 2, 3, 4]) await held.step({})
      return new Set(written.map((outputs) => outputs["next.x"])).size
    }
    assert.strictEqual(await steps({}), 2)
    assert.strictEqual(await steps({ inPlace: false }), 4)
    assert.deepStrictEqual(made, ["in place", "copying"])
  })
})

describe("a choice of optimizations", () => {
  const failure = (optimizations: unknown, layer = OnnxEngine.layer) =>
    Layer.build(layer({ optimizations: optimizations as Optimizations.Choice })).pipe(
      Effect.flip,
      Effect.scoped,
      Effect.map(({ message }) => message)
    ) as Effect.Effect<string>

  it.effect("is refused where it names none, or says neither true nor false", () =>
    Effect.gen(function*() {
      const known = names.join(", ")
      for (const misspelt of ["blockedConvolution", "toString"]) {
        const message = yield* failure({ [misspelt]: false })
        assert.include(message, `it has no optimization "${misspelt}"`)
        assert.include(message, known)
      }
      assert.include(yield* failure({ algebra: "off" }), "its optimization \"algebra\" was set to \"off\"")
      assert.include(yield* failure("none"), "its optimizations were set to \"none\"")
      assert.include(yield* failure(null), "its optimizations were set to null")
    }))

  it.effect("is all that is not said", () =>
    Effect.gen(function*() {
      const completed = (choice: Optimizations.Choice) => complete(choice, "onnx")
      assert.deepStrictEqual(yield* completed({}), all)
      assert.deepStrictEqual(yield* completed({ algebra: undefined }), all)
      yield* property(subsets, (off) =>
        Effect.gen(function*() {
          const choice = Object.fromEntries(off.map((name) => [name, false]))
          assert.deepStrictEqual(yield* completed(choice), without(off))
        }))
    }))
})
