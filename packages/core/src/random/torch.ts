/**
 * PyTorch's normal draws on the CPU, from first principles, for what was made with them: the reference numbers of other
 * implementations. Whatever else needs random numbers draws with keys.
 */

/**
 * `torch.manual_seed(seed)` on the CPU. Each call of what it returns is a `torch.randn` of so many elements, the next of
 * the generator: float32, of mean 0 and variance 1, the same as PyTorch's within a unit in the last place or two.
 *
 * The generator is the Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), of which PyTorch takes the lowest 24 bits
 * a number; the normals are those of Box and Muller (1958), eight pairs at a time. Where the size is no multiple of 16, the
 * last 16 elements are drawn again, as PyTorch does.
 *
 * @param seed a whole number from 0 to 2^32 - 1
 * @throws RangeError for a seed out of range, and for a size below 16, for which PyTorch goes another way
 * @example
 * const randn = torchNormals(0)
 * randn(768) // => [-1.12583983, -1.15236020, -0.25057858, ...]
 */
export const torchNormals = (seed: number): (size: number) => Float32Array => {
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)) {
    throw new RangeError(`a seed is a whole number from 0 to ${2 ** 32 - 1}, not ${seed}`)
  }
  const next = mersenneTwister(seed)
  const uniforms = (count: number) => Float64Array.from({ length: count }, () => (next() & 0xffffff) / 2 ** 24)
  return (size) => {
    if (!(Number.isInteger(size) && size >= block)) {
      throw new RangeError(`this draws at least ${block} elements at once, not ${size}`)
    }
    const normals = Float32Array.from(uniforms(size))
    for (let start = 0; start + block <= size; start += block) boxMuller(normals.subarray(start, start + block))
    if (size % block !== 0) {
      const last = normals.subarray(size - block)
      last.set(uniforms(block))
      boxMuller(last)
    }
    return normals
  }
}

const block = 16

/** Turns 16 uniforms into normals: the first eight are radii, the last eight angles. */
const boxMuller = (values: Float32Array): void => {
  const half = block / 2
  for (let i = 0; i < half; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]!))
    const angle = 2 * Math.PI * values[i + half]!
    values[i] = radius * Math.cos(angle)
    values[i + half] = radius * Math.sin(angle)
  }
}

/** 32-bit outputs. */
const mersenneTwister = (seed: number): () => number => {
  const state = new Uint32Array(624)
  state[0] = seed
  for (let i = 1; i < 624; i++) {
    const previous = state[i - 1]! ^ (state[i - 1]! >>> 30)
    state[i] = Math.imul(previous, 1_812_433_253) + i
  }
  let position = 624
  return () => {
    if (position === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i]! & 0x80000000) | (state[(i + 1) % 624]! & 0x7fffffff)
        state[i] = state[(i + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
      }
      position = 0
    }
    let y = state[position++]!
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }
}
