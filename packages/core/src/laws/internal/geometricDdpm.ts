import { posteriorBetween } from "../../diffusion/index.ts"
import { planOver, type Sampler } from "../../sampling/index.ts"

/** DDPM with a variance in the middle of its two fixed ones, by their logarithms. */
export const geometricDdpm: Sampler = {
  name: "ddpm-geometric",
  plan: (schedule, options) =>
    planOver(schedule, options, { sampler: "ddpm-geometric" }, ({ from, to }) => {
      const { forwardVariance, variance, x0, xt } = posteriorBetween(from, to)
      return { next: { sample: x0, x: xt, noise: Math.sqrt(Math.sqrt(variance * forwardVariance)) } }
    })
}
