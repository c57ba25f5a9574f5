/**
 * The runtime half of modes `graph` and `xla`: lowered programs, encoded for a worker thread that runs TensorFlow.
 */
import { Effect, type Scope } from "effect"
import type { DeviceInfo, EngineMemory, Executable } from "../../Engine.ts"
import { CompilationFailed, type EngineUnavailable } from "../../EngineError.ts"
import type { Signature } from "../../graph/Graph.ts"
import type { Tensors } from "../../Program.ts"
import * as Worker from "../../worker/index.ts"
import { encode } from "../encode.ts"
import { deviceOf } from "../installation/device.ts"
import { loadError, type Prepared } from "../installation/index.ts"
import type { TensorflowModel } from "../Model.ts"
import { engine, unavailable } from "../TensorflowError.ts"
import type { SessionSource } from "./machine.ts"
import { outOfMemory } from "./outOfMemory.ts"

/** A lowered program. */
export interface Compilation {
  readonly program: string
  readonly signature: Signature
  readonly model: TensorflowModel
}

/** TensorFlow in its worker thread. */
export interface Runtime {
  readonly device: DeviceInfo
  /** Encodes a model and loads it into a session; its sessions are gone when the scope closes. */
  readonly compileModel: (
    compilation: Compilation
  ) => Effect.Effect<Executable<Tensors, Tensors, Tensors>, CompilationFailed, Scope.Scope>
  readonly memory: Effect.Effect<EngineMemory>
}

/**
 * Starts the worker thread, which loads TensorFlow; it is gone when the scope closes.
 *
 * @param worker another worker module than the engine's own; tests of failing workers give one
 */
export const makeRuntime = Effect.fnUntraced(
  function*(
    prepared: Prepared,
    worker: URL = Worker.workerBeside(import.meta.url)
  ): Effect.fn.Return<Runtime, EngineUnavailable, Scope.Scope> {
    const { addon } = prepared.installation
    const runtime = yield* Worker.makeRuntime<SessionSource>({
      engine,
      thread: { name: "effusion-tensorflow", url: worker, data: addon }
    }).pipe(Effect.mapError((reason) => unavailable(loadError(reason, addon))))
    const { usesGpu, version } = runtime.facts as { readonly usesGpu: boolean; readonly version: string }
    const device = yield* Effect.mapError(deviceOf({ ...prepared, usesGpu, version }), unavailable)
    return {
      device,
      compileModel: (compilation) => compileModel(runtime, device, compilation),
      memory: runtime.memory
    }
  }
)

const compileModel = Effect.fnUntraced(
  function*(
    runtime: Worker.Runtime<SessionSource>,
    device: DeviceInfo,
    { model, program, signature }: Compilation
  ): Effect.fn.Return<Executable<Tensors, Tensors, Tensors>, CompilationFailed, Scope.Scope> {
    const savedModel = yield* Effect.try({
      try: () => encode(model),
      catch: (cause) => new CompilationFailed({ program, engine, reason: Worker.messageOf(cause) })
    })
    const { read, step, stepped, write, written } = model
    const { input, state } = signature
    return yield* runtime.compile({
      program,
      signature,
      inputs: Object.keys(step.feeds),
      source: { savedModel, step, stepped, write, written, read, state, input },
      transfer: [savedModel.buffer],
      explain: (reason) => outOfMemory(reason, program, device.description)
    })
  }
)
