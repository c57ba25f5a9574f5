/**
 * Modes `graph` and `xla`: a program is traced, lowered to a graph of TensorFlow's, and run in a session in a worker
 * thread.
 */
import { Effect, type Scope } from "effect"
import type { Engine, Executable } from "../../Engine.ts"
import { CompilationFailed, type EngineUnavailable, UnsupportedOperation } from "../../EngineError.ts"
import type { Program, Tensors } from "../../Program.ts"
import { trace } from "../../trace/trace.ts"
import { messageOf } from "../../worker/index.ts"
import type { Prepared } from "../installation/index.ts"
import { lower, type LoweringOptions } from "../lowering/lower.ts"
import { engine } from "../TensorflowError.ts"
import { makeRuntime } from "./Runtime.ts"

/**
 * Makes the engine; its thread is gone, with all that it holds, when the scope closes.
 *
 * @param options how programs are lowered: with `xla`, XLA compiles the step when it first runs
 */
export const makeCompiled = Effect.fnUntraced(
  function*(
    prepared: Prepared,
    options: LoweringOptions
  ): Effect.fn.Return<Engine["Service"], EngineUnavailable, Scope.Scope> {
    const { compileModel, device, memory } = yield* makeRuntime(prepared)
    return {
      name: engine,
      mode: options.xla ? "xla" : "graph",
      device,
      memory,
      compile: Effect.fnUntraced(
        function*<S extends Tensors, I extends Tensors, O extends Tensors>(program: Program<S, I, O>) {
          const graph = yield* trace(program, engine)
          const model = yield* Effect.try({
            try: () => lower(graph, options),
            catch: (cause) => refusal(program.name, cause)
          })
          const executable = yield* compileModel({ program: program.name, signature: graph.signature, model })
          // The signature, against which every tensor is checked, is that of the program.
          return executable as unknown as Executable<S, I, O>
        }
      )
    }
  }
)

/** Lowering throws what it has no lowering for; anything else is a defect of the engine, reported as such. */
const refusal = (program: string, cause: unknown): UnsupportedOperation | CompilationFailed =>
  cause instanceof UnsupportedOperation
    ? cause
    : new CompilationFailed({ program, engine, reason: messageOf(cause) })
