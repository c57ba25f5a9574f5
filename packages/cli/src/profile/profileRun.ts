/**
 * `effusion train --profile`: measures where the time of a training step goes, and tells it.
 */
import type { TrainAndTest } from "@effusion/core/data"
import { Console, Effect, Path } from "effect"
import type { RunConfig } from "../configuration/config.ts"
import { requireWritable, writeWhole } from "../files.ts"
import { claimNumberedFolder } from "../run/RunFolder.ts"
import { flamesOf } from "./flames.ts"
import { measure, measuredSteps, warmUpSteps } from "./measure.ts"
import { readSources } from "./sources.ts"
import { speedscope } from "./speedscope.ts"
import { summarize, timedKernels } from "./summary.ts"
import { profileTables } from "./tables.ts"

/** What to profile, and where the result goes. */
export interface ProfileOptions {
  readonly config: RunConfig
  readonly data: TrainAndTest
  /** The folder to write to. Default: the first of `profiles/<preset>-<n>` that is free, or none where `json` is asked for. */
  readonly out?: string | undefined
  /** Whether one JSON object is printed in place of tables. */
  readonly json: boolean
}

const fileNames = ["profile.txt", "profile.svg", "profile.speedscope.json"] as const

/** The rows of each table that is printed; the file has all. */
const printedRows = 15

/**
 * Takes a few steps of a run with the profiler on, and writes where their time went: `profile.txt`, the tables;
 * `profile.svg`, the flame graph; `profile.speedscope.json`, the same for a viewer. Nothing is written when it fails or is
 * interrupted.
 *
 * @example
 * yield* profileRun({ config, data, json: false }).pipe(Effect.provide(OnnxEngine.profilingLayer()))
 */
export const profileRun = Effect.fnUntraced(function*({ config, data, json, out }: ProfileOptions) {
  const paths = yield* Path.Path
  const writes = out !== undefined || !json
  if (writes) {
    yield* Effect.forEach(fileNames, (name) => requireWritable(paths.join(out ?? "profiles", name)), { discard: true })
  }
  if (!json) {
    yield* Console.log(
      `Timing ${measuredSteps} steps of "${config.preset}" with batches of ${config.batchSize}, after ${warmUpSteps} to ` +
        `warm up. Nothing is trained.`
    )
  }

  const measurement = yield* measure(config, data)
  const { operations } = measurement.profile
  const placeOf = yield* readSources(operations.flatMap(({ origin }) => origin?.frames ?? []))
  const kernels = timedKernels(measurement, placeOf)
  const summary = summarize(measurement, kernels)

  yield* Effect.forEach(
    json
      ? [JSON.stringify({ event: "profile", preset: config.preset, batchSize: config.batchSize, ...summary })]
      : ["", ...profileTables(summary, { rows: printedRows })],
    (line) => Console.log(line),
    { discard: true }
  )
  if (!writes) return
  const title = `${config.preset}: a training step with batches of ${config.batchSize}`
  // The plotting library takes half a second to load.
  const { flameGraph } = yield* Effect.promise(() => import("../picture/flameGraph.ts"))
  const files: { readonly [name in (typeof fileNames)[number]]: string } = {
    "profile.txt": `${title}\n\n${profileTables(summary, { rows: Infinity }).join("\n")}\n`,
    "profile.svg": flameGraph(title, flamesOf(summary, kernels)),
    "profile.speedscope.json": speedscope(title, kernels)
  }
  const folder = out ?? (yield* claimNumberedFolder("profiles", config.preset))
  yield* Effect.forEach(
    fileNames,
    (name) => writeWhole(paths.join(folder, name), files[name]),
    { discard: true }
  )
  if (!json) {
    yield* Console.log("")
    yield* Console.log(`The flame graph: open ${paths.join(folder, "profile.svg")}`)
    yield* Console.log(
      `All rows are in ${
        paths.join(folder, "profile.txt")
      }; profile.speedscope.json beside it is for https://speedscope.app`
    )
  }
})
