/**
 * Sampling on an engine, as a stream of denoising steps.
 *
 * The network's parameters are compiled into the program as constants, once, before the first step; whoever passes
 * averaged parameters samples with averaged parameters. On the onnx engine that makes a step 1.7 to 1.9 times as fast
 * (3x3 convolutions, measured), because the filters are laid out beforehand. It costs memory and start-up: the parameters are
 * in memory three times while they are compiled and twice from then on, with those on the host (docs/performance.md), and other
 * parameters mean compiling again. An engine that does not trace builds its constants anew at every step.
 */
import { Effect, Result, Stream } from "effect"
import { Engine } from "../engine/Engine.ts"
import type { CompileError, RunError } from "../engine/EngineError.ts"
import { Denoiser, type DenoiserShape } from "../pipeline/Denoiser.ts"
import { Objective } from "../pipeline/Objective.ts"
import type { HostTensors } from "../pipeline/Pipeline.ts"
import { NoiseSchedule } from "../schedule/index.ts"
import { float32, type HostTensor, sameShape, type Shape, showShape, sizeOf, zeros } from "../tensor/index.ts"
import { guidedDenoiser, guidedParameters, guidedSteps } from "./internal/guided.ts"
import { knownInput, knownState, requireKnown, withKnown } from "./internal/known.ts"
import { classOfSample, conditionOf } from "./internal/labels.ts"
import { knownNoise, type Samples, startingNoise, stepNoise } from "./internal/noise.ts"
import { denoisingProgram, startingState, stepInput } from "./internal/program.ts"
import { requireExamples, skippedOf, startOf } from "./internal/start.ts"
import { needsNoise, type Plan, type PlanError, type PlanOptions, type Sampler } from "./Sampler.ts"
import { ddimInversion } from "./samplers/ddim.ts"
import { InvalidSampling, ParameterMismatch } from "./SamplingError.ts"
import type { TimestepChoice } from "./TimestepChoice.ts"

/**
 * A worse version of the same network, to steer away from (Karras et al. 2024, "Guiding a diffusion model with a bad
 * version of itself"): where both go wrong, the worse one does so more, so going on beyond the better one leads away from
 * the mistakes of both. Samples are more like the data and less varied than without. Each step computes both.
 *
 * Guided estimates of x_0 go far beyond the range that they are clipped to: give DDIM `useClippedModelOutput`.
 */
export interface Guide {
  /** The parameters of the worse version: of the same run after about a tenth of its steps, for example. */
  readonly parameters: HostTensors
  /** How far to go from the guide's prediction towards the trained one's: 1 is as without a guide, 2 twice as far. */
  readonly scale: number
}

/**
 * Classifier-free guidance: going on from the prediction without a class beyond that of the class (Ho & Salimans,
 * "Classifier-Free Diffusion Guidance", 2022). Samples are more clearly of their class, and less varied. The network must
 * have been trained with label dropout. Each step computes both.
 */
export interface ClassifierFree {
  /**
   * How far to go from the prediction without a class towards that of the class: 1 is there, 0 is not at all, 3 three
   * times as far. From 0. (The paper's w is `scale - 1`; diffusers' `guidance_scale` is this.)
   */
  readonly scale: number
  /**
   * How much of the guided prediction, from 0 to 1, is scaled to the standard deviation that the class's own prediction
   * has over the elements of a sample, against overexposure (Lin et al., "Common Diffusion Noise Schedules and Sample
   * Steps are Flawed", 2024, equations 15 and 16). Of the prediction as the network makes it, be it noise or v. 0 unless
   * given.
   */
  readonly rescale?: number | undefined
  /**
   * Guide only the steps that begin with noise of standard deviation sigma = spread / signal, `above` < sigma <= `upTo`
   * (Kynkäänniemi et al., "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion
   * Models", 2024, equation 6). All of them unless given. A step outside costs no less: one program takes them all.
   */
  readonly interval?: readonly [above: number, upTo: number] | undefined
}

/**
 * What to start from, in place of noise.
 *
 * `images`: their noised versions, part of the way down: the larger the strength, the more is made anew (Meng et al.,
 * "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations", 2022). Of N steps the last
 * floor(N strength) are taken.
 *
 * `latents`: these very values of x at the first step, such as {@link encode} gives.
 *
 * Both are [rows, ...exampleShape]; sample i begins with row i, and with the first again after the last.
 */
