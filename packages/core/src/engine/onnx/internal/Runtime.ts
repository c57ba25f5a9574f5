/**
 * The runtime half of the engine: compiled models and the states that they step forward, as scoped values over a
 * worker thread that runs ONNX Runtime.
 *
 * How names meet: a model's inputs are `state.<name>` and `input.<name>`, its outputs `next.<name>` (the state after
 * the step) and `output.<name>`. A state that a program neither reads nor changes is in neither; an input that it does
 * not use is not among the inputs.
 */
import { Effect, type Scope, Semaphore } from "effect"
import { availableParallelism, cpus } from "node:os"
import { type HostTensor, sameShape, showShape, type TensorSpec } from "../../../tensor/HostTensor.ts"
import type { DeviceInfo, EngineMemory, Executable, Instance } from "../../Engine.ts"
import { CompilationFailed, EngineUnavailable, ExecutionFailed, type RunError } from "../../EngineError.ts"
import type { Signature } from "../../graph/Graph.ts"
import type { Tensors } from "../../Program.ts"
import { encode } from "../encode.ts"
import type { OnnxModel, OnnxValueInfo } from "../Model.ts"
import { type Client, connect, workerUrl } from "./client.ts"
import { type Arrays, buffersOf, type Elements, messageOf, type Port } from "./protocol.ts"
import { mismatch } from "./signature.ts"

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
}

/** ONNX Runtime in its worker thread. */
export interface Runtime {
  readonly device: DeviceInfo
  /** Encodes a model and makes a session of it, which is released when the scope closes. */
  readonly compileModel: (
    compilation: Compilation
  ) => Effect.Effect<Executable<Tensors, Tensors, Tensors>, CompilationFailed, Scope.Scope>
  readonly memory: Effect.Effect<EngineMemory>
}

type HostTensors = { readonly [name: string]: HostTensor }
type Specs = { readonly [name: string]: TensorSpec }

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
    const client = yield* connect(options.worker ?? workerUrl).pipe(
      Effect.mapError((reason) => new EngineUnavailable({ engine, reason, remedy: platformRemedy }))
    )
    const ids = counter()
    return {
      device: { kind: "cpu", description: cpus()[0]?.model.trim() ?? process.arch, threads },
      compileModel: (compilation) => compileModel(client, ids, threads, compilation),
      memory: client.request("memory", {}).pipe(
        // A worker that is gone has taken everything with it.
        Effect.orElseSucceed(() => ({ executables: 0, instances: 0, tensors: 0, bytes: 0 }))
      )
    }
  }
)

const platformRemedy =
  "the package onnxruntime-node must be installed and has binaries for Linux (x64, arm64; glibc 2.28), " +
  "macOS (arm64) and Windows (x64, arm64)"

/** Numbers programs and instances apart. */
const counter = () => {
  let next = 0
  return () => next++
}

const compileModel = Effect.fnUntraced(
  function*(
    client: Client,
    ids: () => number,
    threads: number,
    { model, program: name, signature }: Compilation
  ): Effect.fn.Return<Executable<Tensors, Tensors, Tensors>, CompilationFailed, Scope.Scope> {
    const failed = (reason: string) => new CompilationFailed({ program: name, engine, reason })
    const fault = faultOf(model, signature)
    if (fault !== undefined) return yield* failed(fault)
    const bytes = yield* Effect.try({ try: () => encode(model), catch: (cause) => failed(messageOf(cause)) })

    const program: ProgramHandle = {
      client,
      name,
      signature,
      id: ids(),
      inputs: namesOf("input", model.inputs),
      released: false
    }
    yield* Effect.acquireRelease(
      client.request("compile", {
        program: program.id,
        model: bytes,
        inputs: model.inputs as ReadonlyArray<Port>,
        outputs: model.outputs as ReadonlyArray<Port>,
        threads,
        optimize: computesWithConstants(model)
      }, [bytes.buffer]).pipe(Effect.mapError(failed)),
      () =>
        Effect.suspend(() => {
          program.released = true
          return Effect.ignore(client.request("releaseProgram", { program: program.id }))
        })
    )
    return { name, ...signature, start: (state) => start(program, ids, state) }
  }
)

