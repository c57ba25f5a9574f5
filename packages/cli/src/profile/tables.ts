/**
 * A profile as tables of text.
 */
import type { OperationTime, PartTimes, Summary } from "./summary.ts"

/** How much is shown. */
export interface TableOptions {
  /** The most rows of each table. */
  readonly rows: number
}

/**
 * Where the time of a step went, as lines of text: in all, by operation, by their shapes, by line of the source, by kernel.
 *
 * @example
 * for (const line of profileTables(summary, { rows: 15 })) yield* Console.log(line)
 */
export const profileTables = (summary: Summary, { rows }: TableOptions): ReadonlyArray<string> => {
  const { kernels, lines, operations, parts, shapes, step, steps } = summary
  const share = (milliseconds: number) => `${(100 * milliseconds / step).toFixed(1)} %`
  const time = (milliseconds: number) => [milliseconds.toFixed(2), share(milliseconds)]
  const operationCells = ({ count, gflops, kernels, milliseconds, name, part }: OperationTime) => [
    part,
    name,
    String(count),
    String(kernels),
    ...time(milliseconds),
    gflops?.toFixed(0) ?? ""
  ]
  const own = lines.filter((line) => line.own.milliseconds > 0)
  const calling = lines
    .filter(({ all, own }) => all.milliseconds > own.milliseconds && all.milliseconds < nearlyAll * parts.operations)
    .sort((a, b) => b.all.milliseconds - a.all.milliseconds)
  return [
    `A training step: ${step.toFixed(1)} ms (mean of the ${steps} that were fastest, with the profiler on)`,
    ...table(["", "ms", "share"], [
      ["operations", ...time(parts.operations)],
      ...(parts.unattributed === 0 ? [] : [["  of them of unknown origin", ...time(parts.unattributed)]]),
      ["between operations: scheduling, memory, the timing", ...time(parts.betweenOperations)],
      ["outside the runtime: batches, copies, the loop", ...time(parts.outsideRuntime)]
    ]),
    ...titled("By operation", operations, rows),
    ...table(
      ["", "operation", "count", "kernels", "ms", "share", "GFLOP/s"],
      operations.slice(0, rows).map(operationCells)
    ),
    ...titled("By operation and shape", shapes, rows),
    ...table(
      ["", "operation", "count", "kernels", "ms", "share", "GFLOP/s", "shapes"],
      shapes.slice(0, rows).map((operation) => [...operationCells(operation), operation.shapes ?? ""]),
      ["shapes"]
    ),
    ...titled("By line of the source", own, rows),
    ...table(
      ["line", "in", "ms", "share", "forward", "backward", "update", "source"],
      own.slice(0, rows).map((line) => [
        `${line.file}:${line.line}`,
        line.name,
        ...time(line.own.milliseconds),
        ...columns(line.own),
        shortened(line.text)
      ]),
      ["source"]
    ),
    ...titled("By line of the source, with all that it calls (without what takes nearly all)", calling, rows),
    ...table(
      ["line", "in", "ms", "share", "forward", "backward", "update", "source"],
      calling.slice(0, rows).map((line) => [
        `${line.file}:${line.line}`,
        line.name,
        ...time(line.all.milliseconds),
        ...columns(line.all),
        shortened(line.text)
      ]),
      ["source"]
    ),
    ...titled("By kernel of the runtime", kernels, rows),
    ...table(
      ["kernel", "count", "ms", "share"],
      kernels.slice(0, rows).map(({ count, milliseconds, name }) => [name, String(count), ...time(milliseconds)])
    )
  ]
}

/** The share of all operations from which on a line says nothing: it calls the network. */
const nearlyAll = 0.9

const columns = ({ backward, forward, update }: PartTimes) => [forward, backward, update].map((x) => x.toFixed(2))

const titled = (title: string, all: ReadonlyArray<unknown>, rows: number): ReadonlyArray<string> => [
  "",
  all.length <= rows ? title : `${title}: the first ${rows} of ${all.length}`
]

const words = new Set(["", "operation", "shapes", "line", "in", "kernel", "source"])

/** Columns of words begin, and columns of numbers end, where they should. */
const table = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  ragged: ReadonlyArray<string> = []
): ReadonlyArray<string> => {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)))
  return [header, ...rows].map((row) =>
    `  ${
      row.map((cell, column) =>
        ragged.includes(header[column]!)
          ? cell
          : words.has(header[column]!)
          ? cell.padEnd(widths[column]!)
          : cell.padStart(widths[column]!)
      ).join("  ")
    }`.trimEnd()
  )
}

const shortened = (text: string): string => text.length <= 60 ? text : `${text.slice(0, 57)}...`
