/**
 * The engines that can be timed, by name.
 */
import { Engine, EngineUnavailable, type Rematerialize } from "@effusion/core/engine"
import { OnnxEngine, Optimizations } from "@effusion/core/engine/onnx"
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
  /** The optimizations of onnx that are switched off; none unless given. */
  readonly without?: ReadonlyArray<Optimizations.Name> | undefined
  /** What it computes again in place of keeping it. */
  readonly rematerialize?: Rematerialize | undefined
}

type EngineOptions = Omit<EngineChoice, "engine">

const engines = {
  onnx: ({ mode, without = [], ...options }: EngineOptions): Layer.Layer<Engine, EngineUnavailable> =>
    mode === undefined
      ? OnnxEngine.layer({ ...options, optimizations: Optimizations.without(without) })
      : refusal("onnx", `it was asked for its mode "${mode}"`, "it has none: omit --mode"),
  tensorflow: ({ without = [], ...options }: EngineOptions): Layer.Layer<Engine, EngineUnavailable> =>
    without.length === 0
      ? TensorflowEngine.layer(options)
      : refusal(
        "tensorflow",
        `it was asked to work without ${without.join(", ")}`,
        "these are optimizations of onnx: omit --without"
      )
}

export type EngineName = keyof typeof engines

export const engineNames = Object.keys(engines) as ReadonlyArray<EngineName> as readonly [
  EngineName,
  ...Array<EngineName>
]

/** The engine as a layer. Fails where it is not installed, or is given what it does not have. */
export const engineLayer = ({ engine, ...options }: EngineChoice): Layer.Layer<Engine, EngineUnavailable> =>
  engines[engine](options)

/** The flags that choose the same engine again. */
export const engineFlags = (
  { engine, mode, rematerialize, threads, without = [] }: EngineChoice
): ReadonlyArray<string> => [
  "--engine",
  engine,
  ...(mode === undefined ? [] : ["--mode", mode]),
  ...(threads === undefined ? [] : ["--threads", String(threads)]),
  ...(without.length === 0 ? [] : ["--without", without.join()]),
  ...(rematerialize === true ? ["--rematerialize"] : rematerialize === "all" ? ["--rematerialize-all"] : [])
]

const refusal = (engine: string, reason: string, remedy: string): Layer.Layer<Engine, EngineUnavailable> =>
  Layer.effect(Engine, new EngineUnavailable({ engine, reason, remedy }))
