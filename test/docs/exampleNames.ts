/**
 * The names that the examples of public functions leave to the reader, with their types. Where examples call several things
 * by one name, it has the types of all of them.
 */
import type { Dataset } from "@effusion/core/data"
import type { Engine, Program, Tensor } from "@effusion/core/engine"
import type { deviceOf, Installation } from "@effusion/core/engine/tensorflow/installation"
import type { Laws } from "@effusion/core/laws"
import type { GradientTransformation } from "@effusion/core/optimizer"
import type {
  Clean,
  ContinuousTime,
  Denoiser,
  DenoiserInput,
  DenoiserShape,
  Loss,
  Pipeline,
  Stage,
  Timed
} from "@effusion/core/pipeline"
import type { Key as Keys } from "@effusion/core/random"
import type { DenoisingStep, HostState, Plan, PlanOptions, Sampler } from "@effusion/core/sampling"
import type { Continuous, NoiseLevel, Schedule } from "@effusion/core/schedule"
import type { HostTensor } from "@effusion/core/tensor"
import type { Checkpoint, StepReport, Training, TrainingState } from "@effusion/core/training"
import type { Context, Effect, FileSystem, Layer, PlatformError, Stream } from "effect"

/** Numbers on the host, or a tensor of a program. */
type Numbers = Float32Array & Tensor
type Named<Value> = { readonly [name: string]: Value }
type Images = HostTensor<"float32">
type HostBatch = { readonly x0: Images }

// Data and training.
export declare const average: Named<Images>
export declare const averaged: Named<Images>
export declare const batch: HostBatch
export declare const batches: Stream.Stream<HostBatch>
export declare const bytes: Uint8Array
export declare const checkpoint: Checkpoint.Checkpoint
export declare const config: { readonly steps: number }
export declare const data: Dataset
export declare const dataset: Dataset
export declare const draws: Named<Images>
export declare const folder: string
export declare const losses: ReadonlyArray<number>
export declare const optimizer: GradientTransformation
export declare const options: Training.TrainingOptions<Clean, Loss> & PlanOptions
export declare const parameters: Named<Images & Tensor>
export declare const pipeline: Pipeline.Pipeline<Clean, Loss>
export declare const readShards: (
  folder: string
) => Stream.Stream<HostBatch, PlatformError.PlatformError, FileSystem.FileSystem>
export declare const run: Training.Run
export declare const show: (report: StepReport) => Effect.Effect<void>
export declare const state: TrainingState & HostState
export declare const test: Dataset
export declare const train: Dataset
export declare const trainSomeSteps: Effect.Effect<void, never, Engine>
export declare const trainStep: (batch: unknown) => Effect.Effect<void>

// Stages and networks.
export declare const denoiser:
  & DenoiserShape
  & Layer.Layer<Denoiser>
  & ((x: ArrayLike<number>, t: number) => Float64Array)
export declare const estimate: Tensor
export declare const halveContrast: Stage<Clean, Clean>
export declare const input: DenoiserInput & Timed
export declare const network: DenoiserShape
export declare const noising: Stage<Timed, Timed>
export declare const others: Layer.Layer<never>
export declare const perExample: Tensor
export declare const specs: { readonly x0: { readonly shape: ReadonlyArray<number>; readonly dtype: "float32" } }
export declare const tensor: Images
export declare const timing: Stage<Clean, Timed>

// Schedules, mathematics and sampling.
export declare const continuousNoise: ContinuousTime.ContinuousNoiseShape
export declare const digits: Images
export declare const first: Images
export declare const from: NoiseLevel
export declare const images: Images
export declare const level: NoiseLevel
export declare const mask: Images
export declare const noise: Numbers
export declare const otherSchedule: Schedule
export declare const plan: Plan
export declare const predict: (x: ArrayLike<number>, timestep: number) => Float32Array
export declare const predictedNoise: Float32Array
export declare const prediction: Float32Array
export declare const schedule: Schedule & Continuous.ContinuousSchedule
export declare const second: Images
export declare const squaredError: number
export declare const t: number & Tensor
export declare const to: NoiseLevel
export declare const x: Numbers
export declare const x0: Numbers
export declare const xt: Numbers

// Randomness, engines, laws.
export declare const accumulate: Program<{ readonly sum: Tensor }, { readonly x: Tensor }, { readonly mean: Tensor }>
export declare const addon: string
export declare const binding: { readonly TF_Version: string; readonly isUsingGpuDevice: () => boolean }
export declare const depth: number
export declare const distance: (a: number, b: number) => number
export declare const engine: Context.Service.Shape<typeof Engine>
export declare const epoch: number
export declare const installation: Installation
export declare const k: Tensor
export declare const key: Keys.Key
export declare const mine: Schedule
export declare const myAddNoise: Laws.Noising["addNoise"]
export declare const myBetas: ReadonlyArray<number>
export declare const myInterpolation: typeof Continuous.interpolate
export declare const myGuiding: Laws.Guiding
export declare const mySchedule: Schedule
export declare const mySolver: Sampler
export declare const offset: Tensor
export declare const ours: Laws.LossFunction
export declare const prepared: Parameters<typeof deviceOf>[0]
export declare const program: Effect.Effect<void>
export declare const q: Tensor
export declare const report: Laws.SuiteReport
export declare const scale: Tensor
export declare const somePoints: (seed: number, size: number) => Images
export declare const step: number & DenoisingStep
export declare const v: Tensor
