/**
 * Solvers that remember what the denoiser said before.
 */
import { Result } from "effect"
import { lambdaOf, type Schedule } from "../../../schedule/index.ts"
import { type Leg, route } from "../../route.ts"
import type { Combination, Plan, PlanError, PlanOptions, PlanSpec, StepRule } from "../../Sampler.ts"
import { planAlong } from "../../Sampler.ts"
import { InvalidSampling } from "../../SamplingError.ts"
import { withSpacing } from "../../TimestepChoice.ts"
import { recalled, sumOf } from "./combinations.ts"
import { finiteLegs } from "./levels.ts"

/** What a multistep solver says of a step. */
export interface MultistepRule {
  /** The factor of x. */
  readonly x: number
  /** The factors of the value of this step, of the one before, and so on: as many as the order of the step. */
  readonly weights: ReadonlyArray<number>
  /** The factor of fresh noise; 0 unless given. */
  readonly noise?: number
  /** The factor of the estimate of the data, besides those of the values; 0 unless given. */
  readonly sample?: number
}

/** To the data, in a step of first order. */
export const toEstimate: MultistepRule = { x: 0, weights: [], sample: 1 }

/** A multistep solver. */
export interface Multistep extends Omit<PlanSpec, "memory"> {
  readonly order: number
  /** What is remembered of a step: the estimate of the data, or of the noise. */
  readonly value: (level: Leg["from"]) => Combination
  readonly rule: (leg: Leg, position: number, legs: ReadonlyArray<Leg>, skipped: number) => MultistepRule
}

/** The plan of a multistep solver. Pure noise is taken for a level of finite sigma. */
export const planMultistep = (
  schedule: Schedule,
  options: PlanOptions,
  { order, rule, value, ...spec }: Multistep
): Result.Result<Plan, PlanError> => {
  const memory = memories(order - 1)
  return planLegs(schedule, options, { ...spec, memory }, (leg, position, legs) => {
    const { noise = 0, sample = 0, weights, x } = rule(leg, position, legs, options.skip ?? 0)
    const values = [value(leg.from), ...memory.map(recalled)]
    return {
      next: sumOf([1, { x, sample, noise }], ...weights.map((weight, j) => [weight, values[j]!] as const)),
      remember: remembering(memory, values)
    }
  })
}

/** The plan of a solver that needs sigma to be finite. */
export const planLegs = (
  schedule: Schedule,
  options: PlanOptions,
  spec: PlanSpec,
  step: (leg: Leg, position: number, legs: ReadonlyArray<Leg>) => StepRule
): Result.Result<Plan, PlanError> =>
  Result.flatMap(
    route(schedule, withSpacing(options, spec.spacing)),
    (legs) => planAlong(finiteLegs(legs), options, spec, step)
  )

/** Names for so many earlier values, the latest first. */
export const memories = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, j) => `${j + 1} before`)

/** Each tensor of the memory becomes the value that is one step later. */
export const remembering = (
  memory: ReadonlyArray<string>,
  values: ReadonlyArray<Combination>
): { readonly [name: string]: Combination } => Object.fromEntries(memory.map((name, j) => [name, values[j]!]))

/**
 * Where the values of this step and of earlier ones lie, in lambda as parts of the step: 0 is where it begins, 1 where it
 * ends.
 */
export const nodesOf = (leg: Leg, position: number, legs: ReadonlyArray<Leg>, order: number): ReadonlyArray<number> => {
  const start = lambdaOf(leg.from)
  const h = lambdaOf(leg.to) - start
  return Array.from({ length: order }, (_, j) => j === 0 ? 0 : (lambdaOf(legs[position - j]!.from) - start) / h)
}

/** Whether a leg goes nowhere, as where a solver ends at the level of t = 0 and has visited it. */
export const isStill = ({ from, to }: Leg): boolean => lambdaOf(to) === lambdaOf(from)

/** Fails where an order is not a whole number from 1 to the highest there is. */
export const requireOrder = (order: number, highest: number): Result.Result<void, InvalidSampling> =>
  Number.isInteger(order) && order >= 1 && order <= highest
    ? Result.void
    : Result.fail(
      new InvalidSampling({ option: "order", value: order, expected: `a whole number from 1 to ${highest}` })
    )
