/**
 * A peer: a process that does the same work in some framework, and is asked for a few steps at a time.
 */
import { Data, Effect, Queue, Ref, Schema, Stream } from "effect"
import type { Cause, Scope } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { Checked, Greeting, Ran, Remembered, type Values } from "./protocol.ts"

/** How a peer is started. */
export interface PeerCommand {
  /** As tables name it. */
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Environment variables, besides those of this process. */
  readonly environment?: { readonly [name: string]: string }
  /** Whether it is left out, in place of an error, where it fails or computes something else: compilers may. */
  readonly mayFail?: boolean
}

/** A peer that has the work before it. */
export interface Peer {
  readonly name: string
  /** What it runs on: `torch 2.13.0`. */
  readonly version: string
  readonly parameters: number
  readonly check: Effect.Effect<Values, PeerFailed>
  /** Milliseconds of each of the next `count` steps. */
  readonly run: (count: number) => Effect.Effect<ReadonlyArray<number>, PeerFailed>
  /** The most memory that its process has had resident, in MiB. */
  readonly peakMemory: Effect.Effect<number, PeerFailed>
}

/** A peer could not do what it was asked for. */
export class PeerFailed extends Data.TaggedError("PeerFailed")<{ readonly peer: string; readonly reason: string }> {
  override get message() {
    return `the peer ${this.peer} failed: ${this.reason}`
  }
}

/** A peer is not there: what it runs on is not installed. */
export class PeerMissing extends Data.TaggedError("PeerMissing")<{ readonly peer: string; readonly reason: string }> {
  override get message() {
    return `${this.peer}: ${this.reason}.`
  }
}

/** Starts a peer on the work in a folder; its process is gone when the scope closes. */
export const openPeer = Effect.fnUntraced(function*(
  { args, command, environment, name }: PeerCommand,
  folder: string
): Effect.fn.Return<
  Peer,
  PeerFailed | PeerMissing,
  ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> {
  const failed = (reason: string) => new PeerFailed({ peer: name, reason })
  const missing = (reason: string) => new PeerMissing({ peer: name, reason })
  const requests = yield* Queue.unbounded<string, Cause.Done>()
  const replies = yield* Queue.unbounded<string, Cause.Done>()
  const complaint = yield* Ref.make("")

  const process = yield* ChildProcess.make(command, [args[0]!, folder, ...args.slice(1)], {
    stdin: Stream.encodeText(Stream.map(Stream.fromQueue(requests), (request) => `${request}\n`)),
    env: environment ?? {},
    extendEnv: true
  }).pipe(Effect.mapError(() => missing(`"${command}" cannot be started`)))
  const lines = (stream: typeof process.stdout) => stream.pipe(Stream.decodeText(), Stream.splitLines)
  // The last line that is no blank: where a program dies, it says why there.
  yield* lines(process.stderr).pipe(
    Stream.filter((line) => line.trim() !== ""),
    Stream.runForEach((line) => Ref.set(complaint, line.trim())),
    Effect.ignore,
    Effect.forkScoped
  )
  yield* lines(process.stdout).pipe(
    Stream.filter((line) => line.startsWith("{")),
    Stream.runForEach((line) => Queue.offer(replies, line)),
    Effect.ignore,
    Effect.andThen(Queue.end(replies)),
    Effect.forkScoped
  )

  const reply = <A>(schema: Schema.ConstraintDecoder<A>): Effect.Effect<A, PeerFailed> =>
    Queue.take(replies).pipe(
      Effect.catch(() =>
        Effect.gen(function*() {
          const code = yield* Effect.orElseSucceed(process.exitCode, () => "unknown")
          return yield* failed(`it ended with code ${code} (${(yield* Ref.get(complaint)) || "without a word"})`)
        })
      ),
      Effect.flatMap((line) =>
        Effect.mapError(
          Schema.decodeEffect(Schema.fromJsonString(schema))(line),
          () => failed(`it answered ${line.slice(0, 200)}`)
        )
      )
    )
  const ask = <A extends object>(request: string, schema: Schema.ConstraintDecoder<A | { readonly error: string }>) =>
    Effect.gen(function*() {
      yield* Queue.offer(requests, request)
      const answer = yield* reply(schema)
      return "error" in answer ? yield* failed(answer.error) : answer
    })

  const greeting = yield* reply(Greeting)
  if ("error" in greeting) return yield* failed(greeting.error)
  if ("missing" in greeting) return yield* missing(`"${greeting.missing}" cannot be imported`)
  return {
    name,
    version: greeting.ready,
    parameters: greeting.parameters,
    check: Effect.map(ask("check", Checked), ({ values }) => values),
    run: (count) => Effect.map(ask(`run ${count}`, Ran), ({ ms }) => ms),
    peakMemory: Effect.map(ask("memory", Remembered), ({ peak_mib }) => peak_mib)
  }
})