export type From =
  | { readonly images: HostTensor<"float32">; readonly strength: number; readonly latents?: undefined }
  | { readonly latents: HostTensor<"float32">; readonly images?: undefined; readonly strength?: undefined }

/**
 * What is known of the samples: `images` where `mask` is 1. After every step that part of x is put back, noised afresh to
 * the level that x has (Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations", 2021,
 * appendix I.2; Lugmayr et al., "RePaint", 2022, equation 8), and so it is the data itself at the end. `repaint` makes the
 * rest fit it better.
 *
 * Both are [rows, ...exampleShape]; sample i is given row i, and the first again after the last.
 */
export interface Known {
  readonly images: HostTensor<"float32">
  /** 1 where the image is known, 0 where it is to be made. */
  readonly mask: HostTensor<"float32">
}

/** What to sample, and how. */
export type SamplingOptions = TimestepChoice & {
  readonly sampler: Sampler
  /** How many samples. */
  readonly count: number
  /** An integer. Sample i is a function of the seed, i and what is sampled with: not of `count` or `batchSize`. */
  readonly seed: number
  /** The parameters of the denoiser: the averaged ones, as a rule. */
  readonly parameters: HostTensors
  /** What to steer away from; nothing unless given. */
  readonly guide?: Guide | undefined
  /**
   * The classes to draw, in turn: sample i is of class `labels[i mod length]`, from 0; the number of classes itself is
   * "none". Unless given, samples are of no class.
   */
  readonly labels?: ReadonlyArray<number> | undefined
  /** Guidance towards the classes; none unless given. */
  readonly classifierFree?: ClassifierFree | undefined
  /** The most samples to denoise at once; 64 unless given. */
  readonly batchSize?: number | undefined
  /** What to do to estimates of x_0; 1 unless given, the range of images. For data of any range: `"none"`. */
  readonly clip?: PlanOptions["clip"]
  /** What the noise that sampling starts from is scaled to; `"unit"` unless given. */
  readonly initialNoise?: PlanOptions["initialNoise"]
  /** What to start from; noise unless given. */
  readonly from?: From | undefined
  /** What is known of the samples; nothing unless given. */
  readonly known?: Known | undefined
  /** Read x after every step, in place of after the last; false unless given. */
  readonly trajectory?: boolean | undefined
}

/** A denoising step that has been taken, for one batch of samples. */
export interface Denoised {
  /** The index of the batch's first sample, and how many samples it has. */
  readonly first: number
  readonly count: number
  /** How many steps this batch has taken, from 1 to `of`; a solver of higher order counts each use of the denoiser. */
  readonly step: number
  readonly of: number
  /** The timestep that the denoiser was told. */
  readonly timestep: number
  /** x after this step, [count, ...exampleShape]: after the last one, and after each where a trajectory is asked for. */
  readonly x?: HostTensor<"float32">
}

/** Why there are no samples. */
export type SamplingError = PlanError | ParameterMismatch | CompileError | RunError

/** What sampling asks for. */
export type SamplingServices = Engine | Denoiser | NoiseSchedule | Objective

/**
 * Samples, one batch after the other, as a stream of denoising steps. Batches are as even as can be: 100 samples at most
 * 64 at once are two batches of 50.
 *
 * @example
 * const progress = Sampling.run({ sampler: ddim(), steps: 50, count: 16, seed: 7, parameters: averaged }).pipe(
 *   Stream.runForEach(({ step, of }) => Effect.log(`${step} of ${of}`)),
 *   Effect.provide(
 *     Layer.mergeAll(denoiser, Objective.noise, OnnxEngine.layer()).pipe(
 *       Layer.provideMerge(NoiseSchedule.cosine({ steps: 1000 }))
 *     )
 *   )
 * )
 */
