/**
 * Where in a program's source a node comes from.
 */

/** A call, in the source of a program. */
export interface Frame {
  /** The function's name, or an empty string where it has none. */
  readonly function: string
  /** The absolute path of its file. */
  readonly file: string
  /** The line of the call, counted from 1. */
  readonly line: number
}

/** The calls that led to a node, and which part of a gradient it belongs to. */
export interface Origin {
  /** Outermost first, without those of tfjs and of the engine. Of a backward node: the calls to what it differentiates. */
  readonly frames: ReadonlyArray<Frame>
  /** `forward`: what a gradient is asked of; `backward`: that gradient; `outside`: neither. */
  readonly pass: "forward" | "backward" | "outside"
}
