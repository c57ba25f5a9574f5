/**
 * The engines that can be chosen from, each loaded when it is taken and not before: ONNX Runtime and libtensorflow take
 * hundreds of megabytes of address space, and nobody needs both.
 */
import { Effect, Layer } from "effect"
import type { Engine } from "../Engine.ts"
import { EngineUnavailable } from "../EngineError.ts"
import type { Rematerialize } from "../Rematerialize.ts"
import type { FindOptions, Settings } from "../tensorflow/installation/index.ts"

/** What every engine is told. */
export interface EngineOptions extends Settings, Pick<FindOptions, "package"> {
  /** What a step computes again in place of keeping it. Default false: nothing. */
  readonly rematerialize?: Rematerialize | undefined
}

/** The engines by name. */
export type Engines = {
  readonly [name in "onnx" | "tensorflow"]: (options: EngineOptions) => Layer.Layer<Engine, EngineUnavailable>
}

/**
 * The engines of this package.
 *
 * @example
 * Effect.provide(program, engines.onnx({ threads: 2 }))
 */
export const engines: Engines = {
  onnx: ({ device, rematerialize, threads }) =>
    device === "gpu"
      ? Layer.effectContext(
        Effect.fail(
          new EngineUnavailable({
            engine: "onnx",
            reason: "it computes with the processor only, and a GPU was asked for",
            remedy: "take the engine \"tensorflow\""
          })
        )
      )
      : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("../onnx/index.ts")),
          ({ OnnxEngine }) => OnnxEngine.layer({ threads, rematerialize })
        )
      ),
  tensorflow: (options) =>
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../tensorflow/index.ts")),
        ({ TensorflowEngine }) => TensorflowEngine.layer(options)
      )
    )
}
