/**
 * The runtime half of the engine: lowered models, checked and encoded for a worker thread that runs ONNX Runtime.
 *
 * How names meet: a model's inputs are `state.<name>` and `input.<name>`, its outputs `next.<name>` (the state after
 * the step) and `output.<name>`. A state that a program neither reads nor changes is in neither; an input that it does
 * not use is not among the inputs.
 */
import { Effect, type Scope } from "effect"
import { createRequire } from "node:module"
import { availableParallelism, cpus } from "node:os"
import { sameShape, type Shape, showShape, sizeOf, type TensorSpec } from "../../../tensor/HostTensor.ts"
import type { DeviceInfo, EngineMemory, Executable } from "../../Engine.ts"
import { CompilationFailed, EngineUnavailable } from "../../EngineError.ts"
import type { Signature } from "../../graph/Graph.ts"
import type { Tensors } from "../../Program.ts"
import * as Worker from "../../worker/index.ts"
import { encodeApart } from "../encode.ts"
import type { OnnxModel, OnnxValueInfo } from "../Model.ts"
import * as Optimizations from "../Optimizations.ts"
import type { Port, SessionSource } from "./session.ts"
import { settingsOf } from "./settings.ts"
import { disableTelemetry } from "./telemetry.ts"

/** The engine's name. */
export const engine = "onnx"

/** How the runtime works. */
export interface RuntimeOptions {
  /** Threads that one step uses; the processor's available parallelism unless given. */
  readonly threads?: number | undefined
  /** Another worker module than the engine's own; tests of failing workers give one. */
  readonly worker?: URL | undefined
}

/** A lowered program. */
export interface Compilation {
  readonly program: string
  readonly signature: Signature
  readonly model: OnnxModel
  /** What tells the program from others, with which it shares its session; without it, the session is its own. */
  readonly identity?: Worker.Identity | undefined
  /** Which optimizations are on; all are unless given. */
  readonly optimizations?: Optimizations.Optimizations
  /** What the path of the profile begins with that is written when the program is released; none unless given. */
  readonly profile?: string | undefined
}

/** ONNX Runtime in its worker thread. */
export interface Runtime {
  readonly device: DeviceInfo
  /** Encodes a model and makes a session of it, which is released when the scope closes. */
  readonly compileModel: (
    compilation: Compilation
  ) => Effect.Effect<Executable<Tensors, Tensors, Tensors>, CompilationFailed, Scope.Scope>
  /** A program with the session of another one of the same identity, if there is one. */
  readonly share: Worker.Runtime<SessionSource>["share"]
  readonly memory: Effect.Effect<EngineMemory>
}

/** Starts the worker thread; it is gone when the scope closes. */
export const makeRuntime = Effect.fnUntraced(
  function*(options: RuntimeOptions): Effect.fn.Return<Runtime, EngineUnavailable, Scope.Scope> {
    const threads = options.threads ?? availableParallelism()
    if (!Number.isInteger(threads) || threads < 1) {
      return yield* new EngineUnavailable({
        engine,
        reason: `it was asked to use ${threads} threads`,
        remedy: "give a whole number of threads, 1 or more, or leave it out to use all"
      })
    }
    yield* Effect.sync(disableTelemetry)
    const thread = { name: "effusion-onnx", url: options.worker ?? Worker.workerBeside(import.meta.url) }
    const runtime = yield* Worker.makeRuntime<SessionSource>({ engine, thread }).pipe(
      Effect.mapError((reason) => new EngineUnavailable({ engine, reason, remedy: platformRemedy }))
    )
    return {
      device: { kind: "cpu", description: cpus()[0]?.model.trim() ?? process.arch, threads, software: software() },
      compileModel: (compilation) => compileModel(runtime, threads, compilation),
      share: runtime.share,
      memory: runtime.memory
    }
  }
)

/** ONNX Runtime with its version: that of the package, which is loaded in the worker thread only. */
const software = (): string => {
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { readonly version: string }
  return `ONNX Runtime ${version}`
}

const platformRemedy =
  "the package onnxruntime-node must be installed and has binaries for Linux (x64, arm64; glibc 2.28), " +
  "macOS (arm64) and Windows (x64, arm64)"

const compileModel = Effect.fnUntraced(
  function*(
    runtime: Worker.Runtime<SessionSource>,
    threads: number,
    { identity, model, optimizations = Optimizations.all, profile, program, signature }: Compilation
  ): Effect.fn.Return<Executable<Tensors, Tensors, Tensors>, CompilationFailed, Scope.Scope> {
    const failed = (reason: string) => new CompilationFailed({ program, engine, reason })
    const fault = faultOf(model, signature)
    if (fault !== undefined) return yield* failed(fault)
    const encoded = yield* Effect.try({
      try: () => encodeApart(model),
      catch: (cause) => failed(Worker.messageOf(cause))
    })
    return yield* runtime.compile({
      program,
      signature,
      identity,
      inputs: namesOf("input", model.inputs),
      source: {
        ...encoded,
        inputs: model.inputs as ReadonlyArray<Port>,
        outputs: model.outputs as ReadonlyArray<Port>,
        threads,
        ...settingsOf(model, optimizations),
        profile
      },
      transfer: [encoded.model.buffer, encoded.weights.buffer]
    })
  }
)

/** The spec of some of a vector's elements; undefined where it has not so many. */
const partOf = (spec: TensorSpec | undefined, shape: Shape, offset: number | undefined): TensorSpec | undefined =>
  offset === undefined || spec === undefined
    ? spec
    : offset + sizeOf(shape) <= sizeOf(spec.shape)
    ? { ...spec, shape }
    : undefined

/** The names of the graph inputs or outputs of a role. */
const namesOf = (role: Role, values: ReadonlyArray<OnnxValueInfo>): ReadonlyArray<string> =>
  values.filter(({ name }) => name.startsWith(`${role}.`)).map(({ name }) => name.slice(role.length + 1))

type Role = "state" | "input" | "next" | "output"

/** Where a lowered model does not keep to its program's signature, if anywhere. */
const faultOf = ({ inputs, outputs }: OnnxModel, signature: Signature): string | undefined => {
  const specs: { readonly [name: string]: TensorSpec } = Object.fromEntries([
    ...Object.entries(signature.state).flatMap(([name, spec]) => [[`state.${name}`, spec], [`next.${name}`, spec]]),
    ...Object.entries(signature.input).map(([name, spec]) => [`input.${name}`, spec]),
    ...Object.entries(signature.output).map(([name, spec]) => [`output.${name}`, spec])
  ])
  for (
    const [direction, roles, values] of [["input", /^(state|input)\./, inputs], [
      "output",
      /^(next|output)\./,
      outputs
    ]] as const
  ) {
    for (const { dtype, name, shape, within } of values) {
      const spec = roles.test(name) ? partOf(specs[within?.name ?? name], shape, within?.offset) : undefined
      if (spec === undefined) return `the model's ${direction} "${name}" is not in the program's signature`
      if (spec.dtype !== dtype || !sameShape(spec.shape, shape)) {
        return `the model's ${direction} "${name}" is ${dtype} ${showShape(shape)}, and the program's is ` +
          `${spec.dtype} ${showShape(spec.shape)}`
      }
    }
  }
  const made = new Set(namesOf("output", outputs))
  const missing = Object.keys(signature.output).find((name) => !made.has(name))
  return missing === undefined ? undefined : `the model lacks the output "output.${missing}"`
}
