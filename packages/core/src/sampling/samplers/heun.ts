/**
 * Heun's method for the probability flow (Karras et al., "Elucidating the Design Space of Diffusion-Based Generative
 * Models", 2022, algorithms 1 and 2).
 */
import { Result } from "effect"
import { sigmaOf } from "../../schedule/index.ts"
import { type Leg, route } from "../route.ts"
import { planAlong, type Sampler, type StepRule } from "../Sampler.ts"
import { type Spacing, withSpacing } from "../TimestepChoice.ts"
import { type Churn, churned, requireChurn } from "./churn.ts"
import { ddimNext } from "./ddim.ts"
import { fractionalLinspace } from "./euler.ts"
import { recalled, sumOf } from "./internal/combinations.ts"
import { noiseAt } from "./internal/exponential.ts"
import { finiteLegs } from "./internal/levels.ts"

/**
 * Heun's method in sigma = spread / signal, of second order: goes to the next level as {@link euler} does, asks the
 * denoiser there, and goes again from where it began with the mean of the two slopes. The last step, to the data, is
 * Euler's. So N steps ask the denoiser 2 N - 1 times.
 *
 * Its error grows with the ratio of one sigma to the next, so where a schedule goes up to sigmas far above the data's (a
 * cosine one to 20,000), leave them out: `sigmaMax: 80` in a spacing by sigma, `lambdaMin: -Math.log(80)` in the others.
 *
 * With `churn` it is the stochastic sampler of Karras et al. (2022, algorithm 2).
 *
 * Fails with `InvalidSampling` where an option is out of range.
 *
 * @example
 * Sampling.images({ sampler: heun(), steps: 18, spacing: "karras", count: 16, seed: 7, parameters })
 */
export const heun = (options: Churn = {}): Sampler => heunNamed("heun", fractionalLinspace, options)

/**
 * The stochastic sampler of EDM: {@link heun} with the churn that Karras et al. (2022, table 5) found best for ImageNet at
 * 64 x 64, S_churn 40 (they took 256 steps), S_tmin 0.05, S_tmax 50 and S_noise 1.003, and Karras's spacing of sigma. How
 * much churn is best depends on data and network.
 *
 * Fails with `InvalidSampling` where an option is out of range.
 *
 * @example
 * Sampling.images({ sampler: edm({ churn: 10 }), steps: 40, count: 16, seed: 7, parameters })
 */
export const edm = (options: Churn = {}): Sampler =>
  heunNamed("edm", { spacing: "karras" }, { churn: 40, sTmin: 0.05, sTmax: 50, sNoise: 1.003, ...options })

const heunNamed = (name: string, spacing: Spacing, options: Churn): Sampler => ({
  name,
  plan: (schedule, planOptions) =>
    Result.gen(function*() {
      yield* requireChurn(options)
      const legs = finiteLegs(yield* route(schedule, withSpacing(planOptions, spacing)))
      const { added, finish, legs: raised, start } = churned(schedule, planOptions, legs, options)
      const evaluations = legs.flatMap(({ to }, i): ReadonlyArray<Evaluation> => {
        const { from, to: end } = raised[i]!
        const after = added[i + 1]
        if (to.spread === 0) {
          return [{ from, to: end, rule: { next: ddimNext({ from, to }, { useClippedModelOutput: true }) } }]
        }
        const { first, second } = heunSteps({ from, to })
        return [
          { from, to, rule: first },
          { from: to, to: end, rule: { next: finish(second, after) } }
        ]
      })
      const spec = { sampler: name, memory: [halfway] }
      return start(yield* planAlong(evaluations, planOptions, spec, (_, i) => evaluations[i]!.rule))
    })
})

interface Evaluation extends Leg {
  readonly rule: StepRule
}

const halfway = "halfway"

/** x where the leg ends, for a part of the slope: signal' (x / signal + (sigma' - sigma) part (x - D) / sigma). */
const slope = ({ from, to }: Leg, part: number) =>
  sumOf(
    [to.signal / from.signal, { x: 1 }],
    [part * to.signal * (sigmaOf(to) - sigmaOf(from)), noiseAt(from)]
  )

const heunSteps = (leg: Leg) => ({
  first: { next: slope(leg, 1), remember: { [halfway]: slope(leg, 0.5) } },
  second: sumOf(
    [1, recalled(halfway)],
    [0.5 * leg.to.signal * (sigmaOf(leg.to) - sigmaOf(leg.from)), noiseAt(leg.to)]
  )
})
