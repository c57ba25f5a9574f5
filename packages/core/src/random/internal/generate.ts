/**
 * The distributions of `Distribution.ts` made from Philox words. Element i of each draw is a function of the key and i
 * alone, so that a shorter draw is the beginning of a longer one.
 *
 * Words are generated a few thousand at a time into one buffer, and then turned into elements in a loop of their own:
 * both loops are tight, and nothing is allocated a block.
 */
import type { Key } from "../Key.ts"
import { fillWords, type Stream } from "../philox.ts"
import { cosine, logOfCell, sine } from "./elementary.ts"
import {
  antitheticStream,
  bernoulliStream,
  integersStream,
  normalStream,
  permutationStream,
  uniformStream
} from "./streams.ts"

/**
 * Standard normal elements, by the Box-Muller transform in float64, rounded once: words 2i and 2i + 1 give the radius and
 * the angle of the pair of elements 2i and 2i + 1. The largest possible magnitude is sqrt(-2 ln 2^-33) = 6.76.
 */
export const fillNormal = (key: Key, out: Float32Array): void => {
  const length = out.length
  forEachChunk(key, normalStream, length, (words, start, end) => {
    for (let i = start, w = 0; i < end; i += 2, w += 2) {
      const radius = Math.sqrt(-2 * logOfCell(words[w]!))
      // The angle is word / 2^32 of a turn: the nearest quarter turn, and the rest between -pi/4 and pi/4.
      const word = words[w + 1]!
      const quarter = (word + 0x20000000) >>> 30
      const rest = ((word - (quarter << 30)) | 0) * (2 * Math.PI * 2 ** -32)
      const cos = cosine(rest)
      const sin = sine(rest)
      const odd = (quarter & 1) === 1
      const x = radius * (odd ? sin : cos)
      const y = radius * (odd ? cos : sin)
      out[i] = quarter === 1 || quarter === 2 ? -x : x
      if (i + 1 < length) out[i + 1] = quarter >= 2 ? -y : y
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

/**
 * Elements that are 1 with probability threshold / 2^16 and 0 otherwise; eight elements a block, 16 bits each.
 *
 * @param threshold from 0 to 2^16
 */
export const fillBernoulli = (key: Key, threshold: number, out: Float32Array): void => {
  const length = out.length
  forEachChunk(key, bernoulliStream, Math.ceil(length / 2), (words, start, end) => {
    for (let i = 2 * start, w = 0; w < end - start; i += 2, w++) {
      const word = words[w]!
      // The sign bit of the difference is 1 when the 16 bits are below the threshold: no branch to mispredict.
      out[i] = ((word & 0xFFFF) - threshold) >>> 31
      if (i + 1 < length) out[i + 1] = ((word >>> 16) - threshold) >>> 31
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
  forEachChunk(key, integersStream(0), out.length, (words, start, end) => {
    for (let i = start, w = 0; i < end; i++, w++) {
      const word = words[w]!
      const scaled = scale(word, range)
      out[i] = minimum + (scaled >= 0 ? scaled : redraw(key, integersStream, i, range))
    }
  })
}

/**
 * Elements (u + i / n) mod 1 of n, with u as {@link fillUniform} draws it. Each operation is rounded to float32, as an
 * engine would round it.
 */
export const fillStratified = (key: Key, out: Float32Array): void => {
  const length = out.length
  const first = new Float32Array(1)
  fillUniform(key, 0, 1, first)
  for (let i = 0; i < length; i++) out[i] = Math.fround(first[0]! + Math.fround(i / length)) % 1
}

/**
 * Pairs u and 1 - u, with u an odd multiple of 2^-24 from 23 random bits: both are float32 numbers in (0, 1), and equally
 * likely.
 */
export const fillAntithetic = (key: Key, out: Float32Array): void => {
  const length = out.length
  forEachChunk(key, antitheticStream, Math.ceil(length / 2), (words, start, end) => {
    for (let i = start, w = 0; i < end; i++, w++) {
      const u = (words[w]! >>> 9) * 2 ** -23 + 2 ** -24
      out[2 * i] = u
      if (2 * i + 1 < length) out[2 * i + 1] = 1 - u
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
      const scaled = scale(words[w]!, range)
      const j = scaled >= 0 ? scaled : redraw(key, permutationStream, i, range)
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

// The high word of word * range, or -1 where the low word falls in the uneven remainder, 2^32 mod range. The product has
// up to 64 bits: its high word is taken from two exact pieces of at most 49.
const scale = (word: number, range: number): number => {
  const low = Math.imul(word, range) >>> 0
  // The remainder is below the range, so its costly division is seldom needed.
  if (low < range && low < 2 ** 32 % range) return -1
  return Math.floor(((word >>> 16) * range + Math.floor((word & 0xFFFF) * range / 65536)) / 65536)
}

// Draws element i again, at its own place in the streams of further attempts, until a word is accepted.
const redraw = (
  key: Key,
  stream: (attempt: number) => Stream,
  i: number,
  range: number
): number => {
  const block = new Uint32Array(4)
  for (let attempt = 1;; attempt++) {
    fillWords(key, stream(attempt), Math.floor(i / 4), block)
    const scaled = scale(block[i % 4]!, range)
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
