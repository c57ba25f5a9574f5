/**
 * An engine's line to a machine in its own thread: the same requests, answered without a worker.
 */
import { Effect, type Scope } from "effect"
import type { Client } from "./client.ts"
import type { Machine } from "./Machine.ts"
import { messageOf, type RequestType } from "./protocol.ts"
import { type Answer, makeHandlers } from "./serve.ts"

/** Lets a machine work in this thread; it has released everything when the scope closes. */
export const connectLocally = <Source>(machine: Machine<Source>): Effect.Effect<Client<Source>, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(() => converse(machine)), ({ close }) => close)

const converse = <Source>(machine: Machine<Source>): Client<Source> & { readonly close: Effect.Effect<void> } => {
  const handlers = makeHandlers(machine)
  let closed = false
  let last: Promise<unknown> = Promise.resolve()
  /** Requests are answered one after the other, also those that wait for something. */
  const inOrder = <A>(answer: () => Promise<A>): Promise<A> => {
    const answered = last.then(answer)
    last = answered.catch(() => undefined)
    return answered
  }

  const ask: Client<Source>["request"] = (type, body) =>
    Effect.tryPromise({
      // The type checker cannot see that the body belongs to `handlers[type]`; the signature says so.
      try: () => inOrder(() => (handlers[type] as (body: unknown) => Promise<Answer<RequestType>>)(body)),
      catch: messageOf
    }).pipe(Effect.map(([value]) => value as never))

  const request: Client<Source>["request"] = (type, body) =>
    Effect.uninterruptible(
      // The machine computes in this thread: whatever else waits for its turn in it gets one before each request.
      Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => closed ? Effect.fail("the engine was closed") : ask(type, body))
      )
    )

  // What is asked while it closes would come after the release of everything, and stay.
  const close = Effect.suspend(() => {
    closed = true
    return Effect.ignore(ask("close", {}))
  })
  return { facts: machine.facts ?? {}, request, close }
}
