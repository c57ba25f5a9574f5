/**
 * The distributions of `Distribution.ts` made from Philox words. Element i of each draw is a function of the key and i
 * alone, so that a shorter draw is the beginning of a longer one.
 *
 * Words are generated a few thousand at a time into one buffer, and then turned into elements in a loop of their own:
 * both loops are tight, and nothing is allocated a block.
 */
import type { Key } from "../Key.ts"
import { fillWords, type Stream } from "../philox.ts"
import { bernoulliStream, integersStream, normalStream, permutationStream, uniformStream } from "./streams.ts"

/** Standard normal elements, by the Box-Muller transform in float64, rounded once. Elements 2i and 2i + 1 are a pair. */
export const fillNormal = (key: Key, out: Float32Array): void => {
  const length = out.length
  forEachChunk(key, normalStream, length, (words, start, end) => {
    for (let i = start, w = 0; i < end; i += 2, w += 2) {
      // The centres of the 2^32 cells of (0, 1): never 0, whose logarithm is infinite.
      const radius = Math.sqrt(-2 * Math.log((words[w]! + 0.5) * 2 ** -32))
      const angle = words[w + 1]! * (2 * Math.PI * 2 ** -32)
      out[i] = radius * Math.cos(angle)
      if (i + 1 < end) out[i + 1] = radius * Math.sin(angle)
    }
  })
}

/**
 * Elements uniform in [minimum, maximum): 24 random bits, as many as a float32 in [0, 1) can hold evenly spaced,
 * mapped in float64 and rounded once. Rounding may step over a bound that lies between two float32 values; the element
 * then becomes the nearest float32 inside.
 */
export const fillUniform = (key: Key, minimum: number, maximum: number, out: Float32Array): void => {
  const range = maximum - minimum
  const least = float32AtLeast(minimum)
  const greatest = float32Below(maximum)
  if (least > greatest) throw new RangeError(`there is no float32 in [${minimum}, ${maximum}) to draw`)
  forEachChunk(key, uniformStream, out.length, (words, start, end) => {
    for (let i = start, w = 0; i < end; i++, w++) {
      const value = minimum + (words[w]! >>> 8) * 2 ** -24 * range
      out[i] = value < least ? least : value > greatest ? greatest : value
    }
  })
}

/** Elements that are 1 with probability threshold / 2^16 and 0 otherwise; eight elements a block, 16 bits each. */
export const fillBernoulli = (key: Key, threshold: number, out: Float32Array): void => {
  forEachChunk(key, bernoulliStream, Math.ceil(out.length / 2), (words, startWord, endWord) => {
    for (let w = startWord, k = 0; w < endWord; w++, k++) {
      const word = words[k]!
      const i = 2 * w
      out[i] = (word & 0xFFFF) < threshold ? 1 : 0
      if (i + 1 < out.length) out[i + 1] = word >>> 16 < threshold ? 1 : 0
    }
  })
}

/**
 * Integers uniform in {minimum, ..., minimum + range - 1} without bias: the high word of word * range, where a word in
 * the uneven remainder is drawn again (Lemire, "Fast Random Integer Generation in an Interval", 2019, algorithm 5).
 *
 * @param range from 1 to 2^32
 */
export const fillIntegers = (key: Key, minimum: number, range: number, out: Int32Array): void => {
  const remainder = 2 ** 32 % range
  forEachChunk(key, integersStream(0), out.length, (words, start, end) => {
    for (let i = start, w = 0; i < end; i++, w++) {
      const word = words[w]!
      const scaled = scale(word, range, remainder)
      out[i] = minimum + (scaled >= 0 ? scaled : redraw(key, integersStream, i, range, remainder))
    }
  })
}

/** A permutation of 0, ..., n - 1, all n! equally likely: the Fisher-Yates shuffle, Knuth's algorithm P. */
export const shuffled = (key: Key, n: number): Int32Array => {
  const order = Int32Array.from({ length: n }, (_, i) => i)
  forEachChunk(key, permutationStream(0), n, (words, start, end) => {
    for (let i = start, w = 0; i < end; i++, w++) {
      // The element at i changes places with one of those at 0, ..., i, itself included.
      const range = i + 1
      const remainder = 2 ** 32 % range
      const scaled = scale(words[w]!, range, remainder)
      const j = scaled >= 0 ? scaled : redraw(key, permutationStream, i, range, remainder)
      const moved = order[i]!
      order[i] = order[j]!
      order[j] = moved
    }
  })
  return order
}

const chunkWords = 4096

// Calls `use` with the words of a stream, a chunk at a time; words[0] is word `start` of the stream.
const forEachChunk = (
  key: Key,
  stream: Stream,
  count: number,
  use: (words: Uint32Array, start: number, end: number) => void
): void => {
  const buffer = new Uint32Array(Math.min(chunkWords, Math.ceil(count / 4) * 4))
  for (let start = 0; start < count; start += chunkWords) {
    fillWords(key, stream, start / 4, buffer)
    use(buffer, start, Math.min(start + chunkWords, count))
  }
}

// The high word of word * range, or -1 where the low word falls in the uneven remainder. The product has up to 64 bits:
// it is taken in two exact pieces of at most 48.
const scale = (word: number, range: number, remainder: number): number => {
  const lower = (word & 0xFFFF) * range
  const upper = (word >>> 16) * range + Math.floor(lower / 65536)
  const low = (upper % 65536) * 65536 + lower % 65536
  return low < remainder ? -1 : Math.floor(upper / 65536)
}

// Draws element i again, at its own place in the streams of further attempts, until a word is accepted.
const redraw = (
  key: Key,
  stream: (attempt: number) => Stream,
  i: number,
  range: number,
  remainder: number
): number => {
  const block = new Uint32Array(4)
  for (let attempt = 1;; attempt++) {
    fillWords(key, stream(attempt), Math.floor(i / 4), block)
    const scaled = scale(block[i % 4]!, range, remainder)
    if (scaled >= 0) return scaled
  }
}

// The least float32 that is not below a number, and the greatest that is below it.
const float32AtLeast = (value: number): number => {
  const rounded = Math.fround(value)
  return rounded >= value ? rounded : neighbour(rounded, 1)
}

const float32Below = (value: number): number => {
  const rounded = Math.fround(value)
  return rounded < value ? rounded : neighbour(rounded, -1)
}

// The float32 next to one, upwards or downwards: floats of one sign are ordered as their bits are.
const neighbour = (value: number, direction: 1 | -1): number => {
  if (value === 0) return direction * 2 ** -149
  const float = new Float32Array([value])
  const bits = new Int32Array(float.buffer)
  bits[0]! += value > 0 ? direction : -direction
  return float[0]!
}
