/**
 * The memory suite: an engine holds what its scopes hold, nothing else and no longer, whatever is done to it.
 *
 * It is written once, for every engine; a new engine calls {@link engineMemory} in a test file of its own.
 */
import { describe, layer as withLayer } from "@effect/vitest"
import { Engine, type EngineUnavailable } from "@effusion/core/engine"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { closingTests } from "./closing.ts"
import type { OpenEngine } from "./Command.ts"
import type { CommandOptions } from "./commands.ts"
import { type InterruptionOptions, interruptionTests } from "./interruptions.ts"
import { raceTests } from "./races.ts"
import { sequenceTests } from "./sequences.ts"

/** What is particular to an engine. */
export interface MemoryOptions extends Pick<CommandOptions, "checksIndices"> {
  readonly interruptions: InterruptionOptions
  /** How many interleavings of training, checkpoints and previews are tried. */
  readonly races: { readonly runs: number }
}

/**
 * Registers the tests that hold an engine to what it says of memory.
 *
 * @example
 * engineMemory("onnx", OnnxEngine.layer({ threads: 1 }), {
 *   checksIndices: true,
 *   interruptions: { steps: 2000, hidden: 8192, megabytes: 16 },
 *   races: { runs: 50 }
 * })
 */
export const engineMemory = (
  name: string,
  layer: Layer.Layer<Engine, EngineUnavailable>,
  options: MemoryOptions
): void => {
  /** Builds the engine anew. */
  const open: Effect.Effect<OpenEngine, EngineUnavailable> = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    return { service: Context.get(context, Engine), close: Scope.close(scope, Exit.void) }
  })
  describe(`the memory of the engine ${name}`, () => {
    withLayer(layer, { excludeTestServices: true })((it) => {
      sequenceTests(it, open, options)
      closingTests(it, open)
      interruptionTests(it, options.interruptions)
      raceTests(it, options.races)
    })
  })
}
