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
  /** The laws of the subject with the mistake. */
  readonly wrong: Suite
  /** The same laws of the subject without it. */
  readonly right: Suite
}

/** What the laws made of a fault. */
export interface FaultReport extends Pick<Fault, "name" | "mistake" | "caughtBy"> {
  /** Whether the law that must catch it is broken by it, and holds without it. */
  readonly caught: boolean
  /** The law that must catch it, with its counterexample. */
  readonly law: LawReport | undefined
  /** The names of the other laws of the suite that are broken as well. */
  readonly others: ReadonlyArray<string>
}

/**
 * Checks the laws with the mistake, and the one that must catch it without.
 *
 * @example
 * const reports = yield* Effect.forEach(Laws.faults, (fault) => Laws.expose(fault))
 * reports.every(({ caught }) => caught) // => true
 */
export const expose = Effect.fnUntraced(function*(
  { caughtBy, mistake, name, right, wrong }: Fault,
  options: Pick<CheckOptions, "runs" | "seed"> = {}
): Effect.fn.Return<FaultReport> {
  const broken = brokenLaws(yield* check(wrong, options))
  const without = yield* check(right, { ...options, law: caughtBy })
  const law = broken.find((law) => law.name === caughtBy)
  return {
    name,
    mistake,
    caughtBy,
    caught: law !== undefined && without.laws.length === 1 && brokenLaws(without).length === 0,
    law,
    others: broken.filter((law) => law.name !== caughtBy).map(({ name }) => name)
  }
})
