/**
 * Compiled programs and the states that they step forward, as scoped values over a worker thread.
 */
import { Effect, type Scope, Semaphore } from "effect"
import type { HostTensor, TensorSpec } from "../../tensor/HostTensor.ts"
import type { EngineMemory, Executable, Instance, StartOptions } from "../Engine.ts"
import { CompilationFailed, ExecutionFailed, type RunError } from "../EngineError.ts"
import type { Tensors } from "../Program.ts"
import { type Client, connect, type Thread } from "./client.ts"
import { connectLocally } from "./local.ts"
import type { Machine } from "./Machine.ts"
import { type Identity, makeProgramRegistry, type ProgramRegistry, type RegisteredProgram } from "./ProgramRegistry.ts"
import { type Arrays, buffersOf, type Elements, type Facts, messageOf } from "./protocol.ts"
import { mismatch } from "./signature.ts"

/** What the runtime of an engine is told. */
export interface RuntimeOptions {
  /** The engine's name. */
  readonly engine: string
}

/** A program as the engine has lowered it. */
export interface Compilation<Source> {
  readonly program: string
  readonly signature: Pick<AnyExecutable, "state" | "input" | "output">
  /** The inputs that the lowered program uses; no others are sent. */
  readonly inputs: ReadonlyArray<string>
  readonly source: Source
  /** What tells the program from others; without it, what is compiled is for this program alone. */
  readonly identity?: Identity | undefined
  /** Buffers of the source, which go over to the worker. */
  readonly transfer?: ReadonlyArray<ArrayBuffer>
  /** The error that a reason of the worker's stands for when it runs, where it is a particular one. */
  readonly explain?: ((reason: string, program: string) => RunError | undefined) | undefined
}

/** A program that need not be lowered where another one of its identity lives. */
export type Sharing =
  & Pick<Compilation<unknown>, "program" | "signature" | "explain">
  & { readonly identity: Identity }

/** A worker thread that compiles and runs programs. */
export interface Runtime<Source> {
  /** What the worker knows of the runtime in it. */
  readonly facts: Facts
  /** Compiles a program, which is released when the scope closes. */
  readonly compile: (
    compilation: Compilation<Source>
  ) => Effect.Effect<AnyExecutable, CompilationFailed, Scope.Scope>
  /**
   * A program that shares what was compiled, or is being compiled, for another one of the same identity; undefined where
   * none lives. What is shared is released with the last program that shares it.
   */
  readonly share: (sharing: Sharing) => Effect.Effect<AnyExecutable | undefined, never, Scope.Scope>
  readonly memory: Effect.Effect<EngineMemory>
}

type AnyExecutable = Executable<Tensors, Tensors, Tensors>
type AnyInstance = Instance<Tensors, Tensors, Tensors>
type HostTensors = { readonly [name: string]: HostTensor }
type Specs = { readonly [name: string]: TensorSpec }

/** Starts the worker thread; it is gone when the scope closes. Fails with the reason why it does not work. */
export const makeRuntime = <Source>(
  options: RuntimeOptions & { readonly thread: Thread }
): Effect.Effect<Runtime<Source>, string, Scope.Scope> =>
  Effect.map(connect<Source>(options.thread), (client) => runtimeOf(options, client))

/** The same in this thread, which does nothing else while the machine computes. */
export const makeLocalRuntime = <Source>(
  options: RuntimeOptions,
  machine: Machine<Source>
): Effect.Effect<Runtime<Source>, never, Scope.Scope> =>
  Effect.map(connectLocally(machine), (client) => runtimeOf(options, client))

const runtimeOf = <Source>(options: RuntimeOptions, client: Client<Source>): Runtime<Source> => {
  const connection: Connection<Source> = {
    engine: options.engine,
    client,
    ids: counter(),
    programs: makeProgramRegistry()
  }
  return {
    facts: client.facts,
    compile: (compilation) => compile(connection, compilation),
    share: (sharing) => share(connection, sharing),
    memory: client.request("memory", {}).pipe(
      // A worker that is gone has taken everything with it.
      Effect.orElseSucceed(() => ({ executables: 0, instances: 0, tensors: 0, bytes: 0 }))
    )
  }
}

