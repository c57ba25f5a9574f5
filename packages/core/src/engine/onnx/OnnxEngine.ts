/**
 * The default engine: programs are traced, lowered to ONNX, and run in ONNX Runtime on the processor, a step a call.
 *
 * ONNX Runtime comes with this package; there is nothing to install. It computes in a worker thread of its own, so the
 * main thread stays free for whatever must respond (progress, interruption, loading of data).
 */
import { Context, Effect, type FileSystem, Layer, type Path } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { Engine } from "../Engine.ts"
import type { EngineUnavailable } from "../EngineError.ts"
import { checkedRematerialize, type Rematerialize } from "../Rematerialize.ts"
import { engineOf } from "./internal/engine.ts"
import { complete } from "./internal/optimizations.ts"
import { probeConvolutionBlock } from "./internal/probe.ts"
import { engine, makeRuntime } from "./internal/Runtime.ts"
import type * as Optimizations from "./Optimizations.ts"
import { makeRecording, Profiler, type Recording } from "./Profiler.ts"

/** How the engine works. */
export interface Options {
  /** Threads that one step uses, 1 or more; all that the processor offers unless given. */
  readonly threads?: number | undefined
  /** Optimizations to switch off, for finding out what each does; all are on unless given. */
  readonly optimizations?: Optimizations.Choice | undefined
  /**
   * What a step computes again in place of keeping it: what is cheap to compute (true), or convolutions and products as well
   * ("all"). A training step takes less memory and more time, and gives the same bits (`docs/performance.md` has figures).
   * Default false.
   */
  readonly rematerialize?: Rematerialize | undefined
}

/**
 * The engine as a layer. Its thread starts with the layer and is gone, with all that it holds, when the layer's scope
 * closes. Programs of the same graph that live at the same time share what was compiled. Fails with `EngineUnavailable` where
 * ONNX Runtime does not load, and where an option is none.
 *
 * @example
 * const double = stateless("double", { x: { shape: [2], dtype: "float32" } }, ({ x }) => ({ y: tf.mul(x, 2) }))
 * const program = Effect.gen(function*() {
 *   const engine = yield* Engine
 *   const instance = yield* (yield* engine.compile(double)).start({})
 *   return (yield* instance.step({ x: float32([2], [1, 2]) })).y.data
 * })
 * program.pipe(Effect.scoped, Effect.provide(OnnxEngine.layer()), Effect.runPromise) // => Float32Array [2, 4]
 * // The same without one of the optimizations.
 * program.pipe(Effect.scoped, Effect.provide(OnnxEngine.layer({ optimizations: { blockedConvolutions: false } })))
 */
export const layer = (options: Options = {}): Layer.Layer<Engine, EngineUnavailable> =>
  Layer.effect(Engine, makeEngine(options))

/**
 * The engine with its profiler on: it computes the same, and times every operation, which makes a step a few percent
 * slower, and no two programs share anything. Profiles are written to a temporary folder, which is gone when the layer's scope closes.
 *
 * @example
 * const measure = Effect.gen(function*() {
 *   yield* Effect.scoped(trainSomeSteps)
 *   return yield* (yield* Profiler).profiles
 * }).pipe(Effect.provide(OnnxEngine.profilingLayer()), Effect.provide(NodeServices.layer))
 */
export const profilingLayer = (
  options: Options = {}
): Layer.Layer<Engine | Profiler, EngineUnavailable | PlatformError, FileSystem.FileSystem | Path.Path> =>
  Layer.effectContext(Effect.gen(function*() {
    const recording = yield* makeRecording
    return Context.make(Engine, yield* makeEngine(options, recording)).pipe(
      Context.add(Profiler, recording.profiler)
    )
  }))

const makeEngine = Effect.fnUntraced(function*(options: Options, recording?: Recording) {
  const { optimizations: choice = {} } = options
  const optimizations = yield* complete(choice, engine)
  const rematerialize = yield* checkedRematerialize(engine, options.rematerialize)
  const runtime = yield* makeRuntime({ threads: options.threads })
  const convolutionBlock = optimizations.blockedConvolutions ? yield* probeConvolutionBlock(runtime) : undefined
  return engineOf(runtime, { convolutionBlock, optimizations, rematerialize }, recording)
})
