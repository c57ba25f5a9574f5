/**
 * Times sampling: DDIM, a batch of images at once.
 */
import { ddim, Sampling } from "@effusion/core/sampling"
import { UNet } from "@effusion/models"
import { Effect, Layer, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { measureCases } from "./shared/cases.ts"
import { configurations } from "./shared/configurations.ts"
import { type EngineChoice, engineFlags, engineLayer } from "./shared/engines.ts"
import { common, configurationsOf, engineOf } from "./shared/flags.ts"
import { median, now, peakMemory, round } from "./shared/measure.ts"
import { reportOf } from "./shared/report.ts"
import { services, type Subject, weightsOf } from "./shared/subject.ts"

/** Images that are sampled at once. */
export const samplingBatch = 16

/** DDIM steps of a sample. */
export const samplingSteps = 50

const columns = [
  "config",
  "parameters",
  "batch",
  "steps",
  "ms_per_image",
  "ms_per_step",
  "min_step_ms",
  "peak_rss_mib",
  "first_step_ms"
] as const

export const sampling = Command.make("sampling", {
  ...common,
  steps: Flag.Int("steps").pipe(Flag.withDefault(samplingSteps), Flag.withDescription("DDIM steps of a sample")),
  rounds: Flag.Int("rounds").pipe(
    Flag.withDefault(3),
    Flag.withDescription(`How often ${samplingBatch} images are sampled, after a time that does not count`)
  )
}, ({ config, json, rounds, steps, ...flags }) =>
  Effect.gen(function*() {
    const choice = engineOf(flags)
    const report = reportOf(columns, { json })
    const cases = configurationsOf(config).map((name) => ({
      flags: ["--config", name, "--steps", String(steps), "--rounds", String(rounds), ...engineFlags(choice)],
      measure: Effect.map(
        timeSampling({ config: configurations[name].config, batch: samplingBatch }, { steps, rounds, choice }),
        (timing) => ({ config: name, ...timing })
      )
    }))
    yield* report.begin
    yield* measureCases("sampling", cases, report.add)
  })).pipe(Command.withDescription(`Milliseconds of an image and of a step: DDIM, ${samplingBatch} images at once`))

/**
 * Samples `rounds` batches after one that does not count. An image's share is that of its whole batch, from the end of
 * the batch before; a step's time is from one report to the next.
 */
export const timeSampling = (
  { batch, config }: Subject,
  { choice, rounds, steps }: { readonly steps: number; readonly rounds: number; readonly choice: EngineChoice }
) =>
  Effect.gen(function*() {
    const count = batch * (rounds + 1)
    const options = { sampler: ddim(), steps, count, batchSize: batch, seed: 0, parameters: weightsOf(config) }
    const begin = yield* now
    const reported: Array<number> = []
    yield* Sampling.run(options).pipe(
      Stream.runForEach(() => Effect.map(now, (time) => void reported.push(time)))
    )
    const counted = reported.slice(steps)
    const stepTimes = counted.map((time, i) => time - reported[steps + i - 1]!)
    const batchTimes = Array.from(
      { length: rounds },
      (_, round) => reported[(round + 2) * steps - 1]! - reported[(round + 1) * steps - 1]!
    )
    return {
      parameters: UNet.parameterCount(config),
      batch,
      steps,
      ms_per_image: round(median(batchTimes) / batch, 2),
      ms_per_step: round(median(stepTimes)),
      min_step_ms: round(Math.min(...stepTimes)),
      peak_rss_mib: yield* peakMemory,
      first_step_ms: round(reported[0]! - begin)
    }
  }).pipe(Effect.provide(Layer.mergeAll(services(config), engineLayer(choice))))
