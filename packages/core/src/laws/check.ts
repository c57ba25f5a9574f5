/**
 * Running laws, and saying what came of it.
 */
import { Data, Effect } from "effect"
import type { Law, Outcome, Search, Suite } from "./Law.ts"

/** How to check a suite. */
export interface CheckOptions extends Partial<Search> {
  /** Only the law of this name, or the laws below it: `schedule` stands for `schedule/...`. Default: all. */
  readonly law?: string | undefined
}

/** What came of one law. */
export interface LawReport extends Outcome, Pick<Law, "name" | "sentence" | "source"> {}

/** What came of a suite. It is JSON. */
export interface SuiteReport {
  readonly subject: string
  readonly seed: number
  readonly laws: ReadonlyArray<LawReport>
}

/** The runs and the seed of whoever does not say otherwise. */
const defaultSearch = { runs: 100, seed: 1 } as const

/**
 * Whether a law is meant by a name: its own, or that of a folder of laws that it is in.
 *
 * @example
 * Laws.isNamed("schedule", { name: "schedule/alpha-bar-falls" }) // => true
 */
export const isNamed = (name: string, law: Pick<Law, "name">): boolean =>
  law.name === name || law.name.startsWith(`${name}/`)

/**
 * Checks the laws of a suite, one after the other. The report is a pure function of the suite and the options.
 *
 * @example
 * const report = yield* Laws.check(Laws.schedule(mine), { runs: 1000, seed: 7 })
 */
export const check = Effect.fnUntraced(function*(
  suite: Suite,
  options: CheckOptions = {}
): Effect.fn.Return<SuiteReport> {
  const { law: name, path, runs = defaultSearch.runs, seed = defaultSearch.seed } = options
  const laws: Array<LawReport> = []
  for (const law of suite.laws) {
    if (name !== undefined && !isNamed(name, law)) continue
    const { sentence, source } = law
    laws.push({ name: law.name, sentence, source, ...yield* law.search({ runs, seed, path }) })
    yield* Effect.yieldNow
  }
  return { subject: suite.subject, seed, laws }
})

/**
 * The laws that are broken.
 *
 * @example
 * Laws.brokenLaws(report).map(({ name }) => name) // => ["schedule/alpha-bar-falls"]
 */
export const brokenLaws = ({ laws }: SuiteReport): ReadonlyArray<LawReport> =>
  laws.filter(({ verdict }) => verdict === "broken")

/** Where a counterexample can be found again. */
export interface Replay {
  readonly law: string
  readonly seed: number
  readonly path: string
}

/**
 * A broken law in a few lines: what it says, the counterexample, and how to see it again.
 *
 * @param command what to type to see it again
 * @example
 * for (const broken of Laws.brokenLaws(report)) {
 *   Laws.showBroken("the schedule \"mine\"", report.seed, broken, ({ law, path, seed }) => `${law}, ${seed}, ${path}`)
 * }
 */
export const showBroken = (
  subject: string,
  seed: number,
  { counterexample, name, runs, sentence, source }: LawReport,
  command: (replay: Replay) => string
): string => {
  const { input = "", path = "", shrinks = 0, violation = "" } = counterexample ?? {}
  const simpler = shrinks === 0 ? "" : `, made simpler ${shrinks === 1 ? "once" : `${shrinks} times`}`
  return [
    `${name} is broken, for ${subject}`,
    `  law      ${sentence}`,
    `  source   ${source}`,
    `  but      ${indent(violation)}`,
    ...(input === "" ? [] : [`  where    ${indent(shorten(input))}`]),
    `  found    in case ${runs}${simpler}`,
    `  replay   ${command({ law: name, seed, path })}`
  ].join("\n")
}

const indent = (text: string): string => text.replaceAll("\n", "\n           ")

/** Long inputs are cut in the middle: the replay has all of them. */
const shorten = (text: string, length = 600): string =>
  text.length <= length ? text : `${text.slice(0, length - 100)} ... ${text.slice(-80)} (${text.length} characters)`

/** Laws are broken. */
export class LawsBroken extends Data.TaggedError("LawsBroken")<{
  readonly subject: string
  /** One description a broken law. */
  readonly broken: ReadonlyArray<string>
}> {
  override get message() {
    return this.broken.join("\n\n")
  }
}
