/**
 * The engine for machines with an NVIDIA GPU: programs run in TensorFlow, by the native addon of
 * `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`, which has to be installed besides.
 */
import { Effect, Layer, type Scope } from "effect"
import { Engine } from "../Engine.ts"
import { EngineUnavailable } from "../EngineError.ts"
import { checkedRematerialize, type Rematerialize } from "../Rematerialize.ts"
import { makeEager } from "./eager/index.ts"
import { deviceOf } from "./installation/device.ts"
import { type FindOptions, load, prepare, type Prepared, type Settings } from "./installation/index.ts"
import { makeCompiled } from "./internal/CompiledEngine.ts"
import { outOfMemory } from "./internal/outOfMemory.ts"
import { withFallback } from "./internal/withFallback.ts"
import { engine, InvalidSetting, LibraryDamaged, LibraryMissing, SystemTooOld, unavailable } from "./TensorflowError.ts"

/**
 * The ways of running a program.
 *
 * - `graph`: as one graph of TensorFlow's, a call a step, in a worker thread; the state stays in TensorFlow's variables.
 * - `xla`: the same, compiled by XLA when it first runs.
 * - `eager`: operation by operation, on tfjs's own backend of TensorFlow, in the main thread.
 * - `auto`: `graph`, and `eager` for a program that TensorFlow refuses as a graph. The engine's `mode` is `graph` then.
 */
export type Mode = typeof modes[number]

const modes = ["auto", "eager", "graph", "xla"] as const

/** How the engine works. */
export interface Options extends Settings, Pick<FindOptions, "package"> {
  /** How programs are run. Default `auto`. */
  readonly mode?: Mode | undefined
  /**
   * What a step computes again in place of keeping it: what is cheap to compute (true), or convolutions and products as well
   * ("all"). Less memory and more time for a training step. Default false.
   *
   * Modes `graph` and `auto` do so, but for what `auto` runs operation by operation, as the `warning` then says. With the
   * others the layer fails: XLA keeps to no order beyond that of the data and joins what is computed twice, and mode
   * `eager` runs a program as it is written.
   */
  readonly rematerialize?: Rematerialize | undefined
}

/**
 * The engine as a layer. What it holds is gone when the layer's scope closes.
 *
 * Mode `auto` takes the fastest as far as that is measured, which is on a processor (`docs/decisions/0011-*.md`), and on a
 * GPU it is not. What it compiles for mode `eager` has a `warning` that says why.
 *
 * Fails with `EngineUnavailable` where TensorFlow is not installed or does not load, where a GPU was asked for and does not
 * work, or where an option has a value that it cannot have; the cause is an error of its own for each, but for `rematerialize`.
 *
 * @example
 * const double = stateless("double", { x: { shape: [2], dtype: "float32" } }, ({ x }) => ({ y: tf.mul(x, 2) }))
 * const program = Effect.gen(function*() {
 *   const engine = yield* Engine
 *   const instance = yield* (yield* engine.compile(double)).start({})
 *   return (yield* instance.step({ x: float32([2], [1, 2]) })).y.data
 * })
 * program.pipe(Effect.scoped, Effect.provide(TensorflowEngine.layer({ mode: "graph" })), Effect.runPromise)
 * // => Float32Array [2, 4]
 */
export const layer = (options: Options = {}): Layer.Layer<Engine, EngineUnavailable> =>
  Layer.effect(
    Engine,
    Effect.gen(function*() {
      const mode = yield* Effect.mapError(checkedMode(options.mode ?? "auto"), unavailable)
      const rematerialize = yield* checkedRematerialize(engine, options.rematerialize)
      if (rematerialize !== false && (mode === "eager" || mode === "xla")) return yield* keepsEverything(mode)
      const prepared = yield* Effect.mapError(prepare(options), unavailable)
      return yield* make(prepared, mode, rematerialize).pipe(
        Effect.tap(prepared.keep),
        Effect.tapError(({ cause }) => isNotLoaded(cause) ? prepared.abandon : prepared.keep)
      )
    })
  )

/** Types do not hold for a program in JavaScript. */
const checkedMode = (mode: Mode): Effect.Effect<Mode, InvalidSetting> =>
  modes.includes(mode)
    ? Effect.succeed(mode)
    : Effect.fail(
      new InvalidSetting({
        setting: "the mode",
        value: JSON.stringify(mode),
        expected: "\"auto\", \"eager\", \"graph\" or \"xla\""
      })
    )

/** Whether libtensorflow was not loaded: the loader refused it, or the addon. */
const isNotLoaded = (cause: unknown): boolean =>
  cause instanceof LibraryMissing || cause instanceof LibraryDamaged || cause instanceof SystemTooOld

const keepsEverything = (mode: Mode): EngineUnavailable =>
  new EngineUnavailable({
    engine,
    reason: `it was asked to compute again in place of keeping, which mode "${mode}" cannot`,
    remedy: "take mode \"graph\", or leave out rematerialize"
  })

const make = (
  prepared: Prepared,
  mode: Mode,
  rematerialize: Rematerialize
): Effect.Effect<Engine["Service"], EngineUnavailable, Scope.Scope> => {
  switch (mode) {
    case "eager":
      return eager(prepared)
    case "graph":
    case "xla":
      return makeCompiled(prepared, { xla: mode === "xla", rematerialize })
    case "auto":
      return Effect.flatMap(
        makeCompiled(prepared, { xla: false, rematerialize }),
        (compiled) => withFallback(compiled, eager(prepared), { keepsAll: rematerialize !== false })
      )
  }
}

const eager = Effect.fnUntraced(
  function*(prepared: Prepared): Effect.fn.Return<Engine["Service"], EngineUnavailable, Scope.Scope> {
    const { installation } = prepared
    const binding = yield* Effect.mapError(load(installation), unavailable)
    const loaded = { ...prepared, version: binding.TF_Version, usesGpu: binding.isUsingGpuDevice() }
    const device = yield* Effect.mapError(deviceOf(loaded), unavailable)
    const service = yield* makeEager({
      folder: installation.folder,
      binding,
      device,
      explain: (reason, program) => outOfMemory(reason, program, device.description)
    })
    return { ...service, mode: "eager" }
  }
)
