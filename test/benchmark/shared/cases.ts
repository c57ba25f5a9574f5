/**
 * Cases that are measured one after the other, each in a process of its own, so that its peak memory is its own and none
 * finds caches and compiled code that another left warm.
 */
import { Data, Effect, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import type { Row } from "./report.ts"

/** One thing to measure: how it is done, and the flags that ask for it and nothing else. */
export interface Case<E, R> {
  readonly flags: ReadonlyArray<string>
  readonly measure: Effect.Effect<Row, E, R>
}

/** A process that measures came to a bad end. */
export class MeasurementFailed extends Data.TaggedError("MeasurementFailed")<{
  readonly command: string
  readonly reason: string
}> {
  override get message() {
    return `${this.command} failed: ${this.reason}`
  }
}

/**
 * Measures cases: a single one in this process, several in a process each. A command whose flags leave one case measures
 * it itself, so this is how the processes of several come to their measurements too.
 *
 * @param onRow what to do with each row as it comes
 */
export const measureCases = <E, R, E2, R2>(
  command: string,
  cases: ReadonlyArray<Case<E, R>>,
  onRow: (row: Row) => Effect.Effect<void, E2, R2>
) =>
  Effect.gen(function*() {
    const [only, ...others] = cases
    if (only !== undefined && others.length === 0) return yield* Effect.flatMap(only.measure, onRow)
    for (const { flags } of cases) yield* Effect.flatMap(inOwnProcess([command, ...flags]), onRow)
  })

/** The one row that this program prints when it is run with the given arguments. */
const inOwnProcess = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const failed = (reason: string) => new MeasurementFailed({ command: args.join(" "), reason })
  const main = fileURLToPath(new URL("../main.ts", import.meta.url))
  const child = yield* ChildProcess.make(process.execPath, [main, ...args, "--json"], { stdin: "ignore" })
  const text = (stream: typeof child.stdout) => stream.pipe(Stream.decodeText(), Stream.mkString)
  const [output, complaints, exitCode] = yield* Effect.all(
    [text(child.stdout), text(child.stderr), child.exitCode],
    { concurrency: "unbounded" }
  )
  if (exitCode !== 0) return yield* failed(complaints.trim().split("\n").at(-1) || `it ended with code ${exitCode}`)
  return yield* Effect.try({
    try: () => JSON.parse(output) as Row,
    catch: () => failed(`it printed no row: ${output.slice(0, 200)}`)
  })
}, Effect.scoped)
