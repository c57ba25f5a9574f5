/**
 * The engines that can be timed, by name.
 */
import { Engine, EngineUnavailable } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { Layer } from "effect"

/** How an engine that has modes runs a program. */
export const modes = ["graph", "xla", "eager"] as const

export type Mode = typeof modes[number]

/** An engine, and how it works. */
export interface EngineChoice {
  readonly engine: EngineName
  readonly mode?: Mode | undefined
  /** All that the processor offers unless given. */
  readonly threads?: number | undefined
}

type EngineOptions = Omit<EngineChoice, "engine">

const engines = {
  onnx: ({ mode, threads }: EngineOptions): Layer.Layer<Engine, EngineUnavailable> =>
    mode === undefined ? OnnxEngine.layer({ threads }) : withoutModes("onnx", mode),
  tensorflow: (options: EngineOptions): Layer.Layer<Engine, EngineUnavailable> => TensorflowEngine.layer(options)
}

export type EngineName = keyof typeof engines

export const engineNames = Object.keys(engines) as ReadonlyArray<EngineName> as readonly [
  EngineName,
  ...Array<EngineName>
]

/** The engine as a layer. Fails where it is not installed, or is given a mode and has none. */
export const engineLayer = ({ engine, ...options }: EngineChoice): Layer.Layer<Engine, EngineUnavailable> =>
  engines[engine](options)

/** The flags that choose the same engine again. */
export const engineFlags = ({ engine, mode, threads }: EngineChoice): ReadonlyArray<string> => [
  "--engine",
  engine,
  ...(mode === undefined ? [] : ["--mode", mode]),
  ...(threads === undefined ? [] : ["--threads", String(threads)])
]

const withoutModes = (engine: string, mode: Mode): Layer.Layer<Engine, EngineUnavailable> =>
  Layer.effect(
    Engine,
    new EngineUnavailable({ engine, reason: `it was asked for its mode "${mode}"`, remedy: "it has none: omit --mode" })
  )
