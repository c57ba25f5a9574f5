/**
 * What JavaScript no longer uses, given back to the system.
 */
import { Effect } from "effect"

/**
 * Lets go of the memory of what is no longer used; takes some 40 ms. For the moment before much memory is needed: what loading
 * modules and compiling a program leave behind would stay, for V8 sees no reason to collect so little. Does nothing in a Node
 * without an inspector, by which V8 is asked.
 *
 * @example
 * const run = yield* Training.start(options)
 * yield* releaseGarbage
 * yield* run.reports.pipe(Stream.runDrain)
 */
export const releaseGarbage: Effect.Effect<void> = Effect.ignore(Effect.tryPromise(async () => {
  const { Session } = await import("node:inspector")
  const session = new Session()
  session.connect()
  try {
    await new Promise<void>((done) => session.post("HeapProfiler.collectGarbage", () => done()))
  } finally {
    session.disconnect()
  }
}))
