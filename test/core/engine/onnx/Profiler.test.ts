/**
 * The engine with its profiler on. Times are whatever they are: what is held is that every kernel is accounted for, that
 * parts are no more than wholes, and that nothing else changes.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Engine, stateless, type Tensor } from "@effusion/core/engine"
import { OnnxEngine, type Profile, Profiler } from "@effusion/core/engine/onnx"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, FileSystem, Layer } from "effect"
import { readRuns } from "../../../../packages/core/src/engine/onnx/internal/profileFile.ts"
import { lowerWithSources } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"

const options = { threads: 1 }
const profiling = OnnxEngine.profilingLayer(options).pipe(Layer.provideMerge(NodeServices.layer))

const steps = 3

/** Trains for a few steps, and gives the outputs and the last state. */
const train = Effect.gen(function*() {
  const { input, program, state } = yield* tinyTrainingProgram
  const instance = yield* (yield* (yield* Engine).compile(program)).start(state)
  const outputs = yield* Effect.forEach([0, 1, 2], (step) => instance.step(input(step)))
  return { outputs, state: yield* instance.read }
}).pipe(Effect.scoped)

const double = stateless("double", { x: { shape: [2], dtype: "float32" } }, ({ x }) => ({ y: tf.mul(x, 2) }))

const profileOf = <A, E>(use: Effect.Effect<A, E, Engine>) =>
  Effect.gen(function*() {
    const result = yield* use
    return { result, profiles: yield* (yield* Profiler).profiles }
  }).pipe(Effect.provide(profiling))

const sum = (values: Iterable<number>): number => Array.from(values).reduce((total, value) => total + value, 0)

const namesOf = ({ kernels }: Profile) => kernels.map(({ name }) => name).sort()

describe("the profile of a training step", () => {
  it.effect("has every node of the model once, run after run, and no more time than the run", () =>
    Effect.gen(function*() {
      const { profiles: [profile] } = yield* profileOf(train)
      const { program } = yield* tinyTrainingProgram
      assert.strictEqual(profile!.program, program.name)
      assert.strictEqual(profile!.runs.length, steps)

      // The engine may lower convolutions in blocks; everything else is as it is lowered here.
      const { model } = lowerWithSources(yield* trace(program, "onnx"), {})
      assert.isAtLeast(profile!.kernels.length, model.nodes.length)
      assert.strictEqual(new Set(namesOf(profile!)).size, profile!.kernels.length)
      for (const { kernels, microseconds } of profile!.runs) {
        assert.isTrue(kernels.every((time) => Number.isInteger(time) && time >= 0))
        assert.isAtMost(sum(kernels), microseconds)
      }
    }))

  it.effect("knows the operation of every kernel, and the source of every operation", () =>
    Effect.gen(function*() {
      const { profiles: [profile] } = yield* profileOf(train)
      const unknown = profile!.kernels.filter(({ operation }) => operation === undefined)
      // The timesteps are an input that is given back, so no operation makes them.
      assert.deepStrictEqual(unknown.map(({ name }) => name), ["output.t"])
      for (const { name, origin } of profile!.operations) assert.isNotEmpty(origin!.frames, name)
      const files = new Set(profile!.operations.map(({ origin }) => origin!.frames.at(-1)!.file.split("/").at(-1)))
      assert.includeMembers([...files], ["layers.ts", "resnetBlock.ts", "attentionBlock.ts", "adam.ts", "stages.ts"])
    }))

  it.effect("counts the operations of convolutions: twice as many backward as forward, but for the first of all", () =>
    Effect.gen(function*() {
      const { profiles: [profile] } = yield* profileOf(train)
      const flopsOf = (name: string) =>
        sum(profile!.operations.filter((operation) => operation.name === name).map(({ flops }) => flops))
      assert.strictEqual(flopsOf("convolutionFilterGradient"), flopsOf("convolution"))
      const first = 2 * 2 * 8 * 8 * 8 * 9
      assert.strictEqual(flopsOf("convolutionInputGradient"), flopsOf("convolution") - first)
    }))

  it.effect("changes no number", () =>
    Effect.gen(function*() {
      const { result } = yield* profileOf(train)
      assert.deepStrictEqual(result, yield* Effect.provide(train, OnnxEngine.layer(options)))
    }))
})

