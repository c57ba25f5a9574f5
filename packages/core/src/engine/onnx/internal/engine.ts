/**
 * The engine over its runtime: how a program becomes one that runs, or shares the session of one that does.
 */
import { Effect, References } from "effect"
import type { Engine, Executable } from "../../Engine.ts"
import { CompilationFailed, UnsupportedOperation } from "../../EngineError.ts"
import { fingerprint } from "../../graph/fingerprint.ts"
import type { Program, Tensors } from "../../Program.ts"
import { trace } from "../../trace/trace.ts"
import { type LoweringOptions, lowerWithSources } from "../lowering/lower.ts"
import type { Optimizations } from "../Optimizations.ts"
import type { Recording } from "../Profiler.ts"
import { composed } from "./optimizations.ts"
import { engine, type Runtime } from "./Runtime.ts"

/** How the engine lowers programs. */
export interface Lowering extends LoweringOptions {
  readonly optimizations: Optimizations
}

/** The engine on a runtime. With a recording, every program is profiled by itself. */
export const engineOf = (
  { compileModel, device, memory, share }: Runtime,
  lowering: Lowering,
  recording: Recording | undefined
): Engine["Service"] => ({
  name: engine,
  device,
  memory,
  compile: Effect.fnUntraced(
    function*<S extends Tensors, I extends Tensors, O extends Tensors>(program: Program<S, I, O>) {
      const graph = yield* trace(program, engine, {
        origins: recording !== undefined,
        composed: composed(lowering.optimizations)
      })
      const { signature } = graph
      // A profile is of one program.
      const identity = recording === undefined ? fingerprint(graph) : undefined
      const shared = identity && (yield* share({ program: program.name, signature, identity }))
      // The signature, against which every tensor is checked, is that of the program.
      if (shared !== undefined) return shared as unknown as Executable<S, I, O>
      const lowered = yield* Effect.try({
        try: () => lowerWithSources(graph, lowering),
        catch: (cause) => refusal(program.name, cause)
      })
      const executable = yield* compileModel({
        program: program.name,
        signature,
        identity,
        model: lowered.model,
        optimizations: lowering.optimizations,
        profile: recording?.begin(lowered)
      })
      return executable as unknown as Executable<S, I, O>
    },
    // Between looking for a program to share and asking for one of its own no other fiber gets a turn to do the same.
    Effect.provideService(References.PreventSchedulerYield, true)
  )
})

/** Lowering throws what it has no lowering for; anything else is a defect of the engine, reported as such. */
const refusal = (program: string, cause: unknown): UnsupportedOperation | CompilationFailed =>
  cause instanceof UnsupportedOperation
    ? cause
    : new CompilationFailed({ program, engine, reason: cause instanceof Error ? cause.message : String(cause) })