/**
 * ONNX Runtime's own optimizer lays out weights that are constants, as those of a network that samples are: its
 * convolutions then take half the time. Where weights are state it finds nothing to gain, takes a tenth of a second to
 * a second to do so, and joins transposes that are faster apart.
 */
const computesWithConstants = ({ initializers }: OnnxModel): boolean =>
  initializers.some(({ data, shape }) => shape.length >= 2 && data.length >= 1024)

/** A program in the worker. */
interface ProgramHandle {
  readonly client: Client
  readonly id: number
  readonly name: string
  readonly signature: Signature
  /** The names of the inputs that the model uses. */
  readonly inputs: ReadonlyArray<string>
  released: boolean
}

const start = Effect.fnUntraced(
  function*(
    program: ProgramHandle,
    ids: () => number,
    state: HostTensors
  ): Effect.fn.Return<Instance<Tensors, Tensors, Tensors>, RunError, Scope.Scope> {
    const { client, signature } = program
    const failed = (reason: string) => new ExecutionFailed({ program: program.name, engine, reason })
    if (program.released) return yield* failed(programReleased)
    const wrong = mismatch(program.name, "state", signature.state, state)
    if (wrong !== undefined) return yield* wrong

    const instance = ids()
    const turns = yield* Semaphore.make(1)
    /** Why the instance cannot be used any more. */
    let ended: string | undefined

    /** Sends a request when its turn has come. Waiting for the turn can be interrupted, what follows cannot. */
    const inTurn = <A>(send: Effect.Effect<A, string>): Effect.Effect<A, ExecutionFailed> =>
      turns.withPermit(Effect.suspend(() => {
        const reason = ended ?? (program.released ? programReleased : undefined)
        return reason === undefined ? Effect.uninterruptible(send) : Effect.fail(reason)
      })).pipe(Effect.mapError(failed))

    const step = (input: HostTensors) =>
      Effect.suspend((): Effect.Effect<HostTensors, RunError> => {
        const wrong = mismatch(program.name, "input", signature.input, input)
        if (wrong !== undefined) return Effect.fail(wrong)
        return inTurn(
          send(
            input,
            program.inputs,
            (arrays) => client.request("step", { instance, input: arrays }, buffersOf(arrays))
          )
            .pipe(
              Effect.tapError((reason) =>
                Effect.sync(() => {
                  ended = `an earlier step failed: ${reason}`
                })
              ),
              Effect.map((arrays) => hostTensors(signature.output, arrays))
            )
        )
      })

    const read = inTurn(client.request("read", { instance })).pipe(
      Effect.map((arrays) => hostTensors(signature.state, arrays))
    )

    const names = Object.keys(signature.state)
    const write = (next: HostTensors) =>
      Effect.suspend((): Effect.Effect<void, RunError> => {
        const wrong = mismatch(program.name, "state", signature.state, next)
        if (wrong !== undefined) return Effect.fail(wrong)
        return inTurn(
          send(next, names, (arrays) => client.request("write", { instance, state: arrays }, buffersOf(arrays)))
        )
      })

    yield* Effect.acquireRelease(
      send(
        state,
        names,
        (arrays) => client.request("start", { instance, program: program.id, state: arrays }, buffersOf(arrays))
      ).pipe(Effect.mapError(failed)),
      () =>
        Effect.suspend(() => {
          ended = "the instance was released: its scope is closed"
          return Effect.ignore(client.request("releaseInstance", { instance }))
        })
    )
    return { step, read, write }
  }
)

const programReleased = "the compiled program was released: its scope is closed"

/** Sends copies of the named tensors: the caller's arrays stay as they are, the copies go to the worker for good. */
const send = <A>(
  tensors: HostTensors,
  names: ReadonlyArray<string>,
  request: (arrays: Arrays) => Effect.Effect<A, string>
): Effect.Effect<A, string> =>
  Effect.try({
    try: () => Object.fromEntries(names.map((name) => [name, tensors[name]!.data.slice() as Elements])),
    catch: messageOf
  }).pipe(Effect.flatMap(request))

const hostTensors = (specs: Specs, arrays: Arrays): HostTensors =>
  Object.fromEntries(
    Object.entries(specs).map(([name, { dtype, shape }]) => [name, { dtype, shape, data: arrays[name]! }])
  )

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
    for (const { dtype, name, shape } of values) {
      const spec = roles.test(name) ? specs[name] : undefined
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
