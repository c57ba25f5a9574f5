/**
 * The streams of a key that draws read, told apart by the last counter word, so that two different kinds of draw from
 * one key share no block. `Key.ts` uses the values from the top for derivation.
 */
import type { Stream } from "../philox.ts"

const stream = (purpose: number, attempt: number): Stream => ({ counter1: 0, counter2: attempt, counter3: purpose })

export const normalStream = stream(0, 0)
export const uniformStream = stream(1, 0)
export const bernoulliStream = stream(2, 0)

/** Attempt 0 is the stream itself; a rejected word is drawn again at the same place of attempt 1, 2, ... */
export const integersStream = (attempt: number): Stream => stream(3, attempt)
export const permutationStream = (attempt: number): Stream => stream(4, attempt)

export const antitheticStream = stream(5, 0)
