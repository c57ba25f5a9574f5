/**
 * The memory suite: an engine holds what its scopes hold, nothing else and no longer, whatever is done to it.
 *
 * It is written once, for every engine; a new engine calls {@link engineMemory} in a test file of its own.
 */
import { describe, layer as withLayer } from "@effect/vitest"
import type { Engine, EngineUnavailable } from "@effusion/core/engine"
import type { Layer } from "effect"
import type { CommandOptions } from "./commands.ts"
import { type InterruptionOptions, interruptionTests } from "./interruptions.ts"
import { raceTests } from "./races.ts"
import { sequenceTests } from "./sequences.ts"

/** What is particular to an engine. */
export interface MemoryOptions extends Pick<CommandOptions, "checksIndices"> {
  readonly interruptions: InterruptionOptions
  readonly races: { readonly runs: number }
}

/**
 * Registers the tests that hold an engine to what it says of memory.
 *
 * @example
 * engineMemory("onnx", OnnxEngine.layer(), { checksIndices: true })
 */
export const engineMemory = (
  name: string,
  layer: Layer.Layer<Engine, EngineUnavailable>,
  options: MemoryOptions
): void => {
  describe(`the memory of the engine ${name}`, () => {
    withLayer(layer, { excludeTestServices: true })((it) => {
      sequenceTests(it, layer, options)
      interruptionTests(it, options.interruptions)
      raceTests(it, options.races)
    })
  })
}
