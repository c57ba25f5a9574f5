/**
 * What an evaluation of the variational bound says: a table for people, CSV and JSON for machines.
 */
import { bitsPerDimension, type Decoder } from "@effusion/core/diffusion"
import type { Training } from "@effusion/core/training"

/** An evaluation, and what it is of. */
export interface BoundReport {
  /** The run's folder. */
  readonly run: string
  /** The optimiser step of the weights. */
  readonly step: number
  readonly seed: number
  readonly decoder: Decoder
  readonly evaluation: Training.BoundEvaluation
}

/** The unit of likelihoods of images is bits per dimension, that of a density nats per dimension. */
type Unit = "bits/dim" | "nats/dim"

/**
 * The unit that a bound with a decoder is told in.
 *
 * @example
 * unitOf({ decoder: "gaussian" }) // => "nats/dim"
 */
export const unitOf = ({ decoder }: Pick<BoundReport, "decoder">): Unit =>
  decoder === "gaussian" ? "nats/dim" : "bits/dim"

/** A row of the evaluation in the report's unit, as `toJson` and `toCsv` give it: of one timestep of those it is about. */
export interface ReportRow {
  readonly from: number
  readonly to: number
  readonly term: number
  readonly termError: number
  readonly noiseError: number
  readonly dataError: number
  readonly boundWeight: number | null
  readonly lossWeight: number
}

/**
 * The rows of a report, from t = 0 on.
 *
 * @example
 * rowsOf(report)[0]?.term // the decoder's, in bits per dimension
 */
export const rowsOf = (report: BoundReport): ReadonlyArray<ReportRow> => {
  const inUnit = converter(report)
  return report.evaluation.rows.map((row) => ({
    from: row.from,
    to: row.to,
    term: inUnit(row.term.mean),
    termError: inUnit(row.term.standardError),
    noiseError: row.noiseError.mean,
    dataError: row.dataError.mean,
    boundWeight: row.boundWeight ?? null,
    lossWeight: row.lossWeight
  }))
}

/**
 * The report as one JSON object. A standard error that there is none of (one example) is `null`.
 *
 * @example
 * JSON.stringify(toJson(report))
 */
export const toJson = (report: BoundReport) => {
  const { decoder, evaluation, run, seed, step } = report
  const inUnit = converter(report)
  const estimate = ({ mean, standardError }: Training.Estimate) => ({
    mean: inUnit(mean),
    standardError: inUnit(standardError)
  })
  return {
    run,
    step,
    seed,
    examples: evaluation.examples,
    dimensions: evaluation.dimensions,
    steps: evaluation.steps,
    timesteps: evaluation.rows.length,
    variance: evaluation.variance,
    decoder,
    unit: unitOf(report),
    total: estimate(evaluation.total),
    prior: estimate(evaluation.prior),
    divergences: estimate(evaluation.divergences),
    likelihood: estimate(evaluation.decoder),
    rows: rowsOf(report)
  }
}

/**
 * The rows of a report as comma-separated values, with a line of names first.
 *
 * @example
 * yield* writeWhole("bound.csv", toCsv(report))
 */
export const toCsv = (report: BoundReport): string => {
  const names = [
    "from",
    "to",
    "term",
    "termError",
    "noiseError",
    "dataError",
    "boundWeight",
    "lossWeight"
  ] as const
  const rows = rowsOf(report).map((row) => names.map((name) => row[name] ?? "").join(","))
  return `${[names.join(","), ...rows].join("\n")}\n`
}

/**
 * The report as lines of text: the sums, and a table of about ten rows, the noisiest timesteps first.
 *
 * @example
 * yield* Console.log(describeBound(report).join("\n"))
 */
export const describeBound = (report: BoundReport): ReadonlyArray<string> => {
  const { evaluation, run, step } = report
  const { dimensions, examples, rows, steps, total, variance } = evaluation
  const inUnit = converter(report)
  const unit = unitOf(report)
  const kind = dimensions <= 3 ? "points" : "images"
  const looked = rows.length === steps
    ? `all ${steps} timesteps`
    : `${rows.length} of ${steps} timesteps each, drawn from strata`
  const cells = [
    ["timesteps", unit, "noise error", "error of x0", "weight: bound", "plain loss"],
    ["prior", number(inUnit(evaluation.prior.mean)), "", "", "", ""],
    ...coarse(rowsOf(report)).map((row) => [
      row.from === 0 ? "0 (decoder)" : row.from === row.to ? `${row.from}` : `${row.from}-${row.to}`,
      number(row.sum),
      number(row.noiseError),
      number(row.dataError),
      row.boundWeight === null ? "" : number(row.boundWeight),
      number(row.lossWeight)
    ]).reverse(),
    ["total", number(inUnit(total.mean)), "", "", "", ""]
  ]
  const uncertainty = Number.isNaN(total.standardError) ? "" : ` +- ${inUnit(total.standardError).toPrecision(2)}`
  return [
    `The variational bound of ${run} after ${step.toLocaleString("en-US")} steps, on ${examples} held-out ${kind}`,
    `(${looked}; variance ${variance}):`,
    "",
    ...aligned(cells).map((line) => `  ${line}`),
    "",
    `${unit === "bits/dim" ? "Bits" : "Nats"} per dimension: at most ${number(inUnit(total.mean))}${uncertainty}`
  ]
}

const converter = (report: BoundReport): (nats: number) => number => {
  const { dimensions } = report.evaluation
  return unitOf(report) === "bits/dim"
    ? (nats) => bitsPerDimension(nats, dimensions)
    : (nats) => nats / dimensions
}

/** Some consecutive rows as one: what they contribute to the bound, and their means over timesteps. */
interface CoarseRow extends Omit<ReportRow, "term" | "termError"> {
  readonly sum: number
}

/** Timesteps from which a row of the table begins. */
const starts = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]

const coarse = (rows: ReadonlyArray<ReportRow>): ReadonlyArray<CoarseRow> => {
  const groups = starts.map((start, i) =>
    rows.filter(({ from }) => from >= start && from < (starts[i + 1] ?? Infinity))
  )
  return groups.filter((group) => group.length > 0).map((group) => {
    const width = ({ from, to }: ReportRow) => to - from + 1
    const widths = group.reduce((sum, row) => sum + width(row), 0)
    const mean = (of: (row: ReportRow) => number) => group.reduce((sum, row) => sum + width(row) * of(row), 0) / widths
    return {
      from: group[0]!.from,
      to: group.at(-1)!.to,
      sum: widths * mean(({ term }) => term),
      noiseError: mean(({ noiseError }) => noiseError),
      dataError: mean(({ dataError }) => dataError),
      boundWeight: group[0]!.boundWeight === null ? null : mean(({ boundWeight }) => boundWeight!),
      lossWeight: mean(({ lossWeight }) => lossWeight)
    }
  })
}

/** The first column to the left, the others to the right. */
const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join("  ")
      .trimEnd()
  )
}

/** Three digits that count, without a trail of zeros before them where there would be many. */
const number = (value: number): string =>
  value === 0
    ? "0"
    : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5
    ? trimmed(value)
    : value.toExponential(1)

const trimmed = (value: number): string =>
  Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(Math.abs(value) >= 0.01 ? 3 : 2)
