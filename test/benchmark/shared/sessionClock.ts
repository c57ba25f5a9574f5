/**
 * Milliseconds that a worker thread has spent in its sessions, in memory that it shares with the thread that started it.
 */
import { setEnvironmentData } from "node:worker_threads"

/** The name under which a worker finds the clock's memory. */
export const sessionClockName = "effusion.benchmark.sessionClock"

export interface SessionClock {
  readonly buffer: SharedArrayBuffer
  /** Milliseconds spent in making sessions. */
  readonly creating: () => number
  /** Milliseconds spent in running them. */
  readonly running: () => number
}

/** A clock for the worker that is started next. */
export const makeSessionClock = (): SessionClock => {
  const buffer = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT)
  const milliseconds = new Float64Array(buffer)
  setEnvironmentData(sessionClockName, buffer as unknown as Parameters<typeof setEnvironmentData>[1])
  return { buffer, creating: () => milliseconds[0]!, running: () => milliseconds[1]! }
}
