/**
 * Resampling, for inpainting (Lugmayr et al., "RePaint: Inpainting using Denoising Diffusion Probabilistic Models", 2022).
 */
import { Result } from "effect"
import type { NoiseLevel } from "../../schedule/index.ts"
import type { DenoisingStep, Plan, Sampler } from "../Sampler.ts"
import { InvalidSampling } from "../SamplingError.ts"

/** Options of {@link repaint}. */
export interface RepaintOptions {
  /** How many steps are gone back at a time; 10 unless given. */
  readonly jumpLength?: number | undefined
  /** How often each stretch of that length is gone through, 1 to go straight on; 10 unless given. */
  readonly resamplings?: number | undefined
}

/**
 * A sampler that noises x again every `jumpLength` steps, by as many steps, and goes down once more, `resamplings` times in
 * all, so that what is made gets to agree with what is known (Lugmayr et al. 2022, algorithm 1 and appendix B). N steps ask
 * the denoiser about N `resamplings` times.
 *
 * The noise goes in where the step before ends: independent noises add up to one. So it is for samplers that remember
 * nothing, and whose variance is not learned; otherwise, and where an option is out of range, fails with
 * `InvalidSampling`.
 *
 * @example
 * Sampling.images({ sampler: repaint(ddpm()), known: { images, mask }, steps: 250, count: 4, seed: 7, parameters })
 */
export const repaint = (sampler: Sampler, { jumpLength = 10, resamplings = 10 }: RepaintOptions = {}): Sampler => ({
  name: `${sampler.name}-repaint`,
  plan: (schedule, options) =>
    Result.gen(function*() {
      for (const [option, value] of Object.entries({ jumpLength, resamplings })) {
        if (!(Number.isSafeInteger(value) && value >= 1)) {
          return yield* Result.fail(new InvalidSampling({ option, value, expected: "a whole number of at least 1" }))
        }
      }
      const plan = yield* sampler.plan(schedule, options)
      if (plan.memory.length > 0 || plan.variance !== undefined) {
        return yield* Result.fail(
          new InvalidSampling({
            option: "sampler",
            value: sampler.name,
            expected:
              "for resampling one that remembers nothing and whose variance is not learned, such as ddpm or ddim"
          })
        )
      }
      return { ...plan, sampler: `${sampler.name}-repaint`, steps: resampled(plan, jumpLength, resamplings) }
    })
})

const resampled = (plan: Plan, jumpLength: number, resamplings: number): ReadonlyArray<DenoisingStep> => {
  const count = plan.steps.length
  const steps: Array<DenoisingStep> = []
  const jumps = new Map<number, number>()
  for (let i = 0; i < count;) {
    const step = plan.steps[i]!
    // Levels are counted from the last that is visited, as in the paper's code: it goes back from every jumpLength-th.
    const level = count - 2 - i
    const done = jumps.get(level) ?? 0
    if (level >= 0 && level % jumpLength === 0 && level < count - jumpLength && done < resamplings - 1) {
      jumps.set(level, done + 1)
      i += 1 - jumpLength
      steps.push(noisedTo(step, plan.steps[i]!.from))
    } else {
      i += 1
      steps.push(step)
    }
  }
  return steps
}

/** A step whose end is noised up to another level, by the forward process. */
const noisedTo = (step: DenoisingStep, to: NoiseLevel): DenoisingStep => {
  const ratio = to.signal / step.to.signal
  const { epsilon = 0, noise = 0, sample = 0, x = 0 } = step.next
  const added = Math.sqrt(Math.max(0, to.spread ** 2 - (ratio * step.to.spread) ** 2))
  return {
    ...step,
    to,
    next: { x: ratio * x, sample: ratio * sample, epsilon: ratio * epsilon, noise: Math.hypot(ratio * noise, added) }
  }
}
