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
  /** What came of that law with the mistake. */
  readonly law: LawReport | undefined
  /** Where it is missed: the names of the laws that are broken all the same. */
  readonly others: ReadonlyArray<string>
}

/**
 * Checks the law that must catch a mistake, with it and without.
 *
 * @example
 * const reports = yield* Effect.forEach(Laws.faults, (fault) => Laws.expose(fault))
 * reports.every(({ caught }) => caught) // => true
 */
export const expose = Effect.fnUntraced(function*(
  { caughtBy, mistake, name, right, wrong }: Fault,
  options: Pick<CheckOptions, "runs" | "seed"> = {}
): Effect.fn.Return<FaultReport> {
  const [law] = (yield* check(wrong, { ...options, law: caughtBy })).laws
  const [without] = (yield* check(right, { ...options, law: caughtBy })).laws
  const caught = law?.verdict === "broken" && without?.verdict === "holds"
  const others = caught ? [] : brokenLaws(yield* check(wrong, options)).map(({ name }) => name)
  return { name, mistake, caughtBy, caught, law, others }
})
