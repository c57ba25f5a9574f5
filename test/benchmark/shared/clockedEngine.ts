/**
 * The onnx engine, taken apart and with a clock on each part. It does what `OnnxEngine.layer` does, by the same functions,
 * but for fingerprints, which are made while the session is.
 */
import { Engine, type Executable, type Program, type Tensors } from "@effusion/core/engine"
import { Optimizations } from "@effusion/core/engine/onnx"
import { Effect } from "effect"
import { composed } from "../../../packages/core/src/engine/onnx/internal/optimizations.ts"
import { probeConvolutionBlock } from "../../../packages/core/src/engine/onnx/internal/probe.ts"
import { engine, makeRuntime } from "../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { lowerSimplified, simplify } from "../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { trace } from "../../../packages/core/src/engine/trace/trace.ts"
import type { EngineChoice } from "./engines.ts"
import { timed } from "./measure.ts"
import { makeSessionClock } from "./sessionClock.ts"

/** Milliseconds of each part of making a program ready. */
export interface Compiling {
  readonly trace: number
  readonly passes: number
  readonly lowering: number
  /** Writing the model as bytes, and its way to the worker. */
  readonly encoding: number
  readonly session: number
}

/** Milliseconds so far. */
export interface Stepping {
  /** In `Instance.step`, as whoever calls it sees it. */
  readonly steps: number
  /** In the native session's `run` alone. */
  readonly session: number
}

/** An engine, and what its clocks show. */
export interface ClockedEngine {
  readonly engine: Engine["Service"]
  /** Milliseconds until the engine was there: its thread, ONNX Runtime, and the probe of its convolutions. */
  readonly starting: number
  /** Of the program that was compiled last. */
  readonly compiling: () => Compiling
  readonly stepping: () => Stepping
}

/** Starts the engine with its clocks; it is gone when the scope closes. */
export const makeClockedEngine = Effect.fnUntraced(function*({ rematerialize, threads, without = [] }: EngineChoice) {
  const optimizations = Optimizations.without(without)
  const clock = makeSessionClock()
  const worker = new URL("./clockedWorker.ts", import.meta.url)
  const start = yield* timed(Effect.gen(function*() {
    const runtime = yield* makeRuntime({ threads, worker })
    return {
      runtime,
      convolutionBlock: optimizations.blockedConvolutions ? yield* probeConvolutionBlock(runtime) : undefined
    }
  }))
  const { runtime, ...options } = { ...start.value, optimizations, rematerialize }
  let compiling: Compiling | undefined
  let steps = 0

  const compile = Effect.fnUntraced(function*(program: Program<Tensors, Tensors, Tensors>) {
    const recorded = yield* timed(trace(program, engine, { composed: composed(optimizations) }))
    const simplified = yield* timed(Effect.sync(() => simplify(recorded.value, options)))
    const lowered = yield* timed(Effect.sync(() => lowerSimplified(simplified.value, options)))
    const before = clock.creating()
    const { signature } = recorded.value
    const { model } = lowered.value
    const compiled = yield* timed(
      runtime.compileModel({ program: program.name, signature, model, optimizations })
    )
    const session = clock.creating() - before
    compiling = {
      trace: recorded.milliseconds,
      passes: simplified.milliseconds,
      lowering: lowered.milliseconds,
      encoding: compiled.milliseconds - session,
      session
    }
    return withClock(compiled.value, (milliseconds) => {
      steps += milliseconds
    })
  })

  // What the probe ran is not the program's.
  const probed = clock.running()
  const clocked: ClockedEngine = {
    // The types of a program are those of its executable; nothing at run time depends on them.
    engine: Engine.of({ ...runtime, name: engine, compile: compile as unknown as Engine["Service"]["compile"] }),
    starting: start.milliseconds,
    compiling: () => compiling!,
    stepping: () => ({ steps, session: clock.running() - probed })
  }
  return clocked
})

const withClock = (
  executable: Executable<Tensors, Tensors, Tensors>,
  add: (milliseconds: number) => void
): Executable<Tensors, Tensors, Tensors> => ({
  ...executable,
  start: (state, options) =>
    Effect.map(executable.start(state, options), (instance) => ({
      ...instance,
      step: (input) =>
        Effect.map(timed(instance.step(input)), ({ milliseconds, value }) => {
          add(milliseconds)
          return value
        })
    }))
})
