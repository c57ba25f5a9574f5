/**
 * What an engine does in its worker thread: the part of a worker that differs from engine to engine.
 */
import type { Arrays, Facts } from "./protocol.ts"

/**
 * A runtime that compiles sources and steps states forward. Its functions are called one after the other, each when the
 * one before has ended. What they throw is told to whoever asked, in one line.
 */
export interface Machine<Source> {
  /** What the engine is told of the runtime when it has loaded. */
  readonly facts?: Facts
  /** Compiles; what it throws leaves nothing behind. The buffers of the source are the machine's from now on. */
  readonly compile: (source: Source) => Promise<Compiled>
  /**
   * What lives in the runtime, by its own count, beyond the compiled programs and the states that were not released:
   * nothing, unless something was lost. Without it, whatever is released counts as gone.
   */
  readonly lost?: () => { readonly instances: number; readonly tensors: number }
}

/** A compiled program. */
export interface Compiled {
  /** Places a state. The arrays are the machine's from now on; what is thrown leaves nothing behind. */
  readonly start: (state: Arrays) => Promise<Held>
  /** Releases the program. States that it steps may still be there; they are released, but not stepped, afterwards. */
  readonly release: () => Promise<void>
}

/** A state that a compiled program steps forward. */
export interface Held {
  /** How many tensors the state is. */
  readonly tensors: number
  /** How many bytes its elements take. */
  readonly bytes: number
  /** Replaces the state by the next and gives the outputs, in arrays that the machine does not keep. */
  readonly step: (input: Arrays) => Promise<Arrays>
  /** A copy of the state, in arrays that the machine does not keep. */
  readonly read: () => Promise<Arrays>
  /** Replaces the state. The arrays are the machine's from now on. */
  readonly write: (state: Arrays) => Promise<void>
  readonly release: () => Promise<void>
}