/** The worker that programs are compiled in, and those that are in it. */
interface Connection<Source> {
  readonly engine: string
  readonly client: Client<Source>
  /** Numbers programs and instances apart. */
  readonly ids: () => number
  readonly programs: ProgramRegistry
}

const counter = () => {
  let next = 0
  return () => next++
}

const compile = <Source>(
  connection: Connection<Source>,
  { identity, inputs, source, transfer, ...described }: Compilation<Source>
): Effect.Effect<AnyExecutable, CompilationFailed, Scope.Scope> =>
  Effect.suspend(() => {
    const { client, engine, ids } = connection
    const id = ids()
    const made = client.request("compile", { program: id, source }, transfer).pipe(
      Effect.mapError((reason) => new CompilationFailed({ program: described.program, engine, reason }))
    )
    return acquireProgram(connection, { ...described, identity, id, inputs }, made)
  })

const share = <Source>(
  connection: Connection<Source>,
  sharing: Sharing
): Effect.Effect<AnyExecutable | undefined, never, Scope.Scope> =>
  Effect.suspend((): Effect.Effect<AnyExecutable | undefined, string, Scope.Scope> => {
    const { client, ids, programs } = connection
    const registered = programs.find(sharing.identity)
    if (registered === undefined) return Effect.undefined
    const id = ids()
    // The worker answers in order: what is being compiled is there when it comes to this request.
    const made = client.request("share", { program: id, of: registered.id })
    return acquireProgram(connection, { ...sharing, id, inputs: registered.inputs }, made)
  }).pipe(
    // It could not be compiled, or is released already, or the worker is gone: who compiles afresh is told what is wrong.
    Effect.orElseSucceed(() => undefined)
  )

/** A program on its way into the worker. */
type PendingProgram = Omit<Sharing, "identity"> & RegisteredProgram & { readonly identity?: Identity | undefined }

/** Has a program made in the worker, where it lives until the scope closes; as long as it does, others may share it. */
const acquireProgram = Effect.fnUntraced(
  function*<Source, E>(
    { client, engine, ids, programs }: Connection<Source>,
    { explain, id, identity, inputs, program: name, signature }: PendingProgram,
    made: Effect.Effect<void, E>
  ): Effect.fn.Return<AnyExecutable, E, Scope.Scope> {
    const unusable = (reason: string) => new ExecutionFailed({ program: name, engine, reason })
    const program: ProgramHandle<Source> = {
      client,
      name,
      signature,
      id,
      inputs,
      released: false,
      unusable,
      failed: (reason) => explain?.(reason, name) ?? unusable(reason)
    }
    const enter = Effect.sync(() => {
      if (identity !== undefined) programs.add(identity, program)
    })
    const leave = Effect.sync(() => {
      program.released = true
      programs.remove(program)
    })
    // There is time for it while the worker compiles, and the elements are still what they were.
    const identify = Effect.sync(() => {
      identity?.structure()
      identity?.elements()
    })
    const identified = Effect.zip(made, identify, { concurrent: true })
    yield* Effect.acquireRelease(
      Effect.andThen(enter, Effect.onError(identified, () => leave)),
      () => Effect.andThen(leave, Effect.ignore(client.request("releaseProgram", { program: id })))
    )
    return { name, ...signature, start: (state, options) => start(program, ids, state, options) }
  }
)

/** A program in the worker. */
interface ProgramHandle<Source> extends RegisteredProgram, Pick<Compilation<Source>, "signature"> {
  readonly client: Client<Source>
  readonly name: string
  /** The error for what is not there any more. */
  readonly unusable: (reason: string) => ExecutionFailed
  /** The error for a reason of the worker's. */
  readonly failed: (reason: string) => RunError
  released: boolean
}

