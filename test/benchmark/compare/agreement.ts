/**
 * Whether two programs compute the same: nothing is timed before they do.
 */
import { Data } from "effect"
import type { Values } from "./protocol.ts"

/** What a peer computes is not what we compute. */
export class Disagreement extends Data.TaggedError("Disagreement")<{
  readonly peer: string
  readonly work: string
  /** What differs: `loss 2`, that of the second step. */
  readonly quantity: string
  readonly ours: number | undefined
  readonly theirs: number | undefined
}> {
  override get message() {
    return `${this.peer} does not do the same work in ${this.work}: its ${this.quantity} is ${this.theirs}, ` +
      `and ours ${this.ours}.`
  }
}

interface About {
  readonly peer: string
  readonly work: string
}

/** Another number of parameters, by a single one, is another network; `undefined` where they are as many. */
export const otherParameters = (about: About, ours: number, theirs: number): Disagreement | undefined =>
  ours === theirs ? undefined : new Disagreement({ ...about, quantity: "number of parameters", ours, theirs })

/**
 * How far two numbers may be apart, relative to the larger one. All is computed in float32, in other orders: measured, the
 * losses of four steps differ by 3e-6 and the moments of samples by 2e-6; the norms of the gradients of `ddpm` are within
 * the tolerance.
 */
export const tolerance = 1e-4

/**
 * The first number in which a peer differs from us, as an error; `undefined` where all agree. A number that is not finite
 * agrees with none.
 *
 * @example
 * disagreement({ peer: "torch", work: "training" }, { loss: [2.1605] }, { loss: [2.1606] }) // => undefined
 */
export const disagreement = (
  about: About,
  ours: Values,
  theirs: Values
): Disagreement | undefined => {
  for (const quantity of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const length = Math.max(ours[quantity]?.length ?? 0, theirs[quantity]?.length ?? 0)
    for (let i = 0; i < length; i++) {
      const [a, b] = [ours[quantity]?.[i], theirs[quantity]?.[i]]
      if (a === undefined || b === undefined || !agree(a, b, tolerance)) {
        return new Disagreement({ ...about, quantity: `${quantity} ${i + 1}`, ours: a, theirs: b })
      }
    }
  }
  return undefined
}

const agree = (a: number, b: number, tolerance: number): boolean =>
  Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b), floor)

/** What counts as the size of smaller numbers: the mean of a sample may be anywhere around 0. */
const floor = 0.1
