/**
 * What `effusion verify` says: a table for people, JSON and JUnit for machines.
 */
import { Laws } from "@effusion/core/laws"

/** What came of all suites. */
export interface VerifyReport {
  readonly seed: number
  readonly runs: number
  readonly suites: ReadonlyArray<Laws.SuiteReport>
}

/** What to type to see a counterexample again. */
export type ReplayCommand = (subject: string, replay: Laws.Replay) => string

/**
 * How many laws there are, and how many of them are broken.
 *
 * @example
 * countOf(report) // => { laws: 58, broken: 1 }
 */
export const countOf = (
  { suites }: Pick<VerifyReport, "suites">
): { readonly laws: number; readonly broken: number } => ({
  laws: suites.reduce((sum, { laws }) => sum + laws.length, 0),
  broken: suites.reduce((sum, suite) => sum + Laws.brokenLaws(suite).length, 0)
})

/**
 * The report as text: one line a law, then the counterexamples.
 *
 * @example
 * showReport(report, (subject, { law, path, seed }) => `effusion verify --law ${law} --seed ${seed} --path ${path}`)
 */
export const showReport = (report: VerifyReport, command: ReplayCommand): string => {
  const { broken, laws } = countOf(report)
  const counterexamples = report.suites.flatMap((suite) =>
    Laws.brokenLaws(suite).map((law) =>
      Laws.showBroken(suite.subject, suite.seed, law, (replay) => command(suite.subject, replay))
    )
  )
  const summary = broken === 0
    ? `${laws} ${laws === 1 ? "law holds" : "laws hold"} (seed ${report.seed})`
    : `${broken} of ${laws} ${laws === 1 ? "law" : "laws"} broken (seed ${report.seed})`
  return [...report.suites.map(showSuite), ...counterexamples, summary].join("\n\n")
}

const showSuite = ({ laws, subject }: Laws.SuiteReport): string => {
  const width = Math.max(...laws.map(({ name }) => name.length))
  return [
    subject,
    ...laws.map(({ name, runs, verdict }) =>
      `  ${verdict.padEnd(6)}  ${name.padEnd(width)}  ${String(runs).padStart(5)} ${runs === 1 ? "case" : "cases"}`
    )
  ].join("\n")
}

/**
 * The report as JSON, with the command that shows each counterexample again.
 *
 * @example
 * JSON.parse(jsonReport(report, command)).verdict // => "holds"
 */
export const jsonReport = (report: VerifyReport, command: ReplayCommand): string =>
  JSON.stringify({
    verdict: countOf(report).broken === 0 ? "holds" : "broken",
    ...countOf(report),
    runs: report.runs,
    seed: report.seed,
    suites: report.suites.map(({ laws, subject }) => ({
      subject,
      laws: laws.map((law) => {
        const { counterexample } = law
        if (counterexample === undefined) return law
        const replay = { law: law.name, seed: report.seed, path: counterexample.path }
        return { ...law, counterexample: { ...counterexample, replay: command(subject, replay) } }
      })
    }))
  })

/**
 * The report as JUnit XML: a test suite a subject, a test case a law.
 *
 * @example
 * yield* writeWhole("laws.xml", junitReport(report, command))
 */
export const junitReport = (report: VerifyReport, command: ReplayCommand): string => {
  const { broken, laws } = countOf(report)
  const suites = report.suites.map((suite) => {
    const cases = suite.laws.map((law) => {
      const open = `    <testcase classname="${escape(suite.subject)}" name="${escape(law.name)}"`
      if (law.verdict === "holds") return `${open}/>`
      const text = Laws.showBroken(suite.subject, suite.seed, law, (replay) => command(suite.subject, replay))
      const message = escape(law.counterexample?.violation ?? law.sentence)
      return `${open}>\n      <failure message="${message}">${escape(text)}</failure>\n    </testcase>`
    })
    const counts = `tests="${suite.laws.length}" failures="${Laws.brokenLaws(suite).length}"`
    return `  <testsuite name="${escape(suite.subject)}" ${counts}>\n${cases.join("\n")}\n  </testsuite>`
  })
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites name="effusion verify" tests="${laws}" failures="${broken}">`,
    ...suites,
    `</testsuites>`,
    ""
  ].join("\n")
}

const escape = (text: string): string =>
  // Control characters other than tab and line ends are not XML, not even escaped.
  text.replaceAll(/[^\t\n\r\x20-\uFFFD]/g, "?").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll(`"`, "&quot;").replaceAll("\n", "&#10;")

/**
 * What became of the planted faults, as text: one line a fault.
 *
 * @example
 * showFaults(reports)
 */
export const showFaults = (faults: ReadonlyArray<Laws.FaultReport>): string => {
  const width = Math.max(...faults.map(({ caughtBy }) => caughtBy.length))
  const lines = faults.map(({ caught, caughtBy, mistake }) =>
    `  ${caught ? "caught" : "MISSED"}  ${caughtBy.padEnd(width)}  ${mistake}`
  )
  const missed = faults.filter(({ caught }) => !caught).length
  const summary = missed === 0
    ? `all ${faults.length} planted faults are caught`
    : `${missed} of ${faults.length} missed`
  return ["planted faults, and the law that catches each", ...lines, "", summary].join("\n")
}
