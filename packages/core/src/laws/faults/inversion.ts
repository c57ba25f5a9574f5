/**
 * Mistakes in the inversion of a sampler.
 */
import { Result } from "effect"
import { ddim, ddimInversion, type Plan, type Sampler } from "../../sampling/index.ts"
import type { Fault } from "../Fault.ts"
import { inversion } from "../inversion.ts"

const fault = (name: string, caughtBy: string, mistake: string, spoil: (plan: Plan) => Partial<Plan>): Fault => {
  const right = ddimInversion()
  const wrong: Sampler = {
    name,
    plan: (schedule, options) => Result.map(right.plan(schedule, options), (plan) => ({ ...plan, ...spoil(plan) }))
  }
  return {
    name,
    mistake,
    caughtBy: `inversion/${caughtBy}`,
    wrong: inversion(wrong, { of: ddim() }),
    right: inversion(right, { of: ddim() })
  }
}

/** Inversions with one mistake each. */
export const inversionFaults: ReadonlyArray<Fault> = [
  fault("inversion-without-last", "levels", "the inversion leaves out the step to the noisiest level", ({ steps }) => ({
    steps: steps.length === 1 ? [{ ...steps[0]!, to: steps[0]!.from }] : steps.slice(0, -1)
  })),
  fault(
    "inversion-signal-of-start",
    "back",
    "a step up scales the data by the signal of the level that it comes from",
    ({ steps }) => ({
      steps: steps.map((step) => ({ ...step, next: { ...step.next, sample: step.from.signal } }))
    })
  ),
  fault(
    "inversion-adds-noise",
    "gaussian",
    "every step of the inversion adds a little noise of its own",
    ({ steps }) => ({
      steps: steps.map((step) => ({ ...step, next: { ...step.next, noise: 0.1 * step.to.spread } }))
    })
  )
]
