/**
 * What the types refuse. The assertions are the `@ts-expect-error` lines: the type checker fails where one of them is
 * not an error.
 */
import { describe, expectTypeOf, it } from "@effect/vitest"
import type { InvalidObjective, UndefinedWeight } from "@effusion/core/diffusion"
import {
  type Clean,
  type Denoiser,
  forwardNoising,
  forwardNoisingWith,
  type Loss,
  meanSquaredError,
  noisePrediction,
  type Objective,
  Pipeline,
  scheduleSampling,
  type Stage,
  TimestepSampler,
  weightedLoss
} from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import { Effect, Layer, Stream } from "effect"

const training = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)

describe("the types of a pipeline", () => {
  it("name what goes in, what comes out, and what is missing", () => {
    expectTypeOf(training).toEqualTypeOf<
      Effect.Effect<Pipeline.Pipeline<Clean, Loss>, never, TimestepSampler | NoiseSchedule | Denoiser | Objective>
    >()
  })

  it("say what the services may not suit", () => {
    const weighted = Pipeline.make(scheduleSampling, forwardNoisingWith({}), noisePrediction, weightedLoss)
    expectTypeOf<Effect.Error<typeof weighted>>().toEqualTypeOf<InvalidObjective | UndefinedWeight>()
  })

  it("refuse a wrong order of stages", () => {
    // @ts-expect-error noising needs timesteps, which scheduleSampling adds
    const noisingFirst = Pipeline.make(forwardNoising, scheduleSampling, noisePrediction)
    // @ts-expect-error the error needs a prediction
    const nothingPredicted = Pipeline.make(scheduleSampling, forwardNoising, meanSquaredError)
    const rightOrder = Pipeline.make(scheduleSampling, forwardNoising)
    expectTypeOf([noisingFirst, nothingPredicted, rightOrder]).toBeArray()
  })

  it("refuse a missing layer", () => {
    const provided = training.pipe(
      Effect.provide(Layer.merge(NoiseSchedule.linear({ steps: 10 }), TimestepSampler.uniform))
    )
    expectTypeOf<Effect.Services<typeof provided>>().toEqualTypeOf<Denoiser | Objective>()
    expectTypeOf(provided).not.toExtend<Effect.Effect<unknown, unknown, never>>()
  })

  it("refuse a batch without the fields that a stage needs", () => {
    const stage: Stage<{ readonly x0: Clean["x0"]; readonly t: Clean["x0"] }, Clean> = {
      name: "dropTime",
      parameters: {},
      draws: () => ({}),
      specs: ({ x0 }) => ({ x0 }),
      apply: ({ x0 }) => ({ x0 })
    }
    const through = Pipeline.through(stage, { seed: 0 })
    // @ts-expect-error the batch has no t
    const missing = () => Stream.make({ x0: float32([1], [0]) }).pipe(through)
    const present = () => Stream.make({ x0: float32([1], [0]), t: float32([1], [0]) }).pipe(through)
    expectTypeOf(missing).toBeFunction()
    expectTypeOf(present).toBeFunction()
  })
})
