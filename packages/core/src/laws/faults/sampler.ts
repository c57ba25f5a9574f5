/**
 * Mistakes in samplers.
 */
import { Result } from "effect"
import {
  ddim,
  ddpm,
  type DenoisingStep,
  dpmSolver,
  type Plan,
  planOver,
  repaint,
  type Sampler
} from "../../sampling/index.ts"
import { dataLevel, lambdaOf, levelAt, type Schedule } from "../../schedule/index.ts"
import type { Fault } from "../Fault.ts"
import { geometricDdpm } from "../internal/geometricDdpm.ts"
import { sampler as lawsOf, type SamplerLawOptions } from "../sampler.ts"

const fault = (
  name: string,
  caughtBy: string,
  mistake: string,
  right: Sampler,
  wrong: Sampler["plan"],
  options: SamplerLawOptions = {}
): Fault => ({
  name,
  mistake,
  caughtBy: `sampler/${caughtBy}`,
  wrong: lawsOf({ name, plan: wrong }, options),
  right: lawsOf(right, options)
})

/** The plans of a sampler, with a mistake in each step. */
const spoil = (
  { plan }: Sampler,
  step: (step: DenoisingStep, position: number, plan: Plan, schedule: Schedule) => Partial<DenoisingStep>
): Sampler["plan"] =>
(schedule, options) =>
  Result.map(plan(schedule, options), (plan) => ({
    ...plan,
    steps: plan.steps.map((right, i) => ({ ...right, ...step(right, i, plan, schedule) }))
  }))

/** The plans of a sampler, with a mistake in what becomes of x. */
const spoilNext = (
  sampler: Sampler,
  next: (step: DenoisingStep, position: number, plan: Plan, schedule: Schedule) => DenoisingStep["next"]
): Sampler["plan"] =>
  spoil(sampler, (step, i, plan, schedule) => ({ next: { ...step.next, ...next(step, i, plan, schedule) } }))

/** A plan that depends on how many were made before. */
const forgetful = (): Sampler["plan"] => {
  let made = 0
  const { plan } = ddim({ eta: 0.5 })
  return (schedule, options) => {
    made++
    return spoilNext({ name: "", plan }, ({ next }) => ({ noise: (next.noise ?? 0) * (1 + made / 100) }))(
      schedule,
      options
    )
  }
}

/** At the lower end of its range the learned variance is that of the posterior. */
const learnedRangeIsDdpm: SamplerLawOptions = {
  variance: -1,
  sameAs: { sampler: ddpm(), source: "Nichol and Dhariwal 2021, equation 15" }
}