describe("an engine that computes again what is cheap", () => {
  /** A gradient that needs values of [64, 64] twice: they are large enough not to be kept. */
  const gradient = stateless(
    "gradient",
    { x: { shape: [64, 64], dtype: "float32" }, w: { shape: [64, 64], dtype: "float32" } },
    ({ w, x }: { readonly x: Tensor; readonly w: Tensor }) => {
      const layer = (h: Tensor): Tensor => {
        const z = tf.matMul(h as tf.Tensor2D, w as tf.Tensor2D)
        return tf.mul(z, tf.sigmoid(z))
      }
      return { y: tf.grad((x) => tf.sum(layer(layer(layer(x)))))(x) }
    }
  )
  const tensor = (scale: number) =>
    float32([64, 64], Float32Array.from({ length: 4096 }, (_, i) => scale * Math.sin(i)))
  const compute = Effect.gen(function*() {
    const instance = yield* (yield* (yield* Engine).compile(gradient)).start({})
    return (yield* instance.step({ x: tensor(1), w: tensor(0.1) })).y
  }).pipe(Effect.scoped)
  const profiled = (rematerialize: boolean) =>
    Effect.gen(function*() {
      const y = yield* compute
      return { y, kernels: (yield* (yield* Profiler).profiles)[0]!.kernels.length }
    }).pipe(
      Effect.provide(
        OnnxEngine.profilingLayer({ ...options, rematerialize }).pipe(Layer.provideMerge(NodeServices.layer))
      )
    )

  it.effect("runs more kernels, to the same bits", () =>
    Effect.gen(function*() {
      const [kept, again] = [yield* profiled(false), yield* profiled(true)]
      assert.isAbove(again.kernels, kept.kernels)
      assert.deepStrictEqual(again.y, kept.y)
    }))
})

layer(NodeServices.layer)("the profiler", (it) => {
  it.effect("keeps its files until its scope closes", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const made: Array<string> = []
      const watching = Layer.succeed(FileSystem.FileSystem, {
        ...fs,
        makeTempDirectoryScoped: (options) =>
          Effect.tap(fs.makeTempDirectoryScoped(options), (path) => Effect.sync(() => made.push(path)))
      })
      yield* Effect.gen(function*() {
        yield* Effect.scoped(Effect.flatMap(Engine, (engine) => engine.compile(double)))
        assert.strictEqual((yield* fs.readDirectory(made[0]!)).length, 1)
      }).pipe(Effect.provide(Layer.provide(OnnxEngine.profilingLayer(options), watching)))
      assert.strictEqual(made.length, 1)
      assert.isFalse(yield* fs.exists(made[0]!))
    }))

  it.effect("refuses the profile of a program that was not released yet", () =>
    Effect.gen(function*() {
      const executable = yield* (yield* Engine).compile(double)
      yield* (yield* executable.start({})).step({ x: float32([2], [1, 2]) })
      const error = yield* Effect.flip((yield* Profiler).profiles)
      assert.strictEqual(error._tag, "ProfileMissing")
      assert.match(error.message, /^there is no profile of program "double": its file is not whole, /)
    }).pipe(Effect.scoped, Effect.provide(profiling)))

  it.effect("tells programs apart, and those that never ran have no runs", () =>
    Effect.gen(function*() {
      const use = (program: typeof double, times: number) =>
        Effect.gen(function*() {
          const instance = yield* (yield* (yield* Engine).compile(program)).start({})
          yield* Effect.forEach(Array.from({ length: times }), () => instance.step({ x: float32([2], [1, 2]) }))
        }).pipe(Effect.scoped)
      const { profiles } = yield* profileOf(Effect.andThen(use(double, 2), use({ ...double, name: "other" }, 0)))
      assert.deepStrictEqual(profiles.map(({ program, runs }) => [program, runs.length]), [["double", 2], ["other", 0]])
    }))

  it.effect("finds the operations of the kernels of a product", () =>
    Effect.gen(function*() {
      const weights = Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i))
      const hidden = (x: Tensor) => tf.relu(tf.add(tf.matMul(x, tf.tensor2d(weights, [64, 64])), tf.ones([64])))
      const network = stateless("network", { x: { shape: [4, 64], dtype: "float32" } }, ({ x }) => ({ y: hidden(x) }))
      const { profiles: [profile] } = yield* profileOf(
        Effect.gen(function*() {
          const instance = yield* (yield* (yield* Engine).compile(network)).start({})
          yield* instance.step({ x: float32([4, 64], new Float32Array(256)) })
        }).pipe(Effect.scoped)
      )
      const product = profile!.kernels.find(({ kernel }) => /Gemm|MatMul/.test(kernel))!
      assert.strictEqual(profile!.operations[product.operation!]?.name, "matMul")
    }))
})

describe("a profiler's file", () => {
  const node = (name: string, dur: number) => ({
    cat: "Node",
    name: `${name}_kernel_time`,
    dur,
    args: { op_name: "Add" }
  })
  const session = (name: string, dur: number) => ({ cat: "Session", name, dur, args: {} })

  it("is read run by run, without what goes before the first and after the last", () => {
    const runs = readRuns(JSON.stringify([
      session("model_loading_array", 420),
      session("session_initialization", 3617),
      node("Add_0", 5),
      node("Add_1", 7),
      session("SequentialExecutor::Execute", 15),
      session("model_run", 20),
      node("Add_0", 4),
      node("Add_1", 3),
      session("model_run", 9),
      node("Add_0", 4)
    ]))
    assert.deepStrictEqual(runs.map(({ microseconds }) => microseconds), [20, 9])
    assert.deepStrictEqual(runs[1]!.nodes, [
      { name: "Add_0", kernel: "Add", microseconds: 4 },
      { name: "Add_1", kernel: "Add", microseconds: 3 }
    ])
  })
})