const start = Effect.fnUntraced(
  function*<Source>(
    program: ProgramHandle<Source>,
    ids: () => number,
    state: HostTensors,
    { donate = false }: StartOptions = {}
  ): Effect.fn.Return<AnyInstance, RunError, Scope.Scope> {
    const { client, failed, signature, unusable } = program
    if (program.released) return yield* unusable(programReleased)
    const wrong = mismatch(program.name, "state", signature.state, state)
    if (wrong !== undefined) return yield* wrong

    const instance = ids()
    const turns = yield* Semaphore.make(1)
    /** Why the instance cannot be used any more. */
    let ended: string | undefined

    /** Sends a request when its turn has come. Waiting for the turn can be interrupted, what follows cannot. */
    const inTurn = <A>(send: Effect.Effect<A, string>): Effect.Effect<A, RunError> =>
      turns.withPermit(Effect.suspend(() => {
        const reason = ended ?? (program.released ? programReleased : undefined)
        if (reason !== undefined) return Effect.fail(unusable(reason))
        return Effect.uninterruptible(Effect.mapError(send, failed))
      }))

    const step = (input: HostTensors) =>
      Effect.suspend((): Effect.Effect<HostTensors, RunError> => {
        const wrong = mismatch(program.name, "input", signature.input, input)
        if (wrong !== undefined) return Effect.fail(wrong)
        return inTurn(
          send(
            copies(input, program.inputs),
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
          send(copies(next, names), (arrays) => client.request("write", { instance, state: arrays }, buffersOf(arrays)))
        )
      })

    // `acquireRelease` would hold what it acquires with, the caller's state, until the release.
    yield* Effect.uninterruptible(
      send(
        donate ? transferable(state, names) : copies(state, names),
        (arrays) => client.request("start", { instance, program: program.id, state: arrays }, buffersOf(arrays))
      ).pipe(
        Effect.mapError(failed),
        Effect.andThen(Effect.addFinalizer(() =>
          Effect.suspend(() => {
            ended = "the instance was released: its scope is closed"
            return Effect.ignore(client.request("releaseInstance", { instance }))
          })
        ))
      )
    )
    return { step, read, write }
  }
)

const programReleased = "the compiled program was released: its scope is closed"

/** Sends arrays, which go to the worker for good. What `make` throws is the reason why not. */
const send = <A>(
  make: () => Arrays,
  request: (arrays: Arrays) => Effect.Effect<A, string>
): Effect.Effect<A, string> => Effect.try({ try: make, catch: messageOf }).pipe(Effect.flatMap(request))

/** Copies of the named tensors: the caller's arrays stay as they are. */
const copies = (tensors: HostTensors, names: ReadonlyArray<string>) => (): Arrays =>
  Object.fromEntries(names.map((name) => [name, tensors[name]!.data.slice() as Elements]))

/** The named tensors themselves, where an array is all of its buffer and no other's, so that it can go; copies of the others. */
const transferable = (tensors: HostTensors, names: ReadonlyArray<string>) => (): Arrays => {
  const buffers = names.map((name) => tensors[name]!.data.buffer)
  const isOwn = ({ buffer, byteLength }: HostTensor["data"]): boolean =>
    buffer instanceof ArrayBuffer && byteLength === buffer.byteLength &&
    buffers.indexOf(buffer) === buffers.lastIndexOf(buffer)
  return Object.fromEntries(names.map((name) => {
    const { data } = tensors[name]!
    return [name, (isOwn(data) ? data : data.slice()) as Elements]
  }))
}

const hostTensors = (specs: Specs, arrays: Arrays): HostTensors =>
  Object.fromEntries(
    Object.entries(specs).map(([name, { dtype, shape }]) => [name, { dtype, shape, data: arrays[name]! }])
  )
