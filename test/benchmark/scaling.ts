/**
 * How the time of a training step grows with the batch and with the size of the images.
 */
import { UNet } from "@effusion/models"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { measureCases } from "./shared/cases.ts"
import { configurations } from "./shared/configurations.ts"
import { engineFlags } from "./shared/engines.ts"
import { common, configurationsOf, countsFlag, engineOf } from "./shared/flags.ts"
import { round } from "./shared/measure.ts"
import { type Row, table } from "./shared/report.ts"
import { timeTrainingStep } from "./trainingStep.ts"

export const scaling = Command.make("scaling", {
  ...common,
  batches: countsFlag("batches", [1, 2, 4, 8, 16, 32, 64, 128]).pipe(
    Flag.withDescription("Numbers of images a step; 1 to 128 unless given")
  ),
  sizes: countsFlag("sizes", [16, 32, 64]).pipe(
    Flag.withDescription("Heights and widths of images; 16, 32 and 64 unless given")
  ),
  steps: Flag.Int("steps").pipe(Flag.withDefault(5), Flag.withDescription("Timed steps, after two that are not"))
}, ({ batches, config, json, sizes, steps, ...flags }) =>
  Effect.gen(function*() {
    const choice = engineOf(flags)
    const rows: Array<Row> = []
    const cases = configurationsOf(config).flatMap((name) =>
      sizes.flatMap((size) =>
        batches.map((batch) => ({
          flags: ["--config", name, "--sizes", String(size), "--batches", String(batch), "--steps", String(steps)]
            .concat(engineFlags(choice)),
          measure: Effect.map(
            timeTrainingStep(
              { config: UNet.Config.make({ ...configurations[name].config, sample_size: size }), batch },
              { steps, choice }
            ),
            ({ gflops, median_ms, peak_rss_mib }) => ({
              config: name,
              size,
              batch,
              median_ms,
              ms_per_image: round(median_ms / batch, 3),
              gflops,
              peak_rss_mib
            })
          )
        }))
      )
    )
    yield* measureCases("scaling", cases, (row) =>
      json ? Console.log(JSON.stringify(row)) : Effect.sync(() =>
        void rows.push(row)
      ))
    if (!json) {
      for (const name of configurationsOf(config)) {
        yield* Console.log(describe(rows.filter((row) => row["config"] === name), name))
      }
    }
  })).pipe(Command.withDescription("Time of an image over batch and image size, relative to the best"))

/** Two tables: over batches, an image's time; over all, a pixel's. Each is relative to its best, so 1 is flat growth. */
const describe = (rows: ReadonlyArray<Row>, name: string): string => {
  const cells = rows as ReadonlyArray<{ readonly [column: string]: number }>
  const pixel = (cell: (typeof cells)[number]) => cell["ms_per_image"]! / cell["size"]! ** 2
  const least = (values: ReadonlyArray<number>) => Math.min(...values)
  const bestPixel = least(cells.map(pixel))
  const lines = (relative: (cell: (typeof cells)[number], ofSize: typeof cells) => number) =>
    Array.from(new Set(cells.map(({ size }) => size!)), (size) => {
      const ofSize = cells.filter((cell) => cell["size"] === size)
      const row = ofSize.map((cell) => [`batch ${cell["batch"]}`, round(relative(cell, ofSize), 2)] as const)
      return { size: `${size}x${size}`, best_ms: least(ofSize.map((cell) => cell["ms_per_image"]!)), ...fields(row) }
    })
  const columns = ["size", "best_ms", ...Array.from(new Set(cells.map(({ batch }) => `batch ${batch}`)))]
  return [
    `${name}: time of an image, relative to the best batch of its size`,
    table(columns, lines((cell, ofSize) => cell["ms_per_image"]! / least(ofSize.map((c) => c["ms_per_image"]!)))),
    `${name}: time of a pixel, relative to the best of all`,
    table(columns, lines((cell) => pixel(cell) / bestPixel))
  ].join("\n")
}

const fields = (entries: ReadonlyArray<readonly [string, number]>): Row => Object.fromEntries(entries)
