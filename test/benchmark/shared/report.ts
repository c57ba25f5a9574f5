/**
 * Results as they come: rows of a table, or one JSON object a line.
 */
import { Console, Effect } from "effect"

/** What was measured of one thing. What cannot be said of it is absent. */
export type Row = { readonly [column: string]: string | number | undefined }

/** Says one result after the other. */
export interface Report {
  readonly begin: Effect.Effect<void>
  readonly add: (row: Row) => Effect.Effect<void>
}

/**
 * A report of rows with the given columns; JSON has the others too.
 *
 * @example
 * const report = reportOf(["config", "median_ms"], { json: false })
 * yield* report.begin
 * yield* report.add({ config: "small", median_ms: 224.1 })
 */
export const reportOf = (columns: ReadonlyArray<string>, { json }: { readonly json: boolean }): Report => ({
  begin: json ? Effect.void : Console.log(line(columns)),
  add: (row) => Console.log(json ? JSON.stringify(row) : line(columns.map((name) => row[name]), columns))
})

/** A whole table. */
export const table = (columns: ReadonlyArray<string>, rows: ReadonlyArray<Row>): string =>
  [line(columns), ...rows.map((row) => line(columns.map((name) => row[name]), columns))].join("\n")

const line = (cells: ReadonlyArray<string | number | undefined>, columns: ReadonlyArray<unknown> = cells): string =>
  cells.map((cell, i) => String(cell ?? "-").padStart(Math.max(13, String(columns[i]).length))).join(" ")
