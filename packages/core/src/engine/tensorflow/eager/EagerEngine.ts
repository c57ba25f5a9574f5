/**
 * The mode of the tensorflow engine that runs programs at once, on tfjs's own backend of TensorFlow: nothing is compiled,
 * every operation is called by itself, at every step, in the main thread.
 */
import { Effect, type Scope } from "effect"
import type { DeviceInfo, Engine, Executable } from "../../Engine.ts"
import { EngineUnavailable } from "../../EngineError.ts"
import type { Program, Tensors } from "../../Program.ts"
import { trace } from "../../trace/trace.ts"
import { type Compilation, makeLocalRuntime, messageOf } from "../../worker/index.ts"
import type { Binding } from "../Binding.ts"
import { engine } from "../TensorflowError.ts"
import { loadBackend } from "./load.ts"
import { makeMachine, type Source } from "./machine.ts"

/** What the mode is given. */
export interface EagerOptions {
  /** The folder of `@tensorflow/tfjs-node` or `@tensorflow/tfjs-node-gpu`. */
  readonly folder: string
  /** The addon of that package, loaded in this thread. */
  readonly binding: Binding
  readonly device: DeviceInfo
  /** The error that a reason of TensorFlow's stands for, where it is a particular one. */
  readonly explain?: Compilation<Source>["explain"]
}

/**
 * The engine in its eager mode. A program is traced when it is compiled, as on the other engines, so that what compiles
 * here compiles there; then its function runs at every step.
 *
 * All engines of this mode in a process share one tfjs backend. Each counts what it holds itself.
 *
 * @example
 * const engine = yield* makeEager({ folder: installation.folder, binding: yield* load(installation), device })
 */
export const makeEager = Effect.fnUntraced(
  function*(
    { binding, device, explain, folder }: EagerOptions
  ): Effect.fn.Return<Engine["Service"], EngineUnavailable, Scope.Scope> {
    const tensorflow = yield* Effect.try({
      try: () => loadBackend(folder, binding),
      catch: (cause) =>
        new EngineUnavailable({
          engine,
          reason: messageOf(cause),
          remedy: "install @tensorflow/tfjs-node 4.22.0 or @tensorflow/tfjs-node-gpu 4.22.0, one of them in a process"
        })
    })
    const runtime = yield* makeLocalRuntime<Source>({ engine }, makeMachine(tensorflow))
    return {
      name: engine,
      device,
      memory: runtime.memory,
      compile: Effect.fnUntraced(
        function*<S extends Tensors, I extends Tensors, O extends Tensors>(program: Program<S, I, O>) {
          const { signature } = yield* trace(program, engine)
          const source = { program: program as unknown as Program<Tensors, Tensors, Tensors>, signature }
          const inputs = Object.keys(signature.input)
          const executable = yield* runtime.compile({ program: program.name, signature, inputs, source, explain })
          // The signature, against which every tensor is checked, is that of the program.
          return executable as unknown as Executable<S, I, O>
        }
      )
    }
  }
)
