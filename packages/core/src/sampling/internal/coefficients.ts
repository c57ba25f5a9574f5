/**
 * A step's coefficients in the order in which the host and the compiled program use them.
 */
import type { Combination, DenoisingStep, Plan } from "../Sampler.ts"

/**
 * What x and then each tensor of the memory becomes: one factor for each of x, sample, epsilon, noise, and the tensors
 * of the memory in the plan's order.
 *
 * @throws Error when a combination names something that the plan does not remember: a mistake of the sampler.
 */
export const becomes = (plan: Plan, step: DenoisingStep): ReadonlyArray<ReadonlyArray<number>> => {
  requireRemembered(plan, step.remember)
  return [
    factors(plan, step.next),
    ...plan.memory.map((name) => factors(plan, step.remember[name] ?? { memory: { [name]: 1 } }))
  ]
}

/** The bound that estimates of x_0 are clipped to; the largest one where each example has its own. */
export const clipBound = ({ clip }: Plan): number =>
  clip === "none" ? Infinity : typeof clip === "number" ? clip : clip.maximum

/** Where a quantile lies among so many sorted values: `part` of the way from the one at `below` to the one at `above`. */
export const quantilePlace = (count: number, ratio: number) => {
  const place = ratio * (count - 1)
  const below = Math.floor(place)
  return { below, above: Math.min(below + 1, count - 1), part: place - below }
}

/** How many coefficients a step of a plan with a memory of this size has. */
export const coefficientCount = (memory: number): number => 8 + (1 + memory) * (4 + memory)

/**
 * The logarithm of a learned variance, as a constant and a factor of what the denoiser says.
 */
export const logVarianceOf = ({ logVariance: [low, high] = [-1, 1] }: DenoisingStep) => ({
  constant: (low + high) / 2,
  factor: (high - low) / 2
})

/**
 * All coefficients of a step: the scale of the denoiser's input, the bound, the two estimates, the logarithm of the
 * variance, and what everything becomes.
 */
export const coefficients = (plan: Plan, step: DenoisingStep): ReadonlyArray<number> => [
  step.inputScale,
  clipBound(plan),
  step.sample.xt,
  step.sample.prediction,
  step.epsilon.xt,
  step.epsilon.prediction,
  ...Object.values(logVarianceOf(step)),
  ...becomes(plan, step).flat()
]

const factors = (plan: Plan, { epsilon = 0, memory = {}, noise = 0, sample = 0, x = 0 }: Combination) => {
  requireRemembered(plan, memory)
  return [x, sample, epsilon, noise, ...plan.memory.map((name) => memory[name] ?? 0)]
}

const requireRemembered = (plan: Plan, named: { readonly [name: string]: unknown }): void => {
  const unknown = Object.keys(named).find((name) => !plan.memory.includes(name))
  if (unknown !== undefined) {
    throw new Error(`the sampler "${plan.sampler}" uses "${unknown}", which its plan does not list as memory`)
  }
}
