/**
 * Samples of a network, and the pictures made of them.
 */
import type { Engine } from "@effusion/core/engine"
import { Denoiser } from "@effusion/core/pipeline"
import type { Objective, Pipeline } from "@effusion/core/pipeline"
import { levelsFor, repaint, Sampling } from "@effusion/core/sampling"
import type { Schedule } from "@effusion/core/schedule"
import { NoiseSchedule, Sigmas } from "@effusion/core/schedule"
import type { HostTensor, Shape } from "@effusion/core/tensor"
import { float32, sizeOf } from "@effusion/core/tensor"
import { Data, Effect, Path, Stream } from "effect"
import type { FileSystem } from "effect"
import type { RunConfig } from "../configuration/config.ts"
import { samplerOf, usualSigmaMax } from "../configuration/samplers.ts"
import type { FileProblem } from "../files.ts"
import { writeWhole } from "../files.ts"
import { Reporter } from "../report/Reporter.ts"
import { arePoints } from "../run/datasets.ts"
import type { GridOptions } from "./images.ts"
import { encodePng, grid, interleave } from "./images.ts"

/** What to draw, and how. */
export type DrawOptions = RunConfig["sampling"] & Pick<Sampling.SamplingOptions, "from" | "known"> & {
  readonly seed: number
  /** The weights to draw with. */
  readonly parameters: Pipeline.HostTensors
  /** What to steer away from. */
  readonly guide?: Sampling.Guide | undefined
  /** The classes to draw in turn, where the network is told classes. */
  readonly labels?: ReadonlyArray<number> | undefined
  /** How to guide samples towards them. */
  readonly classGuidance?: RunConfig["classGuidance"] | undefined
  readonly exampleShape: Shape
  /** How often to go through every stretch of steps, where pixels are known; once unless given. */
  readonly resamplings?: number | undefined
  /** Another schedule, whose levels of noise to go down; that of the training unless given. */
  readonly schedule?: Schedule | undefined
}

/**
 * So many samples are denoised at once. Where they are guided the network is asked twice of each, and so of half as many: more
 * at once would take as long, and more memory.
 */
const batchSizeOf = (exampleShape: Shape, guided: boolean): number =>
  (arePoints(exampleShape) ? 1000 : 64) / (guided ? 2 : 1)

const guidanceOf = ({ classGuidance }: Pick<DrawOptions, "classGuidance">): Sampling.ClassifierFree | undefined =>
  classGuidance === undefined || classGuidance === null || classGuidance.scale === 1
    ? undefined
    : { ...classGuidance, interval: classGuidance.interval ?? undefined }

const isGuided = (options: Pick<DrawOptions, "classGuidance" | "guide">): boolean =>
  options.guide !== undefined || guidanceOf(options) !== undefined

/**
 * How many samples {@link draw} denoises at once: those that are asked for, in batches that are as even as can be.
 *
 * @example
 * samplesAtOnce({ count: 100, exampleShape: [28, 28, 1] }) // => 50
 */
export const samplesAtOnce = (
  options: Pick<DrawOptions, "classGuidance" | "count" | "exampleShape" | "guide">
): number => Math.ceil(options.count / Math.ceil(options.count / batchSizeOf(options.exampleShape, isGuided(options))))

/**
 * Draws samples, and reports how far it is: [count, ...exampleShape].
 *
 * @example
 * const samples = yield* draw({ ...config.sampling, seed: 7, parameters, exampleShape: [28, 28, 1] })
 */
export const draw = (options: DrawOptions) =>
  Effect.map(drawFrames({ ...options, frames: 1 }), (frames) => frames[0]!.samples)

/** What samples look like after a denoising step. */
export interface Frame {
  readonly step: number
  /** How many steps there are. */
  readonly of: number
  /** [count, ...exampleShape] */
  readonly samples: HostTensor<"float32">
}

/**
 * Draws samples, and keeps what they looked like on the way: `frames` states from early to finished, spread evenly over
 * the denoising steps; fewer when there are not as many steps.
 *
 * @example
 * const frames = yield* drawFrames({ ...config.sampling, seed: 7, parameters, exampleShape: [2], frames: 12 })
 */
