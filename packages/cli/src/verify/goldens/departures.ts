/**
 * Where diffusers departs from the sampler that it implements. Its numbers are reproduced, so its departures are, each as a
 * change of the plan that Effusion's own sampler makes.
 */
import { posteriorBetween } from "@effusion/core/diffusion"
import type { Combination, DenoisingStep, Plan } from "@effusion/core/sampling"
import { lambdaOf, type NoiseLevel, sigmaOf } from "@effusion/core/schedule"
import type { Config, SchedulerKind } from "./schedulers.ts"
import type { Precision } from "./tables.ts"

/**
 * The plan with all departures of a scheduler.
 *
 * @example
 * const plan = withDepartures(ddpmPlan, { kind: "ddpm", config, precision: "float32" })
 */
export const withDepartures = (
  plan: Plan,
  { config, kind, precision }: {
    readonly kind: SchedulerKind
    readonly config: Config
    readonly precision: Precision
  }
): Plan => {
  if (kind === "ddpm") return withBetaOfNeighbours(withLateNoise(plan, config), precision)
  if (config.algorithm_type !== "sde-dpmsolver++" || config.solver_order !== 3) return plan
  if (kind === "dpmMultistep") return withSecondDifference(plan, ofMultistep)
  return kind === "dpmSinglestep" && config.solver_type === "heun" ? withSecondDifference(plan, ofSinglestep) : plan
}

const mapSteps = (plan: Plan, change: (step: DenoisingStep, position: number) => DenoisingStep): Plan => ({
  ...plan,
  steps: plan.steps.map(change)
})

/**
 * DDPM adds noise in every step but that of t = 0, so also in a last step that leaves from elsewhere, where what is drawn is
 * the data. (Of `fixed_small` it would be nothing, and is 1e-10.)
 */
const withLateNoise = (plan: Plan, { variance_type }: Config): Plan =>
  mapSteps(plan, (step) => {
    const { from, next, timestep, to } = step
    if (!(to.spread === 0 && timestep > 0) || variance_type.startsWith("fixed_small")) return step
    const noise = plan.variance === undefined ? Math.sqrt(posteriorBetween(from, to).forwardVariance) : 1
    return { ...step, next: { ...next, noise } }
  })

/**
 * DDPM makes beta of two neighbours, 1 - alphaBar_t / alphaBar_s, in float32. Where beta is small that is off by up to a
 * thousandth of it, which the cosine schedule shows over a thousand steps.
 */
const withBetaOfNeighbours = (plan: Plan, precision: Precision): Plan =>
  precision === "float64" ? plan : mapSteps(plan, (step) => {
    const { from, next, to } = step
    const beta = Math.fround(1 - Math.fround(from.signal ** 2 / to.signal ** 2))
    const change = beta / posteriorBetween(from, to).forwardVariance
    const noise = plan.variance === undefined ? Math.sqrt(change) * (next.noise ?? 0) : next.noise ?? 0
    return { ...step, next: { ...next, sample: change * (next.sample ?? 0), noise } }
  })

/**
 * Euler's churn adds its noise after the denoiser has spoken: a step goes from the level that x is taken up to, with what
 * was said of x before.
 *
 * @param plain the step without churn
 * @param raised the step from the noisier level
 * @param options.estimateAt the level at which the estimate of x_0 is made, of the noisier x: that of either step
 */
export const withLateChurn = (
  plain: Plan,
  raised: Plan,
  { estimateAt, sNoise }: { readonly estimateAt: NoiseLevel; readonly sNoise: number }
): Plan => {
  const [before, after] = [plain.steps[0]!, raised.steps[0]!]
  // The noisier x, x / signal with noise of variance sigma_hat^2 - sigma^2 more, at the scale of a level.
  const added = sNoise * Math.sqrt(sigmaOf(after.from) ** 2 - sigmaOf(before.from) ** 2)
  const noisierAt = ({ signal }: NoiseLevel) => ({ x: signal / before.from.signal, noise: signal * added })
  const estimate = (estimateAt === before.from ? before : after).sample
  const [inEstimate, inStep] = [noisierAt(estimateAt), noisierAt(after.from)]
  const { sample = 0, x = 0 } = after.next
  return {
    ...plain,
    steps: [{
      ...before,
      to: after.to,
      sample: { xt: estimate.xt * inEstimate.x, prediction: estimate.prediction },
      next: { sample, x: x * inStep.x, noise: x * inStep.noise + sample * estimate.xt * inEstimate.noise }
    }]
  }
}

/** The factors of the second difference in a step, where the step has one. */
type SecondDifference = (plan: Plan, position: number) => Combination | undefined

/**
 * The stochastic DPM-Solver++ of third order takes the second difference D2 of its values times
 * (1 - e^{-2h} - 2h) / (2h)^2 - 1/2, where the integral has + 1/2.
 */
const withSecondDifference = (plan: Plan, secondDifference: SecondDifference): Plan =>
  mapSteps(plan, (step, position) => {
    const difference = secondDifference(plan, position)
    if (difference === undefined) return step
    const { next, to } = step
    const memory = Object.fromEntries(
      plan.memory.map((name) => [name, (next.memory?.[name] ?? 0) - to.signal * (difference.memory?.[name] ?? 0)])
    )
    return { ...step, next: { ...next, sample: (next.sample ?? 0) - to.signal * (difference.sample ?? 0), memory } }
  })

/** D2 of the multistep solver: of this step's estimate and of those of the two steps before. */
const ofMultistep: SecondDifference = (plan, position) => {
  const step = plan.steps[position]!
  const [before, twoBefore] = plan.memory as readonly [string, string]
  if ((step.next.memory?.[twoBefore] ?? 0) === 0) return undefined
  const [now, last, secondLast] = lambdasOf(plan, position)
  const h = lambdaOf(step.to) - now
  const [r0, r1] = [(now - last) / h, (last - secondLast) / h]
  const scale = 1 / (r0 + r1)
  return {
    sample: scale / r0,
    memory: { [before]: -scale * (1 / r0 + 1 / r1), [twoBefore]: scale / r1 }
  }
}

/** D2 of the singlestep solver: of this step's estimate and of the two earlier ones of its group. */
const ofSinglestep: SecondDifference = (plan, position) => {
  const step = plan.steps[position]!
  const [, first, second] = plan.memory as readonly [string, string, string]
  if ((step.next.memory?.[second] ?? 0) === 0) return undefined
  const [now, middle, start] = lambdasOf(plan, position)
  const h = lambdaOf(step.to) - start
  const [r0, r1] = [(now - start) / h, (middle - start) / h]
  const scale = 2 / (r0 - r1)
  return {
    sample: scale / r0,
    memory: { [first]: scale * (1 / r1 - 1 / r0), [second]: -scale / r1 }
  }
}

/** lambda of a step and of the two before, the latest first. */
const lambdasOf = ({ steps }: Plan, position: number): readonly [number, number, number] => {
  const lambda = (back: number) => lambdaOf(steps[position - back]!.from)
  return [lambda(0), lambda(1), lambda(2)]
}
