/**
 * Peak resident memory of training and of sampling, each in a process of its own.
 */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { samplingBatch, timeSampling } from "./sampling.ts"
import { measureCases } from "./shared/cases.ts"
import { type ConfigurationName, configurations } from "./shared/configurations.ts"
import { type EngineChoice, engineFlags } from "./shared/engines.ts"
import { common, configurationsOf, engineOf, namesFlag } from "./shared/flags.ts"
import { reportOf } from "./shared/report.ts"
import { timeTrainingStep } from "./trainingStep.ts"

const works = ["training", "sampling"] as const

type Work = typeof works[number]

const columns = ["config", "work", "parameters", "batch", "peak_rss_mib"] as const

export const memory = Command.make("memory", {
  ...common,
  work: namesFlag("work", works)
}, ({ config, json, work, ...flags }) =>
  Effect.gen(function*() {
    const choice = engineOf(flags)
    const report = reportOf(columns, { json })
    const cases = configurationsOf(config).flatMap((name) =>
      work.map((work) => ({
        flags: ["--config", name, "--work", work, ...engineFlags(choice)],
        measure: Effect.map(peakOf(name, work, choice), (measured) => ({ config: name, work, ...measured }))
      }))
    )
    yield* report.begin
    yield* measureCases("memory", cases, report.add)
  })).pipe(Command.withDescription("Peak resident memory of training and of sampling"))

/** A few steps of each: memory has its peak once a step has run with everything in place. */
const peakOf = Effect.fnUntraced(function*(name: ConfigurationName, work: Work, choice: EngineChoice) {
  const { batch, parameters, peak_rss_mib } = work === "training"
    ? yield* timeTrainingStep(configurations[name], { steps: 2, choice })
    : yield* timeSampling({ config: configurations[name].config, batch: samplingBatch }, {
      steps: 2,
      rounds: 1,
      choice
    })
  return { parameters, batch, peak_rss_mib }
})
