import { Effect, Queue, Stream } from "effect"
import type { Cause, Scope } from "effect"

/**
 * Runs a stream ahead of its consumer: up to `capacity` elements wait in the queue, and one more for a place in it. The
 * queue ends when the stream does, or when `until` completes, which also interrupts what the stream is waiting for.
 *
 * Only host data may wait here: what is in the queue when its consumer stops is garbage.
 */
export const prefetch = Effect.fnUntraced(function*<A, E, R>(
  stream: Stream.Stream<A, E, R>,
  options: { readonly capacity: number; readonly until: Effect.Effect<void> }
): Effect.fn.Return<Queue.Dequeue<A, E | Cause.Done>, never, R | Scope.Scope> {
  const queue = yield* Queue.bounded<A, E | Cause.Done>(options.capacity)
  yield* Stream.runIntoQueue(stream, queue).pipe(
    Effect.raceFirst(Effect.andThen(options.until, Queue.end(queue))),
    Effect.forkScoped
  )
  return queue
})
