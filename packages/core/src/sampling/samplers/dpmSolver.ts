/**
 * DPM-Solver and DPM-Solver++ (Lu et al., "DPM-Solver: A Fast ODE Solver for Diffusion Probabilistic Model Sampling in
 * Around 10 Steps", 2022; "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models", 2022).
 *
 * Both solve the probability flow in lambda = ln(signal / spread), in which its linear part is exact, and take what the
 * denoiser says for a polynomial in between: the estimate of the data ("++"), or that of the noise. The orders and their
 * coefficients are those of the authors' and of diffusers' implementations.
 */
import { Result } from "effect"
import { lambdaOf } from "../../schedule/index.ts"
import type { Leg } from "../route.ts"
import type { Combination, Sampler, StepRule } from "../Sampler.ts"
import type { Spacing } from "../TimestepChoice.ts"
import { recalled, sumOf } from "./internal/combinations.ts"
import {
  type ExponentialForm,
  interpolationWeights,
  psi,
  transition,
  twoValues,
  valueAt
} from "./internal/exponential.ts"
import {
  isStill,
  type MultistepRule,
  nodesOf,
  planLegs,
  planMultistep,
  requireOrder,
  toEstimate
} from "./internal/multistep.ts"

/** Which of the equations is solved: for the data (`++`) or the noise, without fresh noise or with it (`sde`). */
export const dpmSolverAlgorithms = ["dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"] as const

export type DpmSolverAlgorithm = typeof dpmSolverAlgorithms[number]

/** Options that both solvers have. */
interface SolverOptions {
  /** The order of the solver, 1 to 3; 2 unless given. */
  readonly order?: number | undefined
  /**
   * How the highest derivative is taken into account: as at the middle of the step (`"midpoint"`), or by the polynomial's
   * exact integral (`"heun"`; the authors call it `"taylor"`). Multistep of order 3 has one form only. `"midpoint"` unless
   * given.
   */
  readonly solverType?: "midpoint" | "heun" | undefined
  /**
   * Lower the order over the last steps where there are few of them, below 15 for multistep. True unless given. A step
   * that ends at the data is of first order in any case.
   */
  readonly lowerOrderFinal?: boolean | undefined
}

/** Options of {@link dpmSolverSinglestep}. */
export interface DpmSolverSinglestepOptions extends SolverOptions {
  /**
   * `"dpmsolver++"` unless given. With noise (`sde`), a group's steps all draw theirs from where the group begins, so that
   * it converges as order 1 does.
   */
  readonly algorithm?: Exclude<DpmSolverAlgorithm, "sde-dpmsolver"> | undefined
}

/** Options of {@link dpmSolver}. */
export interface DpmSolverOptions extends SolverOptions {
  /** `"dpmsolver++"` unless given. */
  readonly algorithm?: DpmSolverAlgorithm | undefined
  /** Make the last step one of first order, however many there are. False unless given. */
  readonly eulerAtFinal?: boolean | undefined
  /**
   * The factor of the second difference in order 3: `"published"`, half of what the interpolating polynomial has, as in
   * the authors' and all later implementations, so that order 3 converges as order 2 does; or `"exact"`, of third order.
   * `"published"` unless given.
   */
  readonly thirdOrder?: "published" | "exact" | undefined
}

/** The spacing of diffusers' DPM-Solver, UniPC and DEIS: N of N + 1 timesteps from the last to the first. */
export const openLinspace: Spacing = { spacing: "linspace", dropLast: true }

const formOf = (algorithm: DpmSolverAlgorithm): ExponentialForm => ({
  predicts: algorithm.endsWith("++") ? "sample" : "epsilon",
  stochastic: algorithm.startsWith("sde")
})

/**
 * The multistep solver: remembers what the denoiser said at earlier steps, so that each step asks once (Lu et al. 2022,
 * "DPM-Solver++", algorithm 2: "2M"). Of order 1 it is DDIM, with eta 0 or, in its SDE form, eta 1.
 *
 * The first steps are of lower order. Fails with `InvalidSampling` where an option is out of range.
 *
 * @example
 * Sampling.images({ sampler: dpmSolver(), steps: 20, count: 16, seed: 7, parameters })
 */
export const dpmSolver = (options: DpmSolverOptions = {}): Sampler => ({
  name: "dpm-solver",
  plan: (schedule, planOptions) => {
    const { algorithm = "dpmsolver++", eulerAtFinal = false, lowerOrderFinal = true, order = 2 } = options
    const form = formOf(algorithm)
    return Result.flatMap(requireOrder(order, 3), () =>
      planMultistep(schedule, planOptions, {
        sampler: "dpm-solver",
        spacing: openLinspace,
        order,
        value: (level) => valueAt(level, form.predicts),
        rule: (leg, position, legs, skipped) => {
          const left = legs.length - 1 - position
          const few = lowerOrderFinal && legs.length + skipped < 15
          const last = left === 0 && (eulerAtFinal || few || leg.to.spread === 0)
          const highest = last || isStill(leg) ? 1 : left === 1 && few ? Math.min(2, order) : order
          return multistepRule(leg, position, legs, Math.min(highest, position + 1), options)
        }
      }))
  }
})

