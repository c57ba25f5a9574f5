/**
 * The engine: compiles tensor programs, runs them, and owns their memory.
 *
 * Three things live in an engine, each acquired in a `Scope` and gone when that scope closes, on success, failure and
 * interruption alike: a compiled program ({@link Executable}), a state that a program steps forward
 * ({@link Instance}), and the engine itself (a Layer). State never leaves the engine between steps; each step donates
 * the old state and keeps the new one.
 *
 * What is used when its scope has closed, or that of its program or its engine, fails and says so; what was under way
 * comes to its end first. A scope that is closed already takes nothing: what is acquired in it is released at once.
 */
import { Context } from "effect"
import type { Effect, Scope } from "effect"
import type { CompileError, RunError } from "./EngineError.ts"
import type { HostOf, Program, SpecsOf, Tensors } from "./Program.ts"

/** What an engine computes on. */
export interface DeviceInfo {
  readonly kind: "cpu" | "gpu"
  /** As the hardware calls itself, e.g. `AMD EPYC 9R14`. */
  readonly description: string
  /** Threads that one step uses. */
  readonly threads: number
  /** What it is computed with, with versions: `libtensorflow 2.21.0, CUDA 12.5.82`, `ONNX Runtime 1.30.0`. */
  readonly software?: string
  /** What whoever computes on it should know: that there is a better device, and why it is not used. */
  readonly warning?: string
}

/**
 * What lives in an engine at this moment. All four are zero once every scope is closed. A state counts until its own scope
 * closes, also when that of its program has closed or a step has failed.
 */
export interface EngineMemory {
  readonly executables: number
  readonly instances: number
  /** Tensors held in states. */
  readonly tensors: number
  /** Bytes held in states. */
  readonly bytes: number
}

/** A state that a compiled program steps forward. */
export interface Instance<State extends Tensors, Input extends Tensors, Output extends Tensors> {
  /**
   * Runs one step: replaces the state and returns the output. Steps of one instance run one after the other, and a
   * step that has begun runs to its end even if the fiber is interrupted, so the state is always that of a whole step.
   */
  readonly step: (input: HostOf<Input>) => Effect.Effect<HostOf<Output>, RunError>
  /** Copies the present state to the host. */
  readonly read: Effect.Effect<HostOf<State>, RunError>
  /** Replaces the state. */
  readonly write: (state: HostOf<State>) => Effect.Effect<void, RunError>
}

/** How a state is placed. */
export interface StartOptions {
  /**
   * Whether the engine may take the arrays of the state instead of copying them, so that a large state is in memory once.
   * Whoever gives them away does not use them again: they may have become empty, and a start with empty ones fails with
   * `SignatureMismatch`. An array that is part of a larger buffer, is there under two names, or is shared with other
   * threads is copied all the same. Default false.
   */
  readonly donate?: boolean
}

/** A compiled program. */
export interface Executable<State extends Tensors, Input extends Tensors, Output extends Tensors> {
  readonly name: string
  readonly state: SpecsOf<State>
  readonly input: SpecsOf<Input>
  readonly output: SpecsOf<Output>
  /** What whoever runs it should know: that it is computed in a slower way than the engine's own, and why. */
  readonly warning?: string
  /** Places a state on the device. It is copied, unless it is donated. */
  readonly start: (
    state: HostOf<State>,
    options?: StartOptions
  ) => Effect.Effect<Instance<State, Input, Output>, RunError, Scope.Scope>
}

/**
 * The engine service.
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const engine = yield* Engine
 *   const executable = yield* engine.compile(accumulate)
 *   const instance = yield* executable.start({ sum: float32([3], [0, 0, 0]) })
 *   const { mean } = yield* instance.step({ x: float32([3], [1, 2, 3]) })
 *   return mean.data[0] // => 2
 * }).pipe(Effect.scoped, Effect.provide(OnnxEngine.layer()))
 */
export class Engine extends Context.Service<Engine, {
  readonly name: string
  /** How it computes, of an engine that has several ways: `eager`, `graph`, `xla`. */
  readonly mode?: string
  readonly device: DeviceInfo
  readonly compile: <State extends Tensors, Input extends Tensors, Output extends Tensors>(
    program: Program<State, Input, Output>
  ) => Effect.Effect<Executable<State, Input, Output>, CompileError, Scope.Scope>
  readonly memory: Effect.Effect<EngineMemory>
}>()("@effusion/core/engine/Engine") {}
