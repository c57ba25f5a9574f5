/**
 * What every peer is given alike: the network's configuration, its weights, and everything that is random.
 */
import { Pipeline } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { ddim, type Plan } from "@effusion/core/sampling"
import { NoiseSchedule, sqrtAlphaBar, sqrtOneMinusAlphaBar, table } from "@effusion/core/schedule"
import { float32, type HostTensor, Safetensors } from "@effusion/core/tensor"
import { UNet } from "@effusion/models"
import { Effect, FileSystem, Path, Schema } from "effect"
import {
  averageDecay,
  cleanImages,
  learningRate,
  services,
  stages,
  type Subject,
  weightsOf
} from "../shared/subject.ts"
import { type DdimStep, files, Spec } from "./protocol.ts"

export interface Workload {
  readonly spec: Spec
  readonly weights: { readonly [name: string]: HostTensor }
  readonly inputs: { readonly [name: string]: HostTensor }
}

/** Batches of training; the losses of as many steps are compared. */
const trainingBatches = 4

/** DDIM steps whose samples are compared. */
const checkedSteps = 5

/** Training steps: x0, noise and t of each batch are drawn as training draws them. */
export const trainingWorkload = (subject: Subject, threads: number): Effect.Effect<Workload> =>
  Effect.gen(function*() {
    const stage = Pipeline.fuse(yield* stages)
    const batches = Array.from({ length: trainingBatches }, (_, k) => {
      const x0 = cleanImages(subject, k)
      const { noise, t } = Pipeline.draws(stage, { x0 }, { seed: 0, step: k })
      return [[`${k}.x0`, x0], [`${k}.noise`, noise!], [`${k}.t`, t!]] as const
    })
    return {
      spec: {
        work: "training" as const,
        threads,
        ...subject,
        batches: trainingBatches,
        learning_rate: learningRate,
        average_decay: averageDecay
      },
      weights: weightsOf(subject.config),
      inputs: { ...(yield* noiseTables), ...Object.fromEntries(batches.flat()) }
    }
  }).pipe(Effect.provide(services(subject.config)))

/** The factors of data and noise in x_t, [T] each. */
export const noiseTables = Effect.map(NoiseSchedule, (schedule) => {
  const tensor = (values: ArrayLike<number>) => float32([values.length], Float32Array.from(values))
  return {
    signal: tensor(table(schedule, sqrtAlphaBar)),
    spread: tensor(table(schedule, sqrtOneMinusAlphaBar))
  }
})

/** Sampling: the noise that it starts from, and the numbers of each step of DDIM. */
export const samplingWorkload = (subject: Subject, steps: number, threads: number): Effect.Effect<Workload> =>
  Effect.gen(function*() {
    const schedule = yield* NoiseSchedule
    const plan = (steps: number) =>
      Effect.map(Effect.fromResult(ddim().plan(schedule, { steps, predictionType: "epsilon" })), ddimSteps)
    const shape = [subject.batch, ...UNet.make(subject.config).exampleShape]
    const { data } = draw(Key.fold(Key.make(0), "latents"), { distribution: Distribution.normal, shape })
    return {
      spec: {
        work: "sampling" as const,
        threads,
        ...subject,
        steps: yield* plan(steps),
        check_steps: yield* plan(checkedSteps)
      },
      weights: weightsOf(subject.config),
      inputs: { noise: { dtype: "float32" as const, shape, data: data as Float32Array<ArrayBuffer> } }
    }
  }).pipe(Effect.orDie, Effect.provide(services(subject.config)))

const ddimSteps = ({ steps }: Plan): ReadonlyArray<DdimStep> =>
  steps.map(({ from, timestep, to }) => ({
    t: timestep,
    signal: from.signal,
    spread: from.spread,
    next_signal: to.signal,
    next_spread: to.spread
  }))

/** What a machine can do at best: square matrix products, and 3x3 convolutions such as the networks have. */
export const rooflineWorkload = (
  { repetitions, threads }: { readonly threads: number; readonly repetitions: number }
): Workload => ({
  spec: {
    work: "roofline",
    threads,
    products: [1024, 1536, 2048],
    convolutions: [[32, 64, 32], [32, 128, 16], [32, 128, 32], [16, 32, 28]],
    repetitions
  },
  weights: {},
  inputs: {}
})

/** Writes the files of a peer's folder. */
export const writeWorkload = Effect.fnUntraced(function*(folder: string, { inputs, spec, weights }: Workload) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.writeFileString(
    path.join(folder, files.spec),
    yield* Effect.orDie(Schema.encodeEffect(Schema.fromJsonString(Spec))(spec))
  )
  yield* fs.writeFile(path.join(folder, files.weights), Safetensors.encode(weights))
  yield* fs.writeFile(path.join(folder, files.inputs), Safetensors.encode(inputs))
})

/** Reads what {@link writeWorkload} wrote. Anything else is a mistake of the program. */
export const readWorkload = (folder: string): Effect.Effect<Workload, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const tensors = (file: string) =>
      fs.readFile(path.join(folder, file)).pipe(
        Effect.flatMap((bytes) => Effect.fromResult(Safetensors.decode(bytes))),
        Effect.map(({ tensors }) => tensors)
      )
    const text = yield* fs.readFileString(path.join(folder, files.spec))
    return {
      spec: yield* Schema.decodeEffect(Schema.fromJsonString(Spec))(text),
      weights: yield* tensors(files.weights),
      inputs: yield* tensors(files.inputs)
    }
  }).pipe(Effect.orDie)
