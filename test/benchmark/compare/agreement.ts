/**
 * Whether two programs compute the same: nothing is timed before they do.
 */
import { Data } from "effect"
import type { Values } from "./protocol.ts"

/** What a peer computes is not what we compute. */
export class Disagreement extends Data.TaggedError("Disagreement")<{
  readonly peer: string
  readonly work: string
  /** What differs: `loss of step 2`. */
  readonly quantity: string
  readonly ours: number | undefined
  readonly theirs: number | undefined
}> {
  override get message() {
    return `${this.peer} does not do the same work in ${this.work}: its ${this.quantity} is ${this.theirs}, ` +
      `and ours ${this.ours}.`
  }
}

/**
 * How far two numbers may be apart, relative to the larger one. Both are computed in float32, in other orders: measured
 * over four steps, losses differ by 3e-6 and norms of gradients by 4e-5.
 */
export const tolerance = 1e-3

/**
 * The first number in which a peer differs from us, as an error; `undefined` where all agree. A number that is not finite
 * agrees with none.
 *
 * @example
 * disagreement({ peer: "torch", work: "training" }, { loss: [2.1605] }, { loss: [2.1606] }) // => undefined
 */
export const disagreement = (
  about: { readonly peer: string; readonly work: string },
  ours: Values,
  theirs: Values
): Disagreement | undefined => {
  for (const quantity of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const length = Math.max(ours[quantity]?.length ?? 0, theirs[quantity]?.length ?? 0)
    for (let i = 0; i < length; i++) {
      const [a, b] = [ours[quantity]?.[i], theirs[quantity]?.[i]]
      if (a === undefined || b === undefined || !agree(a, b)) {
        return new Disagreement({ ...about, quantity: `${quantity} ${i + 1}`, ours: a, theirs: b })
      }
    }
  }
  return undefined
}

const agree = (a: number, b: number): boolean =>
  Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b), floor)

/** What counts as the size of smaller numbers: the mean of a sample may be anywhere around 0. */
const floor = 1e-2
