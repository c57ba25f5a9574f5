/**
 * The laws of what Effusion brings along.
 */
import { Effect, type Layer, Result } from "effect"
import * as D from "../diffusion/index.ts"
import {
  Distance,
  type DistanceShape,
  logitNormalTimesteps,
  logNormalTimesteps,
  lossSecondMomentTimesteps,
  type TimestepSamplerShape
} from "../pipeline/index.ts"
import * as S from "../sampling/index.ts"
import type { Schedule } from "../schedule/index.ts"
import { lossMean, lossMeanOf } from "../training/index.ts"
import { anyContinuousSchedule, anyDerivedSchedule } from "./arbitraries.ts"
import { continuous, interpolation } from "./continuous.ts"
import { engine as engineLaws } from "./engine.ts"
import { guidance } from "./guidance.ts"
import { geometricDdpm } from "./internal/geometricDdpm.ts"
import type { EngineService } from "./internal/onEngine.ts"
import { tinyBatch, tinyDenoiser, tinyPipeline, tinyTraining } from "./internal/tiny.ts"
import { inversion } from "./inversion.ts"
import type { Suite } from "./Law.ts"
import { distance } from "./loss.ts"
import { model } from "./model.ts"
import { noising } from "./noising.ts"
import { pipeline, stage } from "./pipeline.ts"
import { reduction } from "./reducer.ts"
import { sampler as samplerLaws, type SamplerLawOptions } from "./sampler.ts"
import { schedules } from "./schedule.ts"
import { normalBetween, timesteps } from "./timesteps.ts"
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
  weighting(D.boundWeighting(), { subject: `the weighting "bound" (fixed-small)`, boundOf: "fixed-small" }),
  weighting(D.boundWeighting({ variance: "fixed-large" }), {
    subject: `the weighting "bound" (fixed-large)`,
    boundOf: "fixed-large"
  })
]

const distanceOf = (layer: Layer.Layer<Distance, { readonly message: string }>): DistanceShape =>
  Effect.runSync(Effect.provide(Distance, layer))

const distances: ReadonlyArray<Suite> = [
  distance(distanceOf(Distance.squared), { isSquared: true }),
  distance(distanceOf(Distance.absolute)),
  distance(distanceOf(Distance.huber({ c: 0.1, schedule: "snr" }))),
  distance(distanceOf(Distance.smoothL1({ c: 0.1, schedule: "exponential" })))
]

const { ddim, ddpm, deis, dpmSolver, dpmSolverSinglestep, edm, euler, eulerAncestral, heun, lms, repaint, uniPC } = S

const isDdpm = { sampler: ddpm(), source: "Song, Meng and Ermon 2020, section 4.1: DDIM with eta = 1 is DDPM" }
const isDdim = {
  sampler: ddim(),
  source: "Lu et al. 2022 (DPM-Solver++), section 4: the solver of first order is DDIM"
}

/** A sampler with options that its name does not say. */
const named = (sampler: S.Sampler, options: string, laws: SamplerLawOptions = {}): Suite =>
  samplerLaws(sampler, { subject: `the sampler "${sampler.name}" (${options})`, ...laws })

