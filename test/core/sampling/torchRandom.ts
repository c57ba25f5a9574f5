/**
 * PyTorch's normal draws on the CPU, from first principles: what the reference numbers were made with.
 */

/** The Mersenne Twister MT19937 (Matsumoto & Nishimura 1998), 32-bit outputs. */
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

/** `torch.manual_seed(seed)`; each call is a `torch.randn` of so many elements, a multiple of 16. */
export const torchNormals = (seed: number): (size: number) => Float32Array => {
  const next = mersenneTwister(seed)
  const uniform = () => (next() & 0xffffff) / 2 ** 24
  return (size) => {
    const uniforms = Float64Array.from({ length: size }, uniform)
    return Float32Array.from({ length: size }, (_, i) => {
      const block = i - i % 16
      const pair = block + i % 8
      const radius = Math.sqrt(-2 * Math.log(1 - uniforms[pair]!))
      const angle = 2 * Math.PI * uniforms[pair + 8]!
      return radius * (i % 16 < 8 ? Math.cos(angle) : Math.sin(angle))
    })
  }
}
