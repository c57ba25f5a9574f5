/**
 * Times whole training steps: noising, U-Net, mean squared error, backward, Adam with averaged weights.
 */
import { Engine } from "@effusion/core/engine"
import { Pipeline } from "@effusion/core/pipeline"
import { trainingProgram } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import { Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import { releaseGarbage } from "../../packages/cli/src/internal/garbage.ts"
import { flopsOf } from "../../packages/core/src/engine/graph/flops.ts"
import { optimize } from "../../packages/core/src/engine/graph/optimize.ts"
import { trace } from "../../packages/core/src/engine/trace/trace.ts"
import { measureCases } from "./shared/cases.ts"
import { configurations } from "./shared/configurations.ts"
import { type EngineChoice, engineFlags, engineLayer } from "./shared/engines.ts"
import { common, configurationsOf, engineOf } from "./shared/flags.ts"
import { median, now, peakMemory, round, timed } from "./shared/measure.ts"
import { reportOf } from "./shared/report.ts"
import { average, cleanImages, optimizer, services, stages, type Subject } from "./shared/subject.ts"

const columns = [
  "config",
  "parameters",
  "batch",
  "median_ms",
  "min_ms",
  "gflops",
  "peak_rss_mib",
  "first_step_ms"
] as const

export const trainingStep = Command.make("training-step", {
  ...common,
  steps: Flag.Int("steps").pipe(Flag.withDefault(20), Flag.withDescription("Timed steps, after two that are not"))
}, ({ config, json, steps, ...flags }) =>
  Effect.gen(function*() {
    const choice = engineOf(flags)
    const report = reportOf(columns, { json })
    const cases = configurationsOf(config).map((name) => ({
      flags: ["--config", name, "--steps", String(steps), ...engineFlags(choice)],
      measure: Effect.map(
        timeTrainingStep(configurations[name], { steps, choice }),
        (timing) => ({ config: name, ...timing })
      )
    }))
    yield* report.begin
    yield* measureCases("training-step", cases, report.add)
  })).pipe(Command.withDescription("Milliseconds and GFLOP/s of whole training steps"))

/** Runs `steps` timed steps after two for warming up. */
export const timeTrainingStep = (
  subject: Subject,
  { choice, steps }: { readonly steps: number; readonly choice: EngineChoice }
) =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const stage = Pipeline.fuse(yield* stages)
    const x0 = cleanImages(subject)
    const { begin, input, program } = trainingProgram({ stage, input: { x0 }, optimizer, average })

    const begun = yield* now
    const executable = yield* engine.compile(program)
    const instance = yield* executable.start(begin({ seed: 0 }), { donate: true })
    yield* releaseGarbage
    const step = (index: number) => {
      const values = input({ x0 }, Pipeline.draws(stage, { x0 }, { seed: 0, step: index }), index)
      return Effect.map(timed(instance.step(values)), ({ milliseconds }) => milliseconds)
    }
    yield* step(0)
    const firstStep = (yield* now) - begun
    yield* step(1)
    const times = yield* Effect.forEach(Array.from({ length: steps }, (_, i) => i + 2), step)
    const peak = yield* peakMemory
    const flops = flopsOf(optimize(yield* trace(program, engine.name)))
    return {
      parameters: UNet.parameterCount(subject.config),
      batch: subject.batch,
      median_ms: round(median(times)),
      min_ms: round(Math.min(...times)),
      gflops: round(flops / median(times) / 1e6),
      peak_rss_mib: peak,
      first_step_ms: round(firstStep)
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.mergeAll(services(subject.config), engineLayer(choice)))
  )
