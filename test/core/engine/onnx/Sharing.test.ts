/** Programs of the same graph, compiled while one of them lives, share a session of ONNX Runtime. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { fromArrays } from "@effusion/core/data"
import { Engine, type Program, type Tensor } from "@effusion/core/engine"
import { OnnxEngine, Profiler } from "@effusion/core/engine/onnx"
import { adam, ema } from "@effusion/core/optimizer"
import {
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32, type HostTensor } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import { MLP } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect, Exit, Layer, References, Scope, Stream } from "effect"
import { engineOf } from "../../../../packages/core/src/engine/onnx/internal/engine.ts"
import { makeRuntime } from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { all } from "../../../../packages/core/src/engine/onnx/Optimizations.ts"
import { nothingHeld } from "./models.ts"

const data = fromArrays({
  name: "waves",
  exampleShape: [2],
  elements: Float32Array.from({ length: 64 }, (_, i) => Math.sin(i))
})

const services = Layer.mergeAll(
  NoiseSchedule.linear({ steps: 100 }),
  TimestepSampler.uniform,
  Objective.noise,
  MLP.layer(MLP.Config.make({ dimensions: 2, width: 8, depth: 1 }))
)

type Scaling = Program<{ readonly sum: Tensor }, { readonly x: Tensor }, { readonly mean: Tensor }>

/** A running sum of scaled inputs; the sum is written over the one before. */
const scaling = (weight: ReadonlyArray<number>, name = "scaling"): Scaling => ({
  name,
  state: { sum: { shape: [3], dtype: "float32" } },
  input: { x: { shape: [3], dtype: "float32" } },
  apply: ({ sum }, { x }) => {
    const next = tf.add(sum, tf.mul(x, tf.tensor1d([...weight])))
    return { state: { sum: next }, output: { mean: tf.mean(next) } }
  }
})

const vector = (...elements: ReadonlyArray<number>) => float32([3], elements)
const elements = (tensor: HostTensor) => Array.from(tensor.data)

const lowering = { convolutionBlock: undefined, optimizations: all }

/** An engine that counts the sessions that it has made. */
const counted = Effect.gen(function*() {
  const runtime = yield* makeRuntime({ threads: 1 })
  const sessions = { made: 0 }
  const compileModel: typeof runtime.compileModel = (compilation) => {
    sessions.made++
    return runtime.compileModel(compilation)
  }
  return { engine: engineOf({ ...runtime, compileModel }, lowering, undefined), sessions }
})

const begin = (engine: Engine["Service"], program: Scaling, sum: HostTensor<"float32">) =>
  Effect.flatMap(engine.compile(program), (executable) => executable.start({ sum }))

