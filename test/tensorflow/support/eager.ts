/** The engine in its eager mode, for tests. */
import { Engine, type EngineUnavailable } from "@effusion/core/engine"
import { Layer } from "effect"
import { createRequire } from "node:module"
import type { Binding } from "../../../packages/core/src/engine/tensorflow/Binding.ts"
import { makeEager } from "../../../packages/core/src/engine/tensorflow/eager/index.ts"

// @effect-diagnostics-next-line processEnv:off
export const folder = process.env["EFFUSION_TENSORFLOW"]!

export const binding = createRequire(import.meta.url)(`${folder}/lib/napi-v8/tfjs_binding.node`) as Binding

export const eagerLayer: Layer.Layer<Engine, EngineUnavailable> = Layer.effect(
  Engine,
  makeEager({ folder, binding, device: { kind: "cpu", description: "the processor", threads: 2 } })
)