export const run = (options: SamplingOptions): Stream.Stream<Denoised, SamplingError, SamplingServices> =>
  Stream.unwrap(Effect.gen(function*() {
    const engine = yield* Engine
    const denoiser = yield* Denoiser
    const { predictionType } = yield* Objective
    const schedule = yield* NoiseSchedule
    const { count, sampler, seed, trajectory = false } = options

    const batches = yield* batchesOf(options)
    const { from, known } = options
    const skip = yield* Effect.fromResult(requireStart(options, denoiser.exampleShape))
    const plan = yield* Effect.fromResult(sampler.plan(schedule, { ...options, skip, predictionType }))
    if (plan.variance !== undefined && denoiser.learnsVariance !== true) {
      return yield* new InvalidSampling({
        option: "variance",
        value: "of the network",
        expected: `fixed, because "${denoiser.name}" predicts none: train one that does, or take a fixed variance`
      })
    }
    const classOf = yield* Effect.fromResult(classOfSample(denoiser, options))
    const network = yield* networkOf(denoiser, options, plan)
    const program = denoisingProgram(network.denoiser, network.parameters, { ...plan, batch: batches.size })
    const executable = yield* engine.compile(known === undefined ? program : withKnown(program))
    const noNoise = zeros([batches.size, ...denoiser.exampleShape])
    const stateOf = (samples: Samples, noise: HostTensor<"float32">) => ({
      ...startingState(plan, noise, denoiser),
      ...(from === undefined ? {} : { x: startOf(plan, samples, from) }),
      ...(known === undefined ? {} : knownState(known, samples.first, samples.count))
    })
    const everySample = { seed, first: 0, count: batches.size, exampleShape: denoiser.exampleShape }
    const instance = yield* executable.start(stateOf(everySample, noNoise))

    const denoise = (first: number): Stream.Stream<Denoised, RunError> => {
      // The last batch may have fewer samples than the program: those beyond `count` are computed and left out.
      const samples: Samples = { seed, first, count: batches.size, exampleShape: denoiser.exampleShape }
      const wanted = Math.min(batches.size, count - first)
      const condition = classOf === undefined ? undefined : conditionOf(classOf, first, batches.size)
      const of = plan.steps.length
      const steps = Stream.fromIterable(plan.steps.entries()).pipe(
        Stream.mapEffect(Effect.fnUntraced(function*([position, step]) {
          const noise = needsNoise(step) ? stepNoise(samples, position) : noNoise
          yield* instance.step({
            ...stepInput(plan, step, noise, condition),
            ...(known === undefined ? {} : knownInput(step.to, knownNoise(samples, position)))
          })
          yield* Effect.yieldNow
          const denoised = { first, count: wanted, step: position + 1, of, timestep: step.timestep }
          if (!trajectory && position + 1 < of) return denoised
          const { x } = yield* instance.read
          return { ...denoised, x: beginning(x!, wanted) }
        }))
      )
      return Stream.unwrap(Effect.as(instance.write(stateOf(samples, startingNoise(samples))), steps))
    }
    return Stream.fromIterable(batches.starts).pipe(Stream.flatMap(denoise))
  }))

/**
 * All samples, [count, ...exampleShape]: the end of {@link run}.
 *
 * @example
 * const digits = Sampling.images({ sampler: ddim(), steps: 50, count: 16, seed: 7, parameters: averaged })
 */
export const images = (
  options: SamplingOptions
): Effect.Effect<HostTensor<"float32">, SamplingError, SamplingServices> =>
  Effect.gen(function*() {
    const { exampleShape } = yield* Denoiser
    const steps = yield* Stream.runCollect(run({ ...options, trajectory: false }))
    const size = sizeOf(exampleShape)
    const all = new Float32Array(options.count * size)
    for (const { first, x } of steps) if (x !== undefined) all.set(x.data, first * size)
    return float32([options.count, ...exampleShape], all)
  })

/** What {@link encode} is given. */
export type EncodingOptions = Omit<SamplingOptions, "count" | "from" | "known" | "sampler" | "seed" | "trajectory"> & {
  /** The images to encode: [count, ...exampleShape]. */
  readonly images: HostTensor<"float32">
}

