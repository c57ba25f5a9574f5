/**
 * Laws in a test runner: one test a law.
 */
import { Effect } from "effect"
import { check, type CheckOptions, isNamed, LawsBroken, showBroken } from "./check.ts"
import type { Suite } from "./Law.ts"

/** How a test is declared: `it` of vitest, `test` of node:test, ... */
export type DeclareTest = (name: string, body: () => Promise<void>) => unknown

/**
 * Declares a test for each law of a suite.
 *
 * @example
 * import { Laws } from "@effusion/core/laws"
 * import { it } from "vitest"
 *
 * Laws.test(it, Laws.schedule(mine))
 */
export const test = (it: DeclareTest, suite: Suite, options: CheckOptions = {}): void => {
  for (const law of suite.laws.filter((law) => options.law === undefined || isNamed(options.law, law))) {
    it(`${suite.subject}: ${law.sentence} (${law.name})`, () =>
      Effect.runPromise(require(suite, { ...options, law: law.name })))
  }
}

const require = Effect.fnUntraced(function*(suite: Suite, options: CheckOptions) {
  const { laws, seed, subject } = yield* check(suite, options)
  const broken = laws.filter(({ verdict }) => verdict === "broken")
  if (broken.length === 0) return
  return yield* new LawsBroken({
    subject,
    broken: broken.map((law) =>
      showBroken(subject, seed, law, (replay) => `pass ${JSON.stringify(replay)} as the options of this suite's test`)
    )
  })
})
