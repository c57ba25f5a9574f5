/**
 * Between two samples: mixtures of what they are made of, for `from: { latents }` of `Sampling`.
 */
import { float32, type HostTensor, sameShape, showShape } from "../tensor/index.ts"

/**
 * Mixtures along a line, (1 - w) a + w b. Between two noised images that is what Ho et al. (2020, section 4.3, figure 8)
 * decode; between standard normal noises, mixtures have less than its length.
 *
 * @param a [...shape] @param b of the same shape; otherwise throws RangeError
 * @param weights of b, one for each mixture
 * @returns [weights.length, ...shape]
 * @example
 * const between = lerp(first, second, [0, 0.25, 0.5, 0.75, 1])
 */
export const lerp = (
  a: HostTensor<"float32">,
  b: HostTensor<"float32">,
  weights: ReadonlyArray<number>
): HostTensor<"float32"> => mixtures(a, b, weights, (w) => [1 - w, w])

/**
 * Mixtures along the arc between two tensors, which keep the length that noise has (Shoemake 1985; Song et al., "Denoising
 * Diffusion Implicit Models", 2020, appendix D.5): (sin((1 - w) theta) a + sin(w theta) b) / sin(theta), with the angle
 * theta between them. Where they point the same way or opposite ways it is {@link lerp}.
 *
 * @param a [...shape] @param b of the same shape; otherwise throws RangeError
 * @param weights of b, one for each mixture
 * @returns [weights.length, ...shape]
 * @example
 * const latents = slerp(first, second, [0, 0.25, 0.5, 0.75, 1])
 * Sampling.images({ sampler: ddim(), from: { latents }, steps: 50, count: 5, seed: 0, parameters })
 */
export const slerp = (
  a: HostTensor<"float32">,
  b: HostTensor<"float32">,
  weights: ReadonlyArray<number>
): HostTensor<"float32"> => {
  const dot = (x: HostTensor<"float32">, y: HostTensor<"float32">): number =>
    x.data.reduce((sum, value, i) => sum + value * y.data[i]!, 0)
  const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
  if (!(Math.abs(cosine) < 1 - 1e-9)) return lerp(a, b, weights)
  const theta = Math.acos(cosine)
  return mixtures(
    a,
    b,
    weights,
    (w) => [Math.sin((1 - w) * theta) / Math.sin(theta), Math.sin(w * theta) / Math.sin(theta)]
  )
}

const mixtures = (
  a: HostTensor<"float32">,
  b: HostTensor<"float32">,
  weights: ReadonlyArray<number>,
  factors: (weight: number) => readonly [number, number]
): HostTensor<"float32"> => {
  if (!sameShape(a.shape, b.shape)) {
    throw new RangeError(`there is nothing between shapes ${showShape(a.shape)} and ${showShape(b.shape)}`)
  }
  const size = a.data.length
  const data = new Float32Array(weights.length * size)
  for (const [row, weight] of weights.entries()) {
    const [ofA, ofB] = factors(weight)
    for (let i = 0; i < size; i++) data[row * size + i] = ofA * a.data[i]! + ofB * b.data[i]!
  }
  return float32([weights.length, ...a.shape], data)
}
