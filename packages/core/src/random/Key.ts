/**
 * Keys: the seeds of random draws, as values.
 *
 * A key names one independent stream of random numbers. Keys are never advanced; further keys are derived with
 * {@link fold}, so that what a draw gives depends on where it stands (seed, step, stage), never on what was drawn
 * before. Use a key for one draw; fold it to make another.
 *
 * @example
 * const key = Key.fold(Key.fold(Key.make(7), step), "forward noising")
 */
import { fillWords } from "./philox.ts"

/** A 64-bit Philox key as two unsigned 32-bit words, least significant first. */
export interface Key {
  readonly word0: number
  readonly word1: number
}

/**
 * The key of a seed: the 64-bit two's complement of an integer, so that seeds differ exactly when keys do.
 *
 * @throws RangeError when the seed is not a safe integer: a mistake of the program, not of its input.
 * @example
 * Key.make(7) // => { word0: 7, word1: 0 }
 */
export const make = (seed: number): Key => words64(seed, "a seed")

/**
 * A key derived from a key and a datum (a step, an index, a name): 64 bits of Philox under the key, at a counter that
 * holds the datum and that no draw and no other kind of datum uses. Folding the numbers of one key gives keys that
 * look independent; a string is absorbed four UTF-16 code units at a time, its length first.
 *
 * @param data a safe integer, or any string; `fold(key, 1)` and `fold(key, "1")` differ
 * @throws RangeError when a number is not a safe integer
 * @example
 * Key.fold(Key.make(7), "dropout")
 */
export const fold = (key: Key, data: number | string): Key => {
  if (typeof data === "number") {
    const { word0, word1 } = words64(data, "a number folded into a key")
    return derive(key, word0, word1, 0, foldedNumber)
  }
  let derived = key
  let position = 0
  do {
    derived = derive(derived, unitPair(data, position), unitPair(data, position + 2), data.length, foldedString)
    position += 4
  } while (position < data.length)
  return derived
}

// The last counter word keeps apart what a key is used for; draws have the values from 0 (see internal/streams.ts).
const foldedNumber = 0xFFFFFFFF
const foldedString = 0xFFFFFFFE

const derive = (key: Key, counter0: number, counter1: number, counter2: number, counter3: number): Key => {
  const block = new Uint32Array(4)
  fillWords(key, { counter1, counter2, counter3 }, counter0, block)
  return { word0: block[0]!, word1: block[1]! }
}

// Two code units in one word; beyond the end of the string charCodeAt is NaN, which counts as 0.
const unitPair = (text: string, position: number): number =>
  (text.charCodeAt(position) | (text.charCodeAt(position + 1) << 16)) >>> 0

const words64 = (value: number, what: string): Key => {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`${what} is an integer between -(2^53 - 1) and 2^53 - 1, not ${value}`)
  }
  return { word0: value >>> 0, word1: Math.floor(value / 2 ** 32) >>> 0 }
}
