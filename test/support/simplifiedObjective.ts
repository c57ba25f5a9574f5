/**
 * DDPM's simplified objective under its linear schedule, around any network: what most trainings of tests and benchmarks are.
 */
import {
  type Clean,
  type Denoiser,
  forwardNoising,
  type Loss,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { Effect, Layer } from "effect"

/** The stages of training. */
export const stages = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)

/** What training and sampling ask for, but for the engine. */
export const servicesOf = (
  denoiser: Layer.Layer<Denoiser>,
  steps: number,
  sampler: Layer.Layer<TimestepSampler> = TimestepSampler.uniform
) => Layer.mergeAll(denoiser, Objective.noise, sampler, Layer.orDie(NoiseSchedule.linear({ steps })))

/** A name for the type, which the tests' own declarations can refer to. */
export interface SimplifiedObjective extends Pipeline.Pipeline<Clean, Loss> {}

/** The stages with their services. */
export const pipelineOf = (...services: Parameters<typeof servicesOf>): Effect.Effect<SimplifiedObjective> =>
  Effect.provide(stages, servicesOf(...services))