/** Samplers with one mistake each. */
export const samplerFaults: ReadonlyArray<Fault> = [
  fault(
    "estimate-biased",
    "keeps-marginal",
    "the estimate of x_0 counts a hundredth too much in every step",
    ddim(),
    spoilNext(ddim(), ({ next: { sample = 0 } }) => ({ sample: 1.01 * sample }))
  ),
  fault(
    "variance-for-deviation",
    "keeps-marginal",
    "DDPM multiplies its noise by the variance, without the square root",
    ddpm(),
    spoilNext(ddpm(), ({ next: { noise = 0 } }) => ({ noise: noise ** 2 }))
  ),
  fault(
    "noise-on-top",
    "keeps-marginal",
    "noise is added to a deterministic step, which keeps all of the old noise as well",
    ddim(),
    spoilNext(ddim(), ({ to }) => ({ noise: to.spread / 2 }))
  ),
  fault(
    "beta-of-a-single-step",
    "keeps-marginal",
    "where timesteps are skipped, DDPM adds the noise of one timestep alone",
    ddpm(),
    spoilNext(ddpm(), ({ next: { noise = 0 }, timestep }, _, __, { beta }) => ({
      noise: noise === 0 ? 0 : Math.sqrt(beta[timestep]!)
    }))
  ),
  fault(
    "noise-at-the-last-step",
    "no-noise-at-the-end",
    "the step to the data adds noise like every other",
    ddpm(),
    spoilNext(ddpm(), (_, i, { steps }, { beta }) => i === steps.length - 1 ? { noise: Math.sqrt(beta[0]!) } : {})
  ),
  fault(
    "ends-at-the-first-timestep",
    "levels-connect",
    "the last step ends at the noise of timestep 0, not at the data",
    ddim(),
    spoil(ddim(), ({ to }, _, __, schedule) => to === dataLevel ? { to: levelAt(schedule, 0) } : {})
  ),
  fault(
    "told-the-next-timestep",
    "told-the-level",
    "the denoiser is told the timestep where the step ends, not the one of its x",
    ddim(),
    spoil(ddim(), ({ to }) => ({ timestep: Math.max(0, to.timestep) }))
  ),
  fault(
    "told-the-position",
    "told-the-level",
    "the denoiser is told how many steps are left, which is no timestep where some are skipped",
    ddim(),
    spoil(ddim(), (_, i, { steps }) => ({ timestep: steps.length - 1 - i }))
  ),
  fault(
    "velocity-for-noise",
    "any-prediction",
    "every prediction is taken for one of the noise",
    ddim(),
    (schedule, options) => ddim().plan(schedule, { ...options, predictionType: "epsilon" })
  ),
  fault(
    "renoised-afresh",
    "gaussian",
    "each step goes to the estimate of x_0 and adds new noise, which loses the spread of the data around its estimate",
    ddpm(),
    (schedule, options) =>
      planOver(schedule, options, { sampler: "renoising" }, ({ to }) => ({
        next: { sample: to.signal, noise: to.spread }
      }))
  ),
  {
    name: "order-claimed",
    mistake: "a solver of first order says that it is one of second",
    caughtBy: "sampler/order",
    wrong: lawsOf(ddim(), { order: 2 }),
    right: lawsOf(ddim(), { order: 1 })
  },
  fault(
    "correction-reversed",
    "order",
    "a solver of second order goes against the change of its estimates, not with it",
    dpmSolver({ order: 2 }),
    spoilNext(dpmSolver({ order: 2 }), ({ next: { memory = {}, sample = 0 } }) => ({
      sample: sample + 2 * Object.values(memory).reduce((sum, factor) => sum + factor, 0),
      memory: Object.fromEntries(Object.entries(memory).map(([name, factor]) => [name, -factor]))
    })),
    { order: 2 }
  ),
  fault(
    "exponential-linearised",
    "is-ddim",
    "a solver of first order has h for 1 - exp(-h), which is only nearly so",
    ddim(),
    (schedule, options) =>
      planOver(schedule, options, { sampler: "linearised" }, ({ from, to }) => ({
        next: to.spread === 0
          ? { sample: 1 }
          : { x: to.spread / from.spread, sample: to.signal * (lambdaOf(to) - lambdaOf(from)) }
      })),
    { sameAs: { sampler: ddim(), source: "Lu et al. 2022 (DPM-Solver++), section 4" } }
  ),
  fault(
    "state-between-samples",
    "same-key-same-sample",
    "a sampler counts what it has drawn, and adds more noise each time",
    ddim({ eta: 0.5 }),
    forgetful()
  ),
  fault(
    "ddim-sigma-without-root",
    "is-ddpm",
    "DDIM's sigma is eta times the variance of the posterior, without the square root",
    ddim({ eta: 1 }),
    spoilNext(ddim({ eta: 1 }), ({ next: { noise = 0 }, to }) => ({
      noise: noise ** 2,
      epsilon: Math.sqrt(Math.max(0, to.spread ** 2 - noise ** 4))
    })),
    { sameAs: { sampler: ddpm(), source: "Song, Meng and Ermon 2020, section 4.1" } }
  ),
  fault(
    "learned-range-reversed",
    "is-ddpm",
    "the learned variance goes from beta to that of the posterior, not the other way",
    ddpm({ variance: "learned-range" }),
    spoil(
      ddpm({ variance: "learned-range" }),
      ({ logVariance: [low, high] = [-1, 1] }) => ({ logVariance: [high, low] })
    ),
    learnedRangeIsDdpm
  ),
  fault(
    "learned-variance-for-deviation",
    "is-ddpm",
    "the noise is multiplied by the exponential of the learned logarithm of the variance, without its half",
    ddpm({ variance: "learned-range" }),
    spoil(ddpm({ variance: "learned-range" }), ({ logVariance: [low, high] = [-1, 1] }) => ({
      logVariance: [2 * low, 2 * high]
    })),
    learnedRangeIsDdpm
  ),
  fault(
    "learned-variance-along-a-line",
    "is-ddpm-geometric",
    "the learned variance lies between the two as a number, not by its logarithm",
    ddpm({ variance: "learned-range" }),
    spoil(ddpm({ variance: "learned-range" }), ({ logVariance: [low, high] = [-1, 1] }) => {
      const middle = Math.log((Math.exp(low) + Math.exp(high)) / 2)
      return { logVariance: [middle, middle] }
    }),
    { variance: 0, sameAs: { sampler: geometricDdpm, source: "Nichol and Dhariwal 2021, equation 15" } }
  ),
  fault(
    "renoised-with-all-of-it",
    "keeps-marginal",
    "to go back, RePaint adds all the noise of the level that it goes back to, to what there is already",
    repaint(ddpm(), { jumpLength: 2, resamplings: 2 }),
    spoilNext(
      repaint(ddpm(), { jumpLength: 2, resamplings: 2 }),
      ({ from, next, to }) => to.spread > from.spread ? { noise: Math.hypot(next.noise ?? 0, to.spread) } : {}
    )
  )
]
