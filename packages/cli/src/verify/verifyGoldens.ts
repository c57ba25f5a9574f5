/**
 * `effusion verify --goldens`: reference numbers of other implementations against what Effusion computes.
 */
import { Console, Data, Effect, FileSystem, Result } from "effect"
import { type FileProblem, fileProblem } from "../files.ts"
import { type Check, deviation, passes, worstOf } from "./goldens/Check.ts"
import type { InvalidGoldens } from "./goldens/GoldenProblem.ts"
import { type Golden, goldensOf } from "./goldens/GoldensFile.ts"

/** Some cases did not come out as they are to. */
export class GoldensFailed extends Data.TaggedError("GoldensFailed")<{
  readonly failed: number
  readonly cases: number
}> {
  override get message() {
    return `${this.failed} of ${this.cases} cases of reference numbers fail`
  }
}

/** What came of a case: its checks, or why it could not be run. */
export interface GoldenResult {
  readonly file: string
  readonly name: string
  readonly verdict: "pass" | "fail"
  readonly checks: ReadonlyArray<Check>
  readonly problem?: string
}

/**
 * Runs all cases of files of reference numbers, and prints one line for each: the expected number, the one that came out,
 * and the verdict. What is expected is as close as the files publish, or else 1e-4 of the value.
 *
 * Fails with `GoldensFailed` where a case fails, and with `FileProblem` or `InvalidGoldens` where a file cannot be read;
 * then nothing is run.
 *
 * @param options.json print one JSON object a case, and one for all
 * @example
 * yield* verifyGoldens({ files: ["scheduler-goldens.json"], json: false })
 */
export const verifyGoldens = Effect.fnUntraced(function*(
  { files, json }: { readonly files: ReadonlyArray<string>; readonly json: boolean }
): Effect.fn.Return<void, FileProblem | InvalidGoldens | GoldensFailed, FileSystem.FileSystem> {
  const read = yield* Effect.forEach(files, readGoldens)
  const width = Math.max(0, ...read.flatMap(({ goldens }) => goldens.map(({ name }) => name.length)))
  let cases = 0
  let failed = 0
  for (const { file, goldens } of read) {
    for (const golden of goldens) {
      const result = resultOf(file, golden)
      cases++
      if (result.verdict === "fail") failed++
      yield* Console.log(json ? JSON.stringify(toJson(result)) : showResult(result, width))
      yield* Effect.yieldNow
    }
  }
  yield* Console.log(
    json
      ? JSON.stringify({ verdict: failed === 0 ? "pass" : "fail", cases, passed: cases - failed, failed })
      : `${cases} cases: ${cases - failed} pass, ${failed} fail`
  )
  if (failed > 0) return yield* new GoldensFailed({ failed, cases })
})

const readGoldens = Effect.fnUntraced(function*(file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(fs.readFileString(file), fileProblem("read the reference numbers", file))
  return { file, goldens: yield* Effect.fromResult(goldensOf(file, text)) }
})

/**
 * Runs a case.
 *
 * @example
 * resultOf("goldens.json", golden).verdict // => "pass"
 */
export const resultOf = (file: string, { checks, name }: Golden): GoldenResult =>
  Result.match(checks(), {
    onSuccess: (checks) => ({ file, name, verdict: checks.every(passes) ? "pass" : "fail", checks }),
    onFailure: ({ message }) => ({ file, name, verdict: "fail", checks: [], problem: message })
  })

/**
 * A result as a line: of a case that passes its main number, of one that fails the number that is furthest off.
 *
 * @example
 * showResult(result, 20)
 * // => "pass  ddim.no_noise         abs_sum expected 172.00671 got 172.00671; furthest off is sum, by 0.00 of its tolerance"
 */
export const showResult = ({ checks, name, problem, verdict }: GoldenResult, width: number): string => {
  const start = `${verdict === "pass" ? "pass" : "FAIL"}  ${name.padEnd(width)}  `
  const worst = worstOf(checks)
  if (problem !== undefined || worst === undefined) return `${start}${problem}`
  const shown = verdict === "pass" ? checks[0]! : worst
  const { expected, got, tolerance, what } = shown
  return `${start}${what} expected ${digits(expected)} got ${digits(got)}; ` + (verdict === "pass"
    ? `furthest off is ${worst.what}, by ${deviation(worst).toFixed(2)} of its tolerance`
    : `off by ${digits(Math.abs(got - expected))}, where ${digits(tolerance)} is allowed`)
}

const digits = (value: number): string => Number.isFinite(value) ? String(Number(value.toPrecision(8))) : String(value)

const toJson = (result: GoldenResult) => {
  const worst = worstOf(result.checks)
  return {
    ...result,
    checks: result.checks.map((check) => ({ ...check, verdict: passes(check) ? "pass" : "fail" })),
    ...(worst === undefined ? {} : { worst: { ...worst, deviation: deviation(worst) } })
  }
}
