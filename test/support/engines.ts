/**
 * The engines that what is built on engines is tested with.
 */
import { layer } from "@effect/vitest"
import type { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Layer } from "effect"
import * as EagerEngine from "./EagerEngine.ts"

const engines: { readonly [name: string]: Layer.Layer<Engine> } = {
  onnx: Layer.orDie(OnnxEngine.layer()),
  eager: EagerEngine.layer
}

/** Declares the same tests for every engine. Clock and console are the real ones. */
export const describeEngines = (
  subject: string,
  tests: Parameters<ReturnType<typeof layer<Engine, never>>>[1]
): void => {
  for (const [name, engine] of Object.entries(engines)) {
    layer(engine, { excludeTestServices: true })(`${subject} (${name})`, tests)
  }
}
