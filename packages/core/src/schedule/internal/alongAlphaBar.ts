/**
 * Betas along a curve alphaBar(u) for u from 0 to 1 (Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic
 * Models", 2021, section 3.2): beta_t = min(1 - alphaBar((t + 1) / T) / alphaBar(t / T), maximumBeta). The curve counts
 * up to a factor only.
 */
export const alongAlphaBar = (
  alphaBar: (u: number) => number,
  { maximumBeta, steps }: { readonly steps: number; readonly maximumBeta: number }
): Float64Array =>
  Float64Array.from(
    { length: steps },
    (_, t) => Math.min(1 - alphaBar((t + 1) / steps) / alphaBar(t / steps), maximumBeta)
  )