export const drawFrames = Effect.fnUntraced(function*(
  options: DrawOptions & { readonly frames: number }
): Effect.fn.Return<
  ReadonlyArray<Frame>,
  Sampling.SamplingError,
  Reporter | Engine | Denoiser | NoiseSchedule | Objective
> {
  const {
    count,
    exampleShape,
    from,
    guide,
    known,
    labels,
    parameters,
    resamplings = 1,
    seed,
    threshold
  } = options
  const classifierFree = guidanceOf(options)
  const { report } = yield* Reporter
  const size = sizeOf(exampleShape)
  const guided = isGuided(options)
  const { learnsVariance = false } = yield* Denoiser
  const sampler = samplerOf({
    ...options,
    guided,
    // What a network has learned of the variance is used, but for resampling, which needs a fixed one.
    ...(learnsVariance && resamplings === 1 && options.variance === undefined ? { variance: "learned-range" } : {})
  })
  const frames = new Map<number, { readonly of: number; readonly data: Float32Array }>()
  yield* Sampling.run({
    sampler: resamplings === 1 ? sampler : repaint(sampler, { resamplings }),
    ...yield* choiceOf(options),
    count,
    seed,
    parameters,
    guide,
    labels,
    classifierFree,
    from,
    known,
    ...(threshold === undefined ? {} : { clip: { ratio: threshold, maximum: Infinity } }),
    batchSize: batchSizeOf(exampleShape, guided),
    trajectory: options.frames > 1
  }).pipe(Stream.runForEach(({ count: inBatch, first, of, step, x }) => {
    if (x !== undefined && spread(of, options.frames).includes(step)) {
      const frame = frames.get(step) ?? { of, data: new Float32Array(count * size) }
      frames.set(step, frame)
      frame.data.set(x.data, first * size)
    }
    return report({ event: "drawing", done: first + inBatch * step / of, count })
  }))
  return Array.from(frames, ([step, { data, of }]) => ({ step, of, samples: float32([count, ...exampleShape], data) }))
})

/** The levels to visit. */
const choiceOf = Effect.fnUntraced(function*(options: DrawOptions) {
  const { final, sampler, schedule, spacing, steps } = options
  const trained = yield* NoiseSchedule
  const sigmaMax = options.sigmaMax ?? usualSigmaMax(sampler)
  const choice = {
    steps,
    ...(spacing === undefined ? {} : { spacing }),
    // The one is for spacings by sigma, the other for those of timesteps.
    ...(sigmaMax === undefined
      ? {}
      : { sigmaMax: Math.min(sigmaMax, Sigmas.rangeOf(schedule ?? trained).sigmaMax), lambdaMin: -Math.log(sigmaMax) })
  }
  const end = final === undefined ? {} : { final }
  if (schedule === undefined) return { ...choice, ...end }
  return { levels: yield* Effect.fromResult(levelsFor(trained, schedule, choice)), ...end }
})

/** At most `count` of the steps 1 to `steps`, evenly spread, the last one among them. */
const spread = (steps: number, count: number): ReadonlyArray<number> => {
  const number = Math.min(steps, count)
  return Array.from({ length: number }, (_, i) => Math.round((i + 1) * steps / number))
}

/** A file name does not say a kind of picture that there is for this data. */
export class UnsupportedPicture extends Data.TaggedError("UnsupportedPicture")<{
  readonly path: string
  readonly supported: ReadonlyArray<string>
}> {
  override get message() {
    return `cannot write "${this.path}": these samples can be written as ${this.supported.join(", ")}; ` +
      `give a file name that ends so`
  }
}

/**
 * The kinds of files that samples of this shape can be written as, the usual one first.
 *
 * @example
 * pictureTypes([28, 28, 1]) // => [".png"]
 */
export const pictureTypes = (exampleShape: Shape): ReadonlyArray<string> =>
  arePoints(exampleShape) ? [".svg", ".json", ".csv"] : [".png"]