// Solvers that remember earlier steps begin with one of first order, whose error is of second order: with exact starting
// values they would be of third order, but nobody has those.
const samplers: ReadonlyArray<Suite> = [
  samplerLaws(ddpm()),
  named(ddpm({ variance: "fixed-large" }), "fixed-large", { keepsVariance: false }),
  named(ddpm({ variance: "learned-range" }), "learned-range at its lower end", { variance: -1, sameAs: isDdpm }),
  named(ddpm({ variance: "learned-range" }), "learned-range at its upper end", {
    variance: 1,
    keepsVariance: false,
    sameAs: {
      sampler: ddpm({ variance: "fixed-large" }),
      source: "Nichol and Dhariwal 2021, equation 15, where v is 1"
    }
  }),
  named(ddpm({ variance: "learned-range" }), "learned-range halfway", {
    variance: 0,
    keepsVariance: false,
    sameAs: { sampler: geometricDdpm, source: "Nichol and Dhariwal 2021, equation 15, where v is 1/2" }
  }),
  named(repaint(ddpm(), { jumpLength: 3, resamplings: 2 }), "jumps of 3, twice"),
  named(repaint(ddim({ eta: 0.5 }), { jumpLength: 1, resamplings: 3 }), "jumps of 1, three times"),
  samplerLaws(ddim()),
  named(ddim({ eta: 0.5 }), "eta 0.5"),
  named(ddim({ eta: 1 }), "eta 1", { sameAs: isDdpm }),
  samplerLaws(euler(), { sameAs: isDdim }),
  samplerLaws(eulerAncestral(), { sameAs: isDdpm }),
  samplerLaws(heun(), { order: 2 }),
  named(heun({ churn: 10 }), "churn 10", { churns: true }),
  // Its noise is a little too much on purpose, so that it converges to a little too much variance.
  samplerLaws(edm(), { churns: true, keepsVariance: false, order: 0 }),
  named(lms({ order: 1 }), "order 1", { sameAs: isDdim }),
  named(lms({ order: 4 }), "order 4", { order: 2 }),
  named(deis({ order: 1 }), "order 1", { sameAs: isDdim }),
  named(deis({ order: 2 }), "order 2", { order: 2 }),
  named(deis({ order: 3 }), "order 3", { order: 2 }),
  named(dpmSolver({ order: 1 }), "order 1", { sameAs: isDdim }),
  named(dpmSolver({ order: 2 }), "order 2", { order: 2 }),
  named(dpmSolver({ order: 3 }), "order 3", { order: 2 }),
  named(dpmSolver({ algorithm: "dpmsolver", order: 2 }), "of the noise, order 2", { order: 2 }),
  named(dpmSolver({ algorithm: "sde-dpmsolver++", order: 1 }), "SDE, order 1", { sameAs: isDdpm }),
  named(dpmSolver({ algorithm: "sde-dpmsolver++", order: 2 }), "SDE, order 2", { order: 2 }),
  named(dpmSolver({ algorithm: "sde-dpmsolver", order: 2 }), "SDE of the noise, order 2", {
    order: 2,
    keepsVariance: false
  }),
  named(dpmSolverSinglestep({ order: 2 }), "order 2", { order: 2 }),
  named(dpmSolverSinglestep({ order: 3 }), "order 3", { order: 3 }),
  // It adds noise twice a step, and its estimates know of the first only: of first order, whatever it is called.
  named(dpmSolverSinglestep({ algorithm: "sde-dpmsolver++", order: 2 }), "SDE, order 2", { order: 1, accuracy: 0.03 }),
  named(uniPC({ order: 1 }), "order 1", { order: 2 }),
  named(uniPC({ order: 2 }), "order 2", { order: 3 }),
  named(uniPC({ order: 2, solverType: "bh1" }), "order 2, bh1", { order: 3 }),
  named(uniPC({ order: 3 }), "order 3", { order: 3 })
]

const logit = (u: number): number => Math.log(u / (1 - u))

const logNormalProbability = ({ alphaBar, steps }: Schedule, t: number): number => {
  const logSigma = (t: number) => Math.log((1 - alphaBar[t]!) / alphaBar[t]!) / 2
  const below = t === 0 ? -Infinity : (logSigma(t - 1) + logSigma(t)) / 2
  const above = t === steps - 1 ? Infinity : (logSigma(t) + logSigma(t + 1)) / 2
  return normalBetween(below, above, -1.2, 1.2)
}

const evenTimesteps: TimestepSamplerShape = {
  name: "stratified",
  distribution: { _tag: "Uniform" },
  spread: "stratified"
}

const timestepSamplers: ReadonlyArray<Suite> = [
  timesteps(evenTimesteps, { stated: { formula: "1 / T", probability: ({ steps }) => 1 / steps } }),
  timesteps(Result.getOrThrow(logNormalTimesteps()), {
    stated: { formula: "that of N(-1.2, 1.2^2) between the midpoints of ln sigma", probability: logNormalProbability }
  }),
  timesteps(Result.getOrThrow(logitNormalTimesteps({ mean: 0.5, standardDeviation: 0.8, spread: "stratified" })), {
    stated: {
      formula: "that of N(0.5, 0.8^2) between the logits of t / T and (t + 1) / T",
      probability: ({ steps }, t) => normalBetween(logit(t / steps), logit((t + 1) / steps), 0.5, 0.8)
    }
  }),
  timesteps(Result.getOrThrow(lossSecondMomentTimesteps()))
]

/**
 * Suites of everything here that needs no engine: schedules of every family with any options, noising, weightings, losses,
 * samplers.
 *
 * @example
 * for (const suite of Laws.builtIn) Laws.test(it, suite)
 */
export const builtIn: ReadonlyArray<Suite> = [
  schedules(anyDerivedSchedule, { subject: "schedules of every family" }),
  continuous(anyContinuousSchedule),
  interpolation(),
  noising(),
  ...weightings,
  reduction({ name: "lossMean", reducer: lossMean, of: lossMeanOf, mean: ({ mean }) => mean }),
  ...distances,
  ...samplers,
  inversion(S.ddimInversion(), { of: ddim() }),
  guidance(),
  ...timestepSamplers
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
  stage(tinyPipeline.stages[0]!, { engine, batch: tinyBatch }),
  training(tinyTraining, { engine, subject: "a training run" }),
  model(tinyDenoiser, { engine, subject: "a model of one hidden layer" })
]
