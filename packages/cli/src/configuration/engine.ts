/**
 * The engine of a command: what its flags say, and the layer that they stand for. An engine is no part of a run: what one
 * has begun another can go on with.
 */
import { type DeviceInfo, Engine, type EngineUnavailable, type Rematerialize } from "@effusion/core/engine"
import { AutoEngine, EngineChoice, engines } from "@effusion/core/engine/auto"
import { Context, Effect, Layer, Option } from "effect"
import { Flag } from "effect/cli"
import { availableParallelism } from "node:os"
import { Reporter } from "../report/Reporter.ts"

const names = ["auto", "onnx", "tensorflow"] as const
const devices = ["auto", "cpu", "gpu"] as const

/** The flags of every command that computes, but for `--threads`, which some have by configuration. */
export const engineFlags = {
  engine: Flag.Literals("engine", names).pipe(
    Flag.withDescription(
      "What computes; auto when not given: tensorflow where it is installed and a GPU works, else onnx"
    ),
    Flag.optional
  ),
  device: Flag.Literals("device", devices).pipe(
    Flag.withDescription("What to compute on; auto when not given. CUDA_VISIBLE_DEVICES chooses one of several GPUs"),
    Flag.optional
  )
}

/** The flag of every command that computes. */
export const threadsFlag = Flag.Int("threads").pipe(
  Flag.withDescription("Threads to compute with; all when not given"),
  Flag.optional
)

/** What a configuration says of its engine. */
export interface EngineSettings {
  /** Threads of the processor; all unless given. */
  readonly threads: number | undefined
  /** What it computes again in place of keeping it. */
  readonly rematerialize?: Rematerialize | undefined
}

/** What the flags say. */
export interface EngineFlags {
  readonly engine: Option.Option<(typeof names)[number]>
  readonly device: Option.Option<(typeof devices)[number]>
}

/**
 * The engine that flags ask for, and why it was taken.
 *
 * @example
 * Effect.provide(program, engineOf(flags, { threads: 2 }))
 */
export const engineOf = (
  flags: EngineFlags,
  settings: EngineSettings
): Layer.Layer<Engine | EngineChoice, EngineUnavailable> => {
  const options = { device: Option.getOrUndefined(flags.device), ...settings }
  const name = Option.getOrElse(flags.engine, () => "auto" as const)
  return name === "auto"
    ? AutoEngine.layer(options)
    : Layer.merge(engines[name](options), Layer.succeed(EngineChoice, { name, reason: "it was asked for" }))
}

/**
 * The engine that flags ask for. Whoever watches is told when it is not the one that the machine could have, and when a
 * program is computed in a slower way than the engine's own.
 *
 * @example
 * Effect.provide(program, engineLayer(flags, { threads: config.threads }))
 */
export const engineLayer = (
  flags: EngineFlags,
  settings: EngineSettings
): Layer.Layer<Engine | EngineChoice, EngineUnavailable, Reporter> =>
  Layer.effectContext(Effect.gen(function*() {
    const { report } = yield* Reporter
    const warn = (message: string) => report({ event: "warning", message })
    const context = yield* Layer.build(engineOf(flags, settings))
    yield* Effect.forEach(warningsOf(context), warn, { discard: true })
    return Context.add(context, Engine, warning(Context.get(context, Engine), warn))
  }))

/** An engine that tells what whoever runs a compiled program should know. */
export const warning = (
  engine: Engine["Service"],
  warn: (message: string) => Effect.Effect<void>
): Engine["Service"] => ({
  ...engine,
  compile: (program) =>
    Effect.tap(
      engine.compile(program),
      (executable) => executable.warning === undefined ? Effect.void : warn(executable.warning)
    )
})

/** Threads beyond the cores wait for each other at every operation: steps take many times as long. */
const tooManyThreads = ({ threads }: Pick<DeviceInfo, "threads">): ReadonlyArray<string> => {
  const cores = availableParallelism()
  return threads > cores
    ? [
      `${threads} threads are more than this machine has cores (${cores}), which is slower: leave out --threads, or give ${cores}`
    ]
    : []
}

/** What whoever computes should know about the engine. */
export const warningsOf = (context: Context.Context<Engine | EngineChoice>): ReadonlyArray<string> => {
  const { name, warning } = Context.get(context, EngineChoice)
  const { device } = Context.get(context, Engine)
  return [
    ...tooManyThreads(device),
    ...(warning === undefined ? [] : [`computing with ${name}, and not with tensorflow: ${warning}`]),
    ...(device.warning === undefined ? [] : [device.warning])
  ]
}
