/**
 * The laws of what Effusion brings along.
 */
import * as tf from "@tensorflow/tfjs"
import { Result } from "effect"
import * as D from "../diffusion/index.ts"
import { ddim, ddpm } from "../sampling/index.ts"
import { lossMean, lossMeanOf } from "../training/index.ts"
import { anyDerivedSchedule } from "./arbitraries.ts"
import { engine as engineLaws } from "./engine.ts"
import type { EngineService } from "./internal/onEngine.ts"
import { tinyBatch, tinyDenoiser, tinyPipeline, tinyTraining } from "./internal/tiny.ts"
import type { Suite } from "./Law.ts"
import { distance } from "./loss.ts"
import { model } from "./model.ts"
import { noising } from "./noising.ts"
import { pipeline } from "./pipeline.ts"
import { reduction } from "./reducer.ts"
import { sampler } from "./sampler.ts"
import { schedules } from "./schedule.ts"
import { training } from "./training.ts"
import { weighting } from "./weighting.ts"

const minSnr = (snr: number) => Math.min(snr, 5)

const weightings: ReadonlyArray<Suite> = [
  weighting(D.simpleWeighting, { stated: { of: "epsilon", formula: "1", weight: () => 1 } }),
  weighting(D.uniformWeighting("v_prediction"), {
    stated: { of: "sample", formula: "SNR + 1", weight: (snr) => snr + 1 }
  }),
  weighting(D.snrWeighting, { stated: { of: "sample", formula: "SNR", weight: (snr) => snr } }),
  weighting(D.truncatedSnrWeighting, {
    stated: { of: "epsilon", formula: "max(1, 1 / SNR)", weight: (snr) => Math.max(1, 1 / snr) }
  }),
  weighting(Result.getOrThrow(D.minSnrWeighting({ gamma: 5 })), {
    stated: { of: "v_prediction", formula: "min(SNR, 5) / (SNR + 1)", weight: (snr) => minSnr(snr) / (snr + 1) },
    bounds: { of: "sample", formulas: "0 and 5", least: () => 0, most: () => 5 }
  }),
  weighting(Result.getOrThrow(D.softMinSnrWeighting({ gamma: 5 })), {
    stated: { of: "sample", formula: "1 / (1 / SNR + 1 / 5)", weight: (snr) => 1 / (1 / snr + 1 / 5) },
    bounds: {
      of: "sample",
      formulas: "min(SNR, 5) / 2 and min(SNR, 5)",
      least: (snr) => minSnr(snr) / 2,
      most: minSnr
    }
  }),
  weighting(Result.getOrThrow(D.p2Weighting({ gamma: 1, k: 1 })), {
    stated: { of: "sample", formula: "SNR / (1 + SNR)", weight: (snr) => snr / (1 + snr) }
  }),
  weighting(Result.getOrThrow(D.edmWeighting({ sigmaData: 0.5 })), {
    stated: { of: "sample", formula: "SNR + 4", weight: (snr) => snr + 4 }
  }),
  weighting(D.boundWeighting(), { subject: `the weighting "bound" (fixedSmall)`, boundOf: "fixedSmall" }),
  weighting(D.boundWeighting({ variance: "fixedLarge" }), {
    subject: `the weighting "bound" (fixedLarge)`,
    boundOf: "fixedLarge"
  })
]

/**
 * Suites of everything here that needs no engine: schedules of every family with any options, noising, samplers.
 *
 * @example
 * for (const suite of Laws.builtIn) Laws.test(it, suite)
 */
export const builtIn: ReadonlyArray<Suite> = [
  schedules(anyDerivedSchedule, { subject: "schedules of every family" }),
  noising(),
  ...weightings,
  reduction({ name: "lossMean", reducer: lossMean, of: lossMeanOf, mean: ({ mean }) => mean }),
  distance({ name: "squared", elements: () => (difference) => tf.square(difference) }, { isSquared: true }),
  sampler(ddpm()),
  sampler(ddpm({ variance: "fixedLarge" }), { subject: `the sampler "ddpm" (fixedLarge)`, keepsVariance: false }),
  sampler(ddim()),
  sampler(ddim({ eta: 0.5 }), { subject: `the sampler "ddim" (eta 0.5)` }),
  sampler(ddim({ eta: 1 }), { subject: `the sampler "ddim" (eta 1)`, sameAs: { sampler: ddpm() } })
]

/**
 * Suites of an engine, and of what is built on engines: the stages of training, a training run, a model.
 *
 * @example
 * const suites = Laws.builtInOn(yield* Engine)
 */
export const builtInOn = (engine: EngineService): ReadonlyArray<Suite> => [
  engineLaws(engine),
  pipeline(tinyPipeline, { engine, batch: tinyBatch, subject: "the pipeline of training" }),
  training(tinyTraining, { engine, subject: "a training run" }),
  model(tinyDenoiser, { engine, subject: "a model of one hidden layer" })
]
