/**
 * Planted faults: wrong subjects, one mistake each, to show that the laws see it. A law that no fault breaks may be saying
 * nothing.
 */
import { Effect } from "effect"
import { brokenLaws, check, type CheckOptions, type LawReport } from "./check.ts"
import type { Suite } from "./Law.ts"

/** A subject with one mistake. */
export interface Fault {
  /** `posterior-coefficients-swapped` */
  readonly name: string
  /** What is broken, and where. */
  readonly mistake: string
  /** The name of the law that must catch it. */
  readonly caughtBy: string
  /** The laws of the wrong subject. */
  readonly suite: Suite
}

/** What the laws made of a fault. */
export interface FaultReport extends Pick<Fault, "name" | "mistake" | "caughtBy"> {
  /** Whether the law that must catch it did. */
  readonly caught: boolean
  /** The law that must catch it, with its counterexample. */
  readonly law: LawReport | undefined
  /** The names of the other laws of the suite that are broken as well. */
  readonly others: ReadonlyArray<string>
}

/**
 * Lets the laws of a fault's suite loose on it.
 *
 * @example
 * const reports = yield* Effect.forEach(Laws.faults, (fault) => Laws.expose(fault))
 * reports.every(({ caught }) => caught) // => true
 */
export const expose = (
  { caughtBy, mistake, name, suite }: Fault,
  options: Pick<CheckOptions, "runs" | "seed"> = {}
): Effect.Effect<FaultReport> =>
  Effect.map(check(suite, options), (report) => {
    const broken = brokenLaws(report)
    const law = broken.find((law) => law.name === caughtBy)
    return {
      name,
      mistake,
      caughtBy,
      caught: law !== undefined,
      law,
      others: broken.filter((law) => law.name !== caughtBy).map(({ name }) => name)
    }
  })
