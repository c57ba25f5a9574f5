/**
 * Two solvers of second order, as users of the library would write them: DPM-Solver++ (Lu et al., "DPM-Solver++: Fast
 * Solver for Guided Sampling of Diffusion Probabilistic Models", 2022), multistep (algorithm 2) and singlestep
 * (algorithm 1). They remember earlier estimates, or where a step began.
 */
import { denoisingStep, type Plan, type PlanOptions } from "@effusion/core/sampling"
import { levelAt, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"

/** alpha, sigma and half the logarithm of the signal-to-noise ratio at a timestep. */
const at = (schedule: Schedule, t: number) => {
  const alphaBar = schedule.alphaBar[t]!
  return {
    alpha: Math.sqrt(alphaBar),
    sigma: Math.sqrt(1 - alphaBar),
    lambda: Math.log(alphaBar / (1 - alphaBar)) / 2
  }
}

/** The plan of such a solver: `timesteps` holds one more than are visited, where the last step ends. */
const planOf = (
  name: string,
  schedule: Schedule,
  timesteps: ReadonlyArray<number>,
  predictionType: PlanOptions["predictionType"],
  memory: ReadonlyArray<string>,
  step: (i: number) => Pick<Plan["steps"][number], "next" | "remember">
): Plan => ({
  sampler: name,
  clip: "none",
  initialNoiseSigma: 1,
  memory,
  steps: timesteps.slice(0, -1).map((timestep, i) => ({
    ...Result.getOrThrow(
      denoisingStep({ from: levelAt(schedule, timestep), to: levelAt(schedule, timesteps[i + 1]!) }, predictionType)
    ),
    ...step(i)
  }))
})

/** Two-step, midpoint. The first step is of first order. */
export const multistep = (
  schedule: Schedule,
  timesteps: ReadonlyArray<number>,
  predictionType: PlanOptions["predictionType"]
): Plan =>
  planOf("dpm-solver++ 2M", schedule, timesteps, predictionType, ["previous"], (i) => {
    const [from, to] = [at(schedule, timesteps[i]!), at(schedule, timesteps[i + 1]!)]
    const h = to.lambda - from.lambda
    const factor = -to.alpha * Math.expm1(-h)
    const correction = i === 0
      ? 0
      : factor / 2 * h / (from.lambda - at(schedule, timesteps[i - 1]!).lambda)
    return {
      next: { x: to.sigma / from.sigma, sample: factor + correction, memory: { previous: -correction } },
      remember: { previous: { sample: 1 } }
    }
  })

/** Two evaluations a step: a half step of first order, then the whole step from where it began. */
export const singlestep = (
  schedule: Schedule,
  timesteps: ReadonlyArray<number>,
  predictionType: PlanOptions["predictionType"]
): Plan =>
  planOf("dpm-solver++ 2S", schedule, timesteps, predictionType, ["start", "first"], (i) => {
    const [here, to] = [at(schedule, timesteps[i]!), at(schedule, timesteps[i + 1]!)]
    if (i % 2 === 0) {
      return {
        next: { x: to.sigma / here.sigma, sample: -to.alpha * Math.expm1(here.lambda - to.lambda) },
        remember: { start: { x: 1 }, first: { sample: 1 } }
      }
    }
    const start = at(schedule, timesteps[i - 1]!)
    const h = to.lambda - start.lambda
    const factor = -to.alpha * Math.expm1(-h)
    const correction = factor / 2 * h / (here.lambda - start.lambda)
    return {
      next: { sample: correction, memory: { start: to.sigma / start.sigma, first: factor - correction } },
      remember: {}
    }
  })