describe("programs of the same graph", () => {
  it.effect("share a session, and each steps a state of its own", () =>
    Effect.gen(function*() {
      const { engine, sessions } = yield* counted
      const first = yield* Scope.make()
      const a = yield* Scope.provide(begin(engine, scaling([1, 2, 3], "a"), vector(0, 0, 0)), first)
      yield* Effect.scoped(Effect.gen(function*() {
        const b = yield* begin(engine, scaling([1, 2, 3], "b"), vector(10, 10, 10))
        assert.strictEqual(sessions.made, 1)
        // Steps at the same time, of which none may see what another one writes.
        const means = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i % 2 === 0 ? a : b),
          (instance) => Effect.map(instance.step({ x: vector(1, 1, 1) }), ({ mean }) => mean.data[0]),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          means,
          Array.from({ length: 20 }, (_, i) => 2 * (Math.floor(i / 2) + 1) + (i % 2 === 0 ? 0 : 10))
        )
        assert.deepStrictEqual(yield* engine.memory, { executables: 2, instances: 2, tensors: 2, bytes: 24 })
        // The session is still there when the program is gone that it was made for.
        yield* Scope.close(first, Exit.void)
        yield* b.step({ x: vector(1, 0, 0) })
        assert.deepStrictEqual(elements((yield* b.read).sum), [21, 30, 40])
        assert.include((yield* Effect.flip(a.step({ x: vector(1, 1, 1) }))).message, `"a"`)
      }))
      assert.deepStrictEqual(yield* engine.memory, nothingHeld)
      yield* begin(engine, scaling([1, 2, 3]), vector(0, 0, 0))
      assert.strictEqual(sessions.made, 2)
    }))

  it.effect("are compiled once when all ask at once, however fibers take turns", () =>
    Effect.forEach([11, 17, 23, 31, 47, 2048], (operations) =>
      Effect.gen(function*() {
        const { engine, sessions } = yield* counted
        const weights = Array.from({ length: 6 }, (_, i) => [1, 1, 1 + (i % 2)])
        const begun = Effect.forEach(weights, (weight) => begin(engine, scaling(weight), vector(0, 0, 0)), {
          concurrency: "unbounded"
        })
        yield* Effect.provideService(begun, References.MaxOpsBeforeYield, operations)
        assert.strictEqual(sessions.made, 2)
        assert.strictEqual((yield* engine.memory).executables, weights.length)
      }).pipe(Effect.scoped)))

  it.effect("have a session each where an element of a constant differs", () =>
    Effect.gen(function*() {
      const { engine, sessions } = yield* counted
      const weights = [[1, 2, 3], [1, 2, 3.0000002], [-0, 0, 0], [0, 0, 0]]
      const sums = yield* Effect.forEach(weights, (weight) =>
        Effect.gen(function*() {
          const instance = yield* begin(engine, scaling(weight), vector(-0, 0, 0))
          yield* instance.step({ x: vector(1, 1, 1) })
          return elements((yield* instance.read).sum)
        }))
      assert.deepStrictEqual(sums, weights.map((weight) => Array.from(Float32Array.from(weight))))
      assert.strictEqual(sessions.made, weights.length)
    }))

  it.effect("are those of runs that differ in seed and learning rate, and each trains as it would alone", () =>
    Effect.gen(function*() {
      const { engine, sessions } = yield* counted
      const run = (seed: number) =>
        Training.run({
          data,
          batchSize: 4,
          pipeline: Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError),
          optimizer: adam({ learningRate: 1e-2 / (1 + seed) }),
          average: ema({ decay: 0.9 }),
          steps: 6,
          seed
        }).pipe(Stream.map(({ loss }) => loss), Stream.runCollect)
      const runs = [run(0), run(1), run(2)]
      const together = yield* Effect.all(runs, { concurrency: "unbounded" }).pipe(
        Effect.provideService(Engine, engine),
        Effect.provide(services)
      )
      assert.strictEqual(sessions.made, 1)
      const alone = yield* Effect.all(runs).pipe(Effect.provideService(Engine, engine), Effect.provide(services))
      assert.strictEqual(sessions.made, 4)
      assert.deepStrictEqual(together, alone)
      assert.strictEqual(new Set(together.flat()).size, 18)
      assert.deepStrictEqual(yield* engine.memory, nothingHeld)
    }))

  it.effect("are profiled each by itself", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const engine = yield* Engine
        const [a, b] = [
          yield* begin(engine, scaling([1, 2, 3], "a"), vector(0, 0, 0)),
          yield* begin(engine, scaling([1, 2, 3], "b"), vector(0, 0, 0))
        ]
        yield* a.step({ x: vector(1, 1, 1) })
        yield* b.step({ x: vector(1, 1, 1) })
        yield* b.step({ x: vector(1, 1, 1) })
      }))
      const profiles = yield* (yield* Profiler).profiles
      assert.deepStrictEqual(profiles.map(({ program, runs }) => [program, runs.length]), [["a", 1], ["b", 2]])
    }).pipe(Effect.provide(Layer.provide(OnnxEngine.profilingLayer({ threads: 1 }), NodeServices.layer))))
})
