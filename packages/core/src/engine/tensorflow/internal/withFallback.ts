/**
 * Mode `auto`: an engine, and another one for what the first cannot compile.
 */
import { Effect, Scope } from "effect"
import type { Engine, EngineMemory } from "../../Engine.ts"
import type { CompileError, EngineUnavailable } from "../../EngineError.ts"
import type { Program, Tensors } from "../../Program.ts"

/**
 * The first engine, with the second in its place for programs that the first refuses, though they are sound: what is
 * compiled there has a `warning` that says so. The second is made when it is first needed; where it does not work either,
 * the error is the first's.
 *
 * @param keepsAll whether it is to be said that the second keeps what the first was asked to compute again
 * @example
 * const engine = yield* withFallback(yield* makeCompiled(prepared, { xla: false }), eager(prepared))
 */
export const withFallback = Effect.fnUntraced(
  function*(
    first: Engine["Service"],
    makeSecond: Effect.Effect<Engine["Service"], EngineUnavailable, Scope.Scope>,
    { keepsAll = false }: { readonly keepsAll?: boolean } = {}
  ): Effect.fn.Return<Engine["Service"], never, Scope.Scope> {
    const scope = yield* Effect.scope
    const drawback = keepsAll ? "which is slower, and keeps all that a step computes" : "which is slower"
    let present: Engine["Service"] | undefined
    const second = yield* Effect.cached(
      Effect.tap(Scope.provide(makeSecond, scope), (made) =>
        Effect.sync(() => {
          present = made
        }))
    )
    return {
      ...first,
      compile: <S extends Tensors, I extends Tensors, O extends Tensors>(program: Program<S, I, O>) =>
        Effect.catchIf(first.compile(program), isRefusal, (error) =>
          second.pipe(
            Effect.mapError(() => error),
            Effect.flatMap((engine) => engine.compile(program)),
            Effect.map((executable) => ({
              ...executable,
              warning:
                `program "${program.name}" runs operation by operation (mode eager), ${drawback}: ${error.message}`
            }))
          )),
      memory: Effect.gen(function*() {
        const memory = yield* first.memory
        return present === undefined ? memory : plus(memory, yield* present.memory)
      })
    }
  }
)

/** Whether an error is the engine's, not the program's. */
const isRefusal = ({ _tag }: CompileError): boolean => _tag === "CompilationFailed" || _tag === "UnsupportedOperation"

const plus = (a: EngineMemory, b: EngineMemory): EngineMemory => ({
  executables: a.executables + b.executables,
  instances: a.instances + b.instances,
  tensors: a.tensors + b.tensors,
  bytes: a.bytes + b.bytes
})
