/**
 * Times whole training steps: noising, U-Net, mean squared error, backward, Adam with averaged weights.
 */
import { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { adam, ema } from "@effusion/core/optimizer"
import {
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { NoiseSchedule } from "@effusion/core/schedule"
import { initialState, trainingProgram } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import { Clock, Effect, Layer } from "effect"
import { flopsOf } from "../../packages/core/src/engine/graph/flops.ts"
import { optimize } from "../../packages/core/src/engine/graph/optimize.ts"
import { trace } from "../../packages/core/src/engine/trace/trace.ts"
import { type ConfigurationName, configurations } from "./configurations.ts"

/** What a configuration took. */
export interface Timing {
  readonly config: ConfigurationName
  readonly parameters: number
  readonly batch: number
  readonly median_ms: number
  readonly min_ms: number
  readonly gflops: number
  readonly peak_rss_mib: number
  readonly first_step_ms: number
}

const training = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)

/** Runs `steps` timed steps after two for warming up. */
export const timeTrainingStep = (
  name: ConfigurationName,
  options: { readonly steps: number; readonly threads?: number }
) => {
  const { batch, config } = configurations[name]
  return Effect.gen(function*() {
    const engine = yield* Engine
    const stage = Pipeline.fuse(yield* training)
    const optimizer = adam({ learningRate: 1e-4 })
    const average = ema({ decay: 0.9999 })
    const shape = [batch, ...UNet.make(config).exampleShape]
    const x0 = draw(Key.make(0), { distribution: Distribution.uniform(-1, 1), shape })
    const { input, place, program } = trainingProgram({ stage, input: { x0 }, optimizer, average })

    const begin = yield* now
    const executable = yield* engine.compile(program)
    const instance = yield* executable.start(
      place(initialState({ parameters: stage.parameters, optimizer, average }, { seed: 0 }))
    )
    const step = Effect.fnUntraced(function*(index: number) {
      const values = input({ x0 }, Pipeline.draws(stage, { x0 }, { seed: 0, step: index }), index)
      const start = yield* now
      yield* instance.step(values)
      return (yield* now) - start
    })
    yield* step(0)
    const firstStep = (yield* now) - begin
    yield* step(1)
    const times = yield* Effect.forEach(Array.from({ length: options.steps }, (_, i) => i + 2), step)
    const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!
    const flops = flopsOf(optimize(yield* trace(program, engine.name)))
    const timing: Timing = {
      config: name,
      parameters: UNet.parameterCount(config),
      batch,
      median_ms: round(median),
      min_ms: round(Math.min(...times)),
      gflops: round(flops / median / 1e6),
      peak_rss_mib: Math.round(process.resourceUsage().maxRSS / 1024),
      first_step_ms: round(firstStep)
    }
    return timing
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Layer.mergeAll(
        NoiseSchedule.linear({ steps: 1000 }),
        TimestepSampler.uniform,
        Objective.noise,
        UNet.layer(config),
        OnnxEngine.layer({ threads: options.threads })
      )
    )
  )
}

/** Milliseconds of the monotonic clock. */
const now = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)

const round = (x: number): number => Math.round(x * 10) / 10
