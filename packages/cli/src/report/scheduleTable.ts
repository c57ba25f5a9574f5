/**
 * Noise schedules as tables of numbers.
 */
import { boundWeight, minSnrWeighting, uniformWeighting, type Weighting, weightOf } from "@effusion/core/diffusion"
import { alphaBar, beta, logSnr, posteriorVariance, type Schedule, sigma, snr, toConfig } from "@effusion/core/schedule"
import { Result } from "effect"
import type { NamedSchedule } from "../configuration/namedSchedules.ts"

/** A quantity of a schedule at a timestep; `undefined` where there is none. */
export interface Quantity {
  /** Its name in tables: `logSnr`. */
  readonly name: string
  readonly at: (schedule: Schedule, t: number) => number | undefined
}

/** Weights of the squared error of the noise at a timestep. */
export interface LossWeight extends Quantity {
  /** What plots call it. */
  readonly title: string
}

/** The weights that schedules are compared by. */
export const lossWeights: ReadonlyArray<LossWeight> = [
  {
    name: "boundWeight",
    title: "variational bound",
    // The term of t = 0 is no weighted error, and where no signal is left no error of the noise is worth any of the data's.
    at: (schedule, t) => t === 0 || alphaBar(schedule, t) === 0 ? undefined : boundWeight(schedule, t)
  },
  { name: "minSnrWeight", title: "min-SNR-5", at: weightOfNoise(minSnrWeighting({ gamma: 5 })) },
  { name: "velocityWeight", title: "error of v", at: weightOfNoise(Result.succeed(uniformWeighting("v_prediction"))) }
]

/** A weighting as a quantity; there is none where it is not defined. */
function weightOfNoise(weighting: Result.Result<Weighting, unknown>): Quantity["at"] {
  return (schedule, t) =>
    Result.getOrUndefined(Result.flatMap(weighting, (weighting) => weightOf(weighting, schedule, t, "epsilon")))
}

/** The columns of a table, besides the timestep. */
export const quantities: ReadonlyArray<Quantity> = [
  { name: "beta", at: beta },
  { name: "alphaBar", at: alphaBar },
  { name: "snr", at: snr },
  { name: "logSnr", at: logSnr },
  { name: "sigma", at: sigma },
  { name: "posteriorVariance", at: posteriorVariance },
  ...lossWeights
]

/**
 * Every n-th timestep of a schedule, and the last.
 *
 * @example
 * timestepsOf(schedule, 250) // => [0, 250, 500, 750, 999]
 */
export const timestepsOf = ({ steps }: Schedule, every: number): ReadonlyArray<number> => {
  const timesteps = Array.from({ length: Math.ceil(steps / every) }, (_, i) => i * every)
  return timesteps.at(-1) === steps - 1 ? timesteps : [...timesteps, steps - 1]
}

/**
 * Tables for people, one schedule below the other, six digits each.
 *
 * @example
 * textTables([{ label: "cosine", schedule }], { every: 100 })
 */
export const textTables = (
  schedules: ReadonlyArray<NamedSchedule>,
  { every }: { readonly every: number }
): ReadonlyArray<string> =>
  schedules.flatMap(({ label, schedule }) => {
    const rows = [
      ["t", ...quantities.map(({ name }) => name)],
      ...timestepsOf(schedule, every).map((t) => [
        String(t),
        ...quantities.map(({ at }) => show(at(schedule, t)))
      ])
    ]
    const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
    return [
      `${label}, ${schedule.steps} timesteps`,
      ...rows.map((row) => `  ${row.map((cell, column) => cell.padStart(widths[column]!)).join("  ")}`),
      ""
    ]
  })

const show = (value: number | undefined): string =>
  value === undefined ? "-" : Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value)

/**
 * One line of comma-separated values for each schedule and timestep, after a line of names. Every number has all of its
 * digits; what there is none of is empty.
 */
export const csvLines = (
  schedules: ReadonlyArray<NamedSchedule>,
  { every }: { readonly every: number }
): ReadonlyArray<string> => [
  ["schedule", "t", ...quantities.map(({ name }) => name)].join(","),
  ...schedules.flatMap(({ label, schedule }) =>
    timestepsOf(schedule, every).map((t) =>
      [quoted(label), t, ...quantities.map(({ at }) => at(schedule, t) ?? "")].join(",")
    )
  )
]

const quoted = (text: string): string => /[",\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text

/**
 * The same for machines: each schedule with its config and its rows. JSON knows no infinity, and has null for it and for
 * what there is none of.
 */
export const jsonOf = (schedules: ReadonlyArray<NamedSchedule>, { every }: { readonly every: number }): string =>
  JSON.stringify({
    schedules: schedules.map(({ label, schedule }) => ({
      label,
      config: toConfig(schedule),
      steps: schedule.steps,
      rows: timestepsOf(schedule, every).map((t) =>
        Object.fromEntries([
          ["t", t],
          ...quantities.map(({ at, name }) => [name, finite(at(schedule, t))])
        ])
      )
    }))
  })

const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null
