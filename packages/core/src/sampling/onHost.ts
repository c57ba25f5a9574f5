/**
 * Sampling in float64 on the host: what every engine is held to, and small enough to read.
 */
import { becomes, clipBound, logVarianceOf, quantilePlace } from "./internal/coefficients.ts"
import { type DenoisingStep, type LearnedVariance, needsNoise, type Plan } from "./Sampler.ts"

/** Where sampling stands: x, and what the sampler remembers, all of one length. */
export interface HostState {
  /** How many examples x holds, one after the other: what dynamic thresholding goes by. */
  readonly examples: number
  readonly x: Float64Array
  readonly memory: { readonly [name: string]: Float64Array }
}

/**
 * The state that a plan starts from: the noise at the plan's scale, and an empty memory.
 *
 * @param examples how many examples the noise is for; 1 unless given
 */
export const startOnHost = (plan: Plan, noise: ArrayLike<number>, examples = 1): HostState => ({
  examples,
  x: Float64Array.from(noise, (value) => plan.initialNoiseSigma * value),
  memory: Object.fromEntries(plan.memory.map((name) => [name, new Float64Array(noise.length)]))
})

/**
 * Takes one step of a plan.
 *
 * @param prediction what the denoiser says at `step.timestep` of `state.x`, multiplied by `step.inputScale`
 * @param noise standard normal; zeros unless given
 * @param variance what the denoiser says of the variance, where the plan's is learned
 * @throws RangeError when prediction, noise or variance have not as many elements as x, or there is no variance where the
 *   plan's is learned
 * @example
 * let state = startOnHost(plan, noise)
 * for (const step of plan.steps) state = stepOnHost(plan, step, state, predict(inputOnHost(step, state), step.timestep))
 */
export const stepOnHost = (
  plan: Plan,
  step: DenoisingStep,
  state: HostState,
  prediction: ArrayLike<number>,
  noise?: ArrayLike<number>,
  variance?: ArrayLike<number>
): HostState => {
  const { examples, memory, x } = state
  for (const [name, given] of Object.entries({ prediction, noise: noise ?? x, variance: variance ?? x })) {
    if (given.length !== x.length) throw new RangeError(`${name} has ${given.length} elements where x has ${x.length}`)
  }
  const estimate = x.map((value, i) => step.sample.xt * value + step.sample.prediction * prediction[i]!)
  const sample = clipped(plan, estimate, examples)
  const epsilon = x.map((value, i) => step.epsilon.xt * value + step.epsilon.prediction * prediction[i]!)
  const drawn = Float64Array.from({ length: x.length }, (_, i) => noise?.[i] ?? 0)
  const scaled = plan.variance === undefined ? drawn : scaledBy(plan.variance, step, drawn, variance)
  const terms = [x, sample, epsilon, scaled, ...plan.memory.map((name) => memory[name]!)]
  const [next, ...remembered] = becomes(plan, step).map((factors) => sumOf(factors, terms, x.length))
  return { examples, x: next!, memory: Object.fromEntries(plan.memory.map((name, i) => [name, remembered[i]!])) }
}

/** Noise of the variance that the denoiser says. */
const scaledBy = (
  kind: LearnedVariance,
  step: DenoisingStep,
  noise: Float64Array,
  variance: ArrayLike<number> | undefined
): Float64Array => {
  if (variance === undefined) throw new RangeError("the plan's variance is learned, and none is given")
  const { constant, factor } = logVarianceOf(step)
  return noise.map((z, i) =>
    z * (kind === "variance" ? Math.sqrt(Math.max(variance[i]!, 0)) : Math.exp((constant + factor * variance[i]!) / 2))
  )
}

const clipped = (plan: Plan, estimate: Float64Array, examples: number): Float64Array => {
  const { clip } = plan
  if (typeof clip !== "object") {
    const bound = clipBound(plan)
    return estimate.map((value) => Math.min(Math.max(value, -bound), bound))
  }
  const size = estimate.length / examples
  if (!Number.isInteger(size)) {
    throw new RangeError(`x has ${estimate.length} elements, which ${examples} examples do not share`)
  }
  const result = new Float64Array(estimate.length)
  for (let i = 0; i < examples; i++) {
    const example = estimate.subarray(i * size, (i + 1) * size)
    const bound = Math.min(Math.max(quantile(example.map(Math.abs).sort(), clip.ratio), 1), clip.maximum)
    result.set(example.map((value) => Math.min(Math.max(value, -bound), bound) / bound), i * size)
  }
  return result
}

/** Between two sorted values it goes along a line, as NumPy's and PyTorch's do. */
const quantile = (sorted: Float64Array, ratio: number): number => {
  const { above, below, part } = quantilePlace(sorted.length, ratio)
  return sorted[below]! + part * (sorted[above]! - sorted[below]!)
}

/**
 * What the denoiser is shown.
 *
 * @example
 * const prediction = predict(inputOnHost(step, state), step.timestep)
 */
export const inputOnHost = ({ inputScale }: DenoisingStep, { x }: HostState): Float64Array =>
  inputScale === 1 ? x : x.map((value) => inputScale * value)

/** What {@link sampleOnHost} starts from and asks. */
export interface HostSampling {
  /** Standard normal noise to start from. */
  readonly noise: ArrayLike<number>
  /** The denoiser: its prediction for x, scaled as the step says, at a timestep. */
  readonly predict: (x: Float64Array, timestep: number) => ArrayLike<number>
  /** Standard normal noise for the step at this position of the plan; zeros unless given. */
  readonly stepNoise?: ((position: number) => ArrayLike<number>) | undefined
  /** How many examples the noise is for; 1 unless given. */
  readonly examples?: number | undefined
  /** What the denoiser says of the variance, where the plan's is learned. */
  readonly variance?: ((x: Float64Array, timestep: number) => ArrayLike<number>) | undefined
}

/**
 * Runs a whole plan.
 *
 * @example
 * const plan = Result.getOrThrow(ddim().plan(schedule, { steps: 50, predictionType: "epsilon" }))
 * const x0 = sampleOnHost(plan, { noise, predict: (x, t) => denoiser(x, t) })
 */
export const sampleOnHost = (
  plan: Plan,
  { examples, noise, predict, stepNoise, variance }: HostSampling
): Float64Array =>
  plan.steps.reduce(
    (state, step, position) =>
      stepOnHost(
        plan,
        step,
        state,
        predict(inputOnHost(step, state), step.timestep),
        needsNoise(step) ? stepNoise?.(position) : undefined,
        variance?.(inputOnHost(step, state), step.timestep)
      ),
    startOnHost(plan, noise, examples)
  ).x

const sumOf = (
  factors: ReadonlyArray<number>,
  terms: ReadonlyArray<ArrayLike<number>>,
  length: number
): Float64Array => {
  const sum = new Float64Array(length)
  for (const [j, factor] of factors.entries()) {
    if (factor === 0) continue
    for (let i = 0; i < length; i++) sum[i]! += factor * terms[j]![i]!
  }
  return sum
}
