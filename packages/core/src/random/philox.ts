/**
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as
 * 1, 2, 3" (SC 2011), section 3.3: a bijection of 128-bit counters for each 64-bit key, so that any word of any stream
 * is a pure function of where it stands. PyTorch, JAX and TensorFlow generate their numbers on GPUs with it.
 *
 * JavaScript has no 32 x 32 -> 64 bit multiplication without BigInt, so the high word of a product is put together
 * from 16-bit halves. All arithmetic is on int32 values; words leave as uint32.
 */
import type { Key } from "./Key.ts"

// The multipliers and the key increments of the paper; the increments are the golden ratio and sqrt(3) - 1.
const M0 = 0xD2511F53 | 0
const M0Low = 0x1F53
const M0High = 0xD251
const M1 = 0xCD9E8D57 | 0
const M1Low = 0x8D57
const M1High = 0xCD9E
const W0 = 0x9E3779B9 | 0
const W1 = 0xBB67AE85 | 0
const rounds = 10

/** The three counter words beside the block number; they tell apart the streams of one key. */
export interface Stream {
  readonly counter1: number
  readonly counter2: number
  readonly counter3: number
}

/**
 * Fills `out` with the blocks `firstBlock`, `firstBlock + 1`, ... of a key's stream, four words a block: block b is
 * Philox4x32-10 of the counter (b, counter1, counter2, counter3).
 *
 * @param firstBlock an integer from 0 to 2^32 - 1; the block number wraps beyond
 * @param out an array whose length is a multiple of four
 * @example
 * // The first known-answer vector of the Random123 library: zero key, zero counter.
 * const words = new Uint32Array(4)
 * fillWords({ word0: 0, word1: 0 }, { counter1: 0, counter2: 0, counter3: 0 }, 0, words)
 * // words => 6627e8d5 e169c58d bc57ac4c 9b00dbd8
 */
export const fillWords = (key: Key, stream: Stream, firstBlock: number, out: Uint32Array): void => {
  const { counter1, counter2, counter3 } = stream
  const key0 = key.word0 | 0
  const key1 = key.word1 | 0
  const length = out.length
  for (let i = 0, block = firstBlock | 0; i < length; i += 4, block = (block + 1) | 0) {
    let c0 = block
    let c1 = counter1 | 0
    let c2 = counter2 | 0
    let c3 = counter3 | 0
    let k0 = key0
    let k1 = key1
    for (let round = 0; round < rounds; round++) {
      const c0Low = c0 & 0xFFFF
      const c0High = c0 >>> 16
      const middle0 = (Math.imul(c0High, M0Low) + (Math.imul(c0Low, M0Low) >>> 16)) | 0
      const cross0 = (Math.imul(c0Low, M0High) + (middle0 & 0xFFFF)) | 0
      const high0 = (Math.imul(c0High, M0High) + (middle0 >>> 16) + (cross0 >>> 16)) | 0
      const low0 = Math.imul(c0, M0)

      const c2Low = c2 & 0xFFFF
      const c2High = c2 >>> 16
      const middle1 = (Math.imul(c2High, M1Low) + (Math.imul(c2Low, M1Low) >>> 16)) | 0
      const cross1 = (Math.imul(c2Low, M1High) + (middle1 & 0xFFFF)) | 0
      const high1 = (Math.imul(c2High, M1High) + (middle1 >>> 16) + (cross1 >>> 16)) | 0
      const low1 = Math.imul(c2, M1)

      c0 = high1 ^ c1 ^ k0
      c1 = low1
      c2 = high0 ^ c3 ^ k1
      c3 = low0
      k0 = (k0 + W0) | 0
      k1 = (k1 + W1) | 0
    }
    out[i] = c0
    out[i + 1] = c1
    out[i + 2] = c2
    out[i + 3] = c3
  }
}
