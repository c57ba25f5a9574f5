/**
 * An engine's end of the line to its worker thread: requests as effects that always end, with an answer or with the
 * reason why there is none, also when the thread dies.
 */
import { Effect, type Scope } from "effect"
import { Worker } from "node:worker_threads"
import { messageOf } from "./protocol.ts"
import type { Facts, Greeting, Protocol, Reply, RequestType } from "./protocol.ts"

/** A worker thread at work. Requests fail with a reason, in words. */
export interface Client<Source> {
  /** What the worker knows of its runtime. */
  readonly facts: Facts
  /**
   * Sends a request and waits for its answer. It cannot be interrupted between the two, for what the worker has been
   * asked to do it does.
   */
  readonly request: <T extends RequestType>(
    type: T,
    body: Protocol<Source>[T]["request"],
    transfer?: ReadonlyArray<ArrayBuffer>
  ) => Effect.Effect<Protocol<Source>[T]["response"], string>
}

/** Which thread to start. */
export interface Thread {
  /** What the operating system and profilers call it. */
  readonly name: string
  /** Its module, which does its `work`. */
  readonly url: URL
  /** What it is told at its start. */
  readonly data?: unknown
}

/**
 * The module of an engine's worker thread, beside the engine's own: TypeScript in the source tree, JavaScript in the
 * package.
 *
 * @example
 * workerBeside(import.meta.url) // => file:///.../engine/onnx/internal/worker.ts
 */
export const workerBeside = (module: string): URL =>
  new URL(module.endsWith(".ts") ? "./worker.ts" : "./worker.js", module)

/**
 * Starts a worker thread; it has released everything and is gone when the scope closes. Waiting for it to load can be
 * interrupted: a thread that does not load is ended.
 */
export const connect = <Source>(thread: Thread): Effect.Effect<Client<Source>, string, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      // The operating system may have no more threads to give.
      Effect.try({ try: () => begin<Source>(thread), catch: messageOf }),
      ({ close }) => close
    ),
    ({ greeted }) => greeted
  )

/** A thread that has begun. */
interface Beginning<Source> {
  /** Waits until it has loaded, or cannot. */
  readonly greeted: Effect.Effect<Client<Source>, string>
  readonly close: Effect.Effect<void>
}

/** How long a thread that nobody waits for any more may go on loading: native code had better come to its end. */
const patience = "5 seconds"

const begin = <Source>({ data, name, url }: Thread): Beginning<Source> => {
  // The flags of this process (`--eval`, loaders, those of test runners) are not for the worker.
  const worker = new Worker(url, { name, workerData: data, execArgv: [] })
  const end = latch()
  let closing = false
  worker.on("error", (cause) => end.reach(`its worker thread failed: ${messageOf(cause)}`))
  worker.on("messageerror", (cause) => end.reach(`its worker thread sent what cannot be read: ${messageOf(cause)}`))
  worker.on("exit", (code) => end.reach(`its worker thread ended unexpectedly, with exit code ${code}`))
  const greeting = new Promise<Connection<Source>>((resolve, reject) => {
    end.whenReached(reject)
    worker.once("message", (greeting: Greeting) => {
      if (greeting.ready) return resolve(converse(worker, end, () => closing, greeting.facts ?? {}))
      end.reach(greeting.reason)
      void worker.terminate()
    })
  })
  const greeted = Effect.tryPromise({ try: () => greeting, catch: String })
  return {
    greeted,
    close: Effect.suspend(() => {
      closing = true
      return greeted
    }).pipe(
      Effect.timeout(patience),
      Effect.flatMap(({ release }) => release),
      Effect.ignore,
      Effect.andThen(Effect.sync(() => end.reach(closed))),
      Effect.andThen(Effect.promise(() => worker.terminate()))
    )
  }
}

type Connection<Source> = Client<Source> & {
  /** Lets the worker release everything. */
  readonly release: Effect.Effect<void>
}

/** Something that happens once, for a reason. */
interface Latch {
  readonly reason: () => string | undefined
  readonly reach: (reason: string) => void
  readonly whenReached: (listener: (reason: string) => void) => void
}

const latch = (): Latch => {
  const listeners: Array<(reason: string) => void> = []
  let reached: string | undefined
  return {
    reason: () => reached,
    reach: (reason) => {
      if (reached !== undefined) return
      reached = reason
      for (const listener of listeners) listener(reason)
    },
    whenReached: (listener) => void listeners.push(listener)
  }
}

const closed = "the engine was closed"

type Answered = (answer: Effect.Effect<Protocol<unknown>[RequestType]["response"], string>) => void

/** Requests and answers, from the greeting on, until it is closing. */
const converse = <Source>(
  worker: Worker,
  end: Latch,
  isClosing: () => boolean,
  facts: Facts
): Connection<Source> => {
  const pending = new Map<number, Answered>()
  let requests = 0
  // A thread that nobody waits for does not keep the process alive.
  worker.unref()

  worker.on("message", (reply: Reply) => {
    const answered = pending.get(reply.id)
    pending.delete(reply.id)
    if (pending.size === 0) worker.unref()
    answered?.(reply.ok ? Effect.succeed(reply.value) : Effect.fail(reply.reason))
  })
  end.whenReached((reason) => {
    for (const answered of pending.values()) answered(Effect.fail(reason))
    pending.clear()
  })

  const send: Client<Source>["request"] = (type, body, transfer = []) =>
    Effect.uninterruptible(Effect.callback((resume) => {
      const ended = end.reason()
      if (ended !== undefined) return resume(Effect.fail(ended))
      const id = requests++
      try {
        worker.postMessage({ id, type, body }, transfer)
      } catch (cause) {
        return resume(Effect.fail(messageOf(cause)))
      }
      if (pending.size === 0) worker.ref()
      // The type checker cannot see that the answer to `id` is of the request's type; the protocol says so.
      pending.set(id, resume as Answered)
    }))

  const request: Client<Source>["request"] = (type, body, transfer) =>
    Effect.suspend(() => isClosing() ? Effect.fail(closed) : send(type, body, transfer))

  // The worker answers in order, so once it has answered the last request it is idle. A thread that is ended while native
  // code runs in it can take the process along.
  const release = Effect.ignore(send("close", {}))

  return { facts, request, release }
}