/** What a picture shows. */
export interface PictureOptions {
  readonly title: string
  /** States of the same samples, from early to finished; one, if only the finished ones are to be shown. */
  readonly frames: ReadonlyArray<Pick<Frame, "samples"> & Partial<Frame>>
  /** Points of the data, to compare with. */
  readonly data?: HostTensor<"float32">
  /** The classes that were drawn in turn: a column of a grid of images shows one of them. */
  readonly labels?: ReadonlyArray<number> | undefined
  /** Whether the samples are a way from the first to the last: images are in rows then, not in a square. */
  readonly isWay?: boolean
}

/**
 * Writes samples to a file: images as a PNG grid, or, with several frames, a row for each sample and a column for each
 * frame; points as a plot (.svg), or the finished ones as numbers (.json, .csv). Returns the path.
 *
 * @param write how to write a file; what was there is replaced unless given
 * @example
 * yield* writePicture("samples.png", { title: "", frames: [{ samples }] })
 */
export const writePicture = Effect.fnUntraced(function*(
  path: string,
  options: PictureOptions,
  write: typeof writeWhole = writeWhole
): Effect.fn.Return<string, FileProblem | UnsupportedPicture, FileSystem.FileSystem | Path.Path> {
  const finished = options.frames.at(-1)!.samples
  yield* requirePictureType(path, finished.shape.slice(1))
  const paths = yield* Path.Path
  return yield* write(path, yield* contentOf(paths.extname(path).toLowerCase(), finished, options))
})

/**
 * Fails with {@link UnsupportedPicture} unless samples of this shape can be written to a file of this name.
 *
 * @example
 * yield* requirePictureType("samples.png", [28, 28, 1])
 */
export const requirePictureType = (path: string, exampleShape: Shape) =>
  Effect.flatMap(Path.Path, (paths) => {
    const supported = pictureTypes(exampleShape)
    return supported.includes(paths.extname(path).toLowerCase())
      ? Effect.void
      : new UnsupportedPicture({ path, supported })
  })

const contentOf = Effect.fnUntraced(function*(
  extension: string,
  finished: HostTensor<"float32">,
  { data, frames, isWay = false, labels = [], title }: PictureOptions
) {
  switch (extension) {
    case ".png":
      return encodePng(
        frames.length === 1 && finished.shape[0] === 1
          // A sample by itself is a picture of its own size, which `--image` takes.
          ? grid(finished, { scale: 1, padding: 0 })
          : frames.length === 1
          ? grid(finished, isWay ? wayColumns(finished.shape[0]!) : columnsFor(finished.shape[0]!, labels.length))
          : grid(interleave(frames.map(({ samples }) => samples)), { columns: frames.length })
      )
    case ".json":
      return `${JSON.stringify(rowsOf(finished))}\n`
    case ".csv":
      return rowsOf(finished).map((row) => `${row.join(",")}\n`).join("")
    default: {
      // The plotting library takes half a second to load.
      const { scatterPlot, scatterStrip } = yield* Effect.promise(() => import("./plots.ts"))
      return frames.length === 1
        ? scatterPlot({ title, samples: finished, ...(data === undefined ? {} : { data }) })
        : scatterStrip({
          title,
          frames: frames.map(({ of, samples, step }) => ({ name: `step ${step} of ${of}`, points: samples }))
        })
    }
  }
})

/** A row is as long as a trajectory's, or somewhat longer, so that it can be looked at; then the next one goes on. */
const longestRow = 16

/** Columns of a way: one row, or as many as it takes, alike. */
const wayColumns = (count: number): GridOptions => ({ columns: Math.ceil(count / Math.ceil(count / longestRow)) })

/** Columns of a grid in which classes come in turn: a multiple of their number, and otherwise about square. */
const columnsFor = (count: number, classes: number): GridOptions =>
  classes < 2 ? {} : { columns: Math.min(count, classes * Math.ceil(Math.sqrt(count) / classes)) }

/** The coordinates of each point. */
const rowsOf = ({ data, shape }: HostTensor<"float32">): ReadonlyArray<ReadonlyArray<number>> => {
  const [count = 0, dimensions = 0] = shape
  return Array.from({ length: count }, (_, i) => [...data.subarray(i * dimensions, (i + 1) * dimensions)])
}
