/**
 * UniPC (Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models", 2023).
 */
import { Result } from "effect"
import type { Leg } from "../route.ts"
import type { Combination, Sampler } from "../Sampler.ts"
import { openLinspace } from "./dpmSolver.ts"
import { recalled, sumOf } from "./internal/combinations.ts"
import { interpolationWeights, psi, type Transition, transition, twoValues, valueAt } from "./internal/exponential.ts"
import { isStill, memories, nodesOf, planLegs, remembering, requireOrder } from "./internal/multistep.ts"

/** Options of {@link uniPC}. */
export interface UniPCOptions {
  /** The order of the predictor, 1 to 4; the corrector's is one more. 2 unless given. */
  readonly order?: number | undefined
  /**
   * B(h) of the paper, h (`"bh1"`) or e^h - 1 (`"bh2"`). It only makes a difference to the second-order predictor and the
   * corrector of a first-order step, whose coefficients are simplified. `"bh2"` unless given.
   */
  readonly solverType?: "bh1" | "bh2" | undefined
  /** Take the estimate of the data for a polynomial (true), or that of the noise. True unless given. */
  readonly predictX0?: boolean | undefined
  /** Lower the order over the last steps, down to 1. True unless given; a step to the data is of first order. */
  readonly lowerOrderFinal?: boolean | undefined
  /** The steps, counted from 0, after which nothing is corrected; none unless given. */
  readonly disableCorrector?: ReadonlyArray<number> | undefined
}

/**
 * A multistep predictor whose every step is corrected by what the denoiser says where it ended, without asking again
 * (Zhao et al. 2023, algorithms 1 and 2).
 *
 * Fails with `InvalidSampling` where an option is out of range.
 *
 * @example
 * Sampling.images({ sampler: uniPC({ order: 3 }), steps: 10, count: 16, seed: 7, parameters })
 */
export const uniPC = (options: UniPCOptions = {}): Sampler => ({
  name: "unipc",
  plan: (schedule, planOptions) => {
    const { disableCorrector = [], lowerOrderFinal = true, order = 2, predictX0 = true, solverType = "bh2" } = options
    const form = { predicts: predictX0 ? "sample" : "epsilon", stochastic: false } as const
    const { skip = 0 } = planOptions
    const estimates = memories(order)
    const spec = { sampler: "unipc", spacing: openLinspace, memory: [start, ...estimates] }

    const nodesAt = (legs: ReadonlyArray<Leg>, position: number): ReadonlyArray<number> => {
      const leg = legs[position]!
      const highest = isStill(leg) ? 1 : Math.min(order, lowerOrderFinal ? legs.length - position : order, position + 1)
      return nodesOf(leg, position, legs, highest)
    }
    /** x where the last leg ended, by what was said at its beginning and before, and now at its end. */
    const corrected = (legs: ReadonlyArray<Leg>, position: number, values: ReadonlyArray<Combination>): Combination => {
      const before = legs[position - 1]
      if (before === undefined || isStill(before) || disableCorrector.includes(position - 1 + skip)) return { x: 1 }
      const step = transition(before, form)
      const nodes = nodesAt(legs, position - 1)
      const weights = nodes.length === 1
        ? simplified(step, 1, solverType).toReversed()
        : interpolationWeights([1, ...nodes], step.k)
      return stepBy(step, weights, recalled(start), values)
    }
    const predicted = (
      legs: ReadonlyArray<Leg>,
      position: number,
      x: Combination,
      values: ReadonlyArray<Combination>
    ): Combination => {
      const leg = legs[position]!
      if (leg.to.spread === 0) return { sample: 1 }
      const step = transition(leg, form)
      const nodes = nodesAt(legs, position)
      const weights = nodes.length === 2
        ? simplified(step, nodes[1]!, solverType)
        : interpolationWeights(nodes, step.k)
      return stepBy(step, weights, x, values)
    }

    return Result.flatMap(requireOrder(order, 4), () =>
      planLegs(schedule, planOptions, spec, (leg, position, legs) => {
        const values = [valueAt(leg.from, form.predicts), ...estimates.map(recalled)]
        const x = corrected(legs, position, values)
        return {
          next: predicted(legs, position, x, values),
          remember: { [start]: x, ...remembering(estimates, values) }
        }
      }))
  }
})

/** Where the step before began, corrected. */
const start = "start"

/** The factors of two values, at 0 and at a node, with half of B(h) as that of the difference. */
const simplified = ({ k }: Transition, node: number, solverType: "bh1" | "bh2"): ReadonlyArray<number> =>
  twoValues(psi(0, k), (solverType === "bh1" ? k : psi(0, k)) / 2, node)

const stepBy = (
  { scale, x }: Transition,
  weights: ReadonlyArray<number>,
  from: Combination,
  values: ReadonlyArray<Combination>
): Combination => sumOf([x, from], ...weights.map((weight, j) => [scale * weight, values[j]!] as const))