const multistepRule = (
  leg: Leg,
  position: number,
  legs: ReadonlyArray<Leg>,
  order: number,
  { algorithm = "dpmsolver++", solverType = "midpoint", thirdOrder = "published" }: DpmSolverOptions
): MultistepRule => {
  if (leg.to.spread === 0) return toEstimate
  const { k, noise, scale, x } = transition(leg, formOf(algorithm))
  const nodes = nodesOf(leg, position, legs, order)
  const weights = order === 2 && solverType === "midpoint"
    ? twoValues(psi(0, k), psi(0, k) / 2, nodes[1]!)
    : order === 3 && thirdOrder === "published"
    ? withoutHalfOfSecondDifference(nodes, k)
    : interpolationWeights(nodes, k)
  return { x, weights: weights.map((weight) => scale * weight), noise }
}

/** The interpolating polynomial's, with half the term of the second divided difference. */
const withoutHalfOfSecondDifference = (nodes: ReadonlyArray<number>, k: number): ReadonlyArray<number> => {
  const [a, b, c] = nodes as [number, number, number]
  const half = psi(2, k) / 2
  const second = [1 / ((a - b) * (a - c)), 1 / ((b - a) * (b - c)), 1 / ((c - a) * (c - b))]
  return interpolationWeights(nodes, k).map((weight, j) => weight - half * second[j]!)
}

/**
 * The singlestep solver: groups of as many steps as the order is, of which the first is of order 1 from where the group
 * begins, the second of order 2 from there again, and the third of order 3 (Lu et al. 2022, "DPM-Solver++", algorithm 1:
 * "2S"). It forgets what was said in earlier groups.
 *
 * `lowerOrderFinal` is false unless given: it holds in any case where the number of steps is no multiple of the order, or
 * the last step ends at the data. The last group is then lowered as in the authors' implementation.
 *
 * Fails with `InvalidSampling` where an option is out of range.
 *
 * @example
 * Sampling.images({ sampler: dpmSolverSinglestep({ order: 3 }), steps: 20, count: 16, seed: 7, parameters })
 */
export const dpmSolverSinglestep = (options: DpmSolverSinglestepOptions = {}): Sampler => ({
  name: "dpm-solver-singlestep",
  plan: (schedule, planOptions) => {
    const { algorithm = "dpmsolver++", order = 2 } = options
    const { predicts } = formOf(algorithm)
    const { skip = 0 } = planOptions
    const memory = order === 1 ? [] : ["start", ...estimateNames.slice(0, order - 1)]
    const spec = { sampler: "dpm-solver-singlestep", spacing: openLinspace, memory }
    return Result.flatMap(
      requireOrder(order, 3),
      () =>
        planLegs(schedule, planOptions, spec, (leg, position, legs): StepRule => {
          const here = orderInGroup(legs, position, skip, options)
          const value = valueAt(leg.from, predicts)
          const name = estimateNames[here - 1]
          return {
            next: singlestepNext(legs.slice(position - here + 1, position + 1), value, options),
            remember: {
              ...(here === 1 && order > 1 ? { start: { x: 1 } } : {}),
              ...(name !== undefined && here < order ? { [name]: value } : {})
            }
          }
        })
    )
  }
})

/** The estimates of a group's first and second steps. */
const estimateNames = ["first", "second"] as const

/** The order of a step, and its place in its group. */
const orderInGroup = (
  legs: ReadonlyArray<Leg>,
  position: number,
  skip: number,
  { lowerOrderFinal = false, order = 2 }: DpmSolverSinglestepOptions
): number => {
  const toData = legs.at(-1)!.to.spread === 0
  if (toData && position === legs.length - 1) return 1
  const steps = legs.length + skip
  const lower = lowerOrderFinal || toData || steps % order !== 0
  const whole = (lower && steps % order === 0 ? steps / order - 1 : Math.floor(steps / order)) * order
  const place = position + skip
  const inGroup = place < whole ? place % order + 1 : place - whole + 1 === order ? 1 : place - whole + 1
  // Where sampling starts in the middle of a group, its beginning is missing.
  return Math.min(inGroup, position + 1)
}

/** x after the last leg of a group, or of its beginning: from where the group began. */
const singlestepNext = (
  group: ReadonlyArray<Leg>,
  value: Combination,
  { algorithm = "dpmsolver++", solverType = "midpoint" }: DpmSolverSinglestepOptions
): Combination => {
  const whole = { from: group[0]!.from, to: group.at(-1)!.to }
  if (whole.to.spread === 0) return { sample: 1 }
  const { h, k, noise, scale, x } = transition(whole, formOf(algorithm))
  const nodes = group.map(({ from }) => from === whole.from ? 0 : (lambdaOf(from) - lambdaOf(whole.from)) / h)
  const weights = solverType === "heun" || nodes.length === 1
    ? interpolationWeights(nodes, k)
    : nodes.length === 2
    ? twoValues(psi(0, k), psi(0, k) / 2, nodes[1]!)
    : twoValues(psi(0, k), psi(1, k), nodes[2]!).toSpliced(1, 0, 0)
  const values = [...estimateNames.slice(0, group.length - 1).map(recalled), value]
  return sumOf(
    [x, group.length === 1 ? { x: 1 } : recalled("start")],
    ...weights.map((weight, j) => [scale * weight, values[j]!] as const),
    [noise, { noise: 1 }]
  )
}