/**
 * The noise that DDIM would make images of, [count, ...exampleShape]: what is left of them at the first level of the same
 * steps, as near as the steps are small (`ddimInversion`). `from: { latents }` with DDIM gives the images again.
 *
 * @example
 * const latents = yield* Sampling.encode({ images: digits, steps: 100, parameters: averaged })
 * const again = yield* Sampling.images({ sampler: ddim(), from: { latents }, steps: 100, count: 4, seed: 0, parameters: averaged })
 */
export const encode = (
  options: EncodingOptions
): Effect.Effect<HostTensor<"float32">, SamplingError, SamplingServices> =>
  images({
    ...options,
    sampler: ddimInversion(),
    count: options.images.shape[0]!,
    seed: 0,
    from: { latents: options.images }
  } as SamplingOptions)

/** Checks what to start from and what is known; gives how many steps are left out. */
const requireStart = (
  options: SamplingOptions,
  exampleShape: Shape
): Result.Result<number, InvalidSampling> =>
  Result.gen(function*() {
    const { from, known } = options
    if (from?.images !== undefined) yield* requireExamples("from.images", from.images, exampleShape)
    if (from?.latents !== undefined) yield* requireExamples("from.latents", from.latents, exampleShape)
    if (known !== undefined) yield* requireKnown(known, exampleShape)
    return yield* skippedOf(options, from)
  })

const batchesOf = Effect.fnUntraced(function*({ batchSize = 64, count }: Pick<SamplingOptions, "batchSize" | "count">) {
  for (const [option, value] of Object.entries({ count, batchSize })) {
    if (!(Number.isSafeInteger(value) && value >= 1)) {
      return yield* new InvalidSampling({ option, value, expected: "a positive integer" })
    }
  }
  const number = Math.ceil(count / batchSize)
  const size = Math.ceil(count / number)
  return { size, starts: Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size) }
})

/** The denoiser with what guides it, and its parameters. */
const networkOf = Effect.fnUntraced(function*(
  denoiser: DenoiserShape,
  { classifierFree, guide, parameters }: Pick<SamplingOptions, "classifierFree" | "guide" | "parameters">,
  plan: Plan
) {
  yield* requireParameters(denoiser, parameters)
  if (guide !== undefined) {
    if (!(guide.scale >= 1 && guide.scale < Infinity)) {
      return yield* new InvalidSampling({
        option: "guide.scale",
        value: guide.scale,
        expected: "a number of at least 1"
      })
    }
    yield* requireParameters(denoiser, guide.parameters)
  }
  if (classifierFree !== undefined) yield* requireClassifierFree(classifierFree)
  return {
    denoiser: guidedDenoiser(denoiser, {
      guideScale: guide?.scale,
      classifierFree: classifierFree === undefined ? undefined : guidedSteps(plan, classifierFree)
    }),
    parameters: guide === undefined ? parameters : guidedParameters(parameters, guide)
  }
})

const requireClassifierFree = Effect.fnUntraced(function*({ interval, rescale = 0, scale }: ClassifierFree) {
  const invalid = (option: string, value: unknown, expected: string) =>
    new InvalidSampling({ option: `classifierFree.${option}`, value, expected })
  if (!(scale >= 0 && scale < Infinity)) return yield* invalid("scale", scale, "a number of at least 0")
  if (!(rescale >= 0 && rescale <= 1)) return yield* invalid("rescale", rescale, "a number from 0 to 1")
  if (interval !== undefined && !(interval[0] >= 0 && interval[0] < interval[1])) {
    return yield* invalid("interval", interval, "two standard deviations of noise from 0, the smaller first")
  }
})

const requireParameters = Effect.fnUntraced(function*(denoiser: DenoiserShape, parameters: HostTensors) {
  for (const [parameter, { shape }] of Object.entries(denoiser.parameters)) {
    const given = parameters[parameter]
    if (given !== undefined && sameShape(given.shape, shape)) continue
    return yield* new ParameterMismatch({
      denoiser: denoiser.name,
      parameter,
      expected: `shape ${showShape(shape)}`,
      actual: given === undefined ? "none of that name" : `shape ${showShape(given.shape)}`
    })
  }
})

const beginning = ({ data, shape }: HostTensor, count: number): HostTensor<"float32"> => {
  const kept = [count, ...shape.slice(1)]
  return float32(kept, (data as Float32Array).subarray(0, sizeOf(kept)))
}
