/**
 * The dataset that a configuration names.
 */
import { loadDigits, loadIdx, loadImages, pointKinds, points, split } from "@effusion/core/data"
import type { Dataset, DigitsError, IdxError, ImagesError, ImagesOptions, TrainAndTest } from "@effusion/core/data"
import { type DenoiserShape, requireExamples } from "@effusion/core/pipeline"
import type { Shape } from "@effusion/core/tensor"
import { Data, Effect } from "effect"
import type { FileSystem, Path } from "effect"
import { Reporter } from "../report/Reporter.ts"

/** The examples of a dataset are not what the network takes. */
export class WrongExampleShape extends Data.TaggedError("WrongExampleShape")<{
  readonly data: string
  /** Pictures take whatever shape a network's images have. */
  readonly actual: Shape | "pictures"
  readonly expected: Shape
  /** What the network's images must have sides that are multiples of; anything goes where it is not given. */
  readonly multiple?: number | undefined
}> {
  override get message() {
    return `the data "${this.data}" has ${showExamples(this.actual)}, but the network takes ` +
      `${showExamples(this.expected)}; choose other data (--data), or ${
        remedy(this.actual, this.expected, this.multiple)
      }`
  }
}

/** Everything that loading the data of a configuration can fail with. */
export type DatasetError = DigitsError | IdxError | ImagesError | WrongExampleShape | WrongClasses

/**
 * Loads what a `data` field names: `digits`, `images:<folder>`, `idx:<folder>` or `points:<kind>`. It comes in two parts;
 * training never sees the second. Points are 20,000 and 2,000, the same in every run.
 *
 * Fails with {@link WrongExampleShape} or {@link WrongClasses} unless the examples are what the network takes.
 *
 * @param denoiser the network, whose example shape pictures are brought to; other data has a shape of its own
 * @param check what else is required of the data to train on: pictures take long to read, so it is called before they are
 * @example
 * const { train, test } = yield* loadData("points:swiss-roll", denoiser)
 */
export const loadData = <E = never>(
  source: string,
  denoiser: DenoiserShape,
  check?: ImagesOptions<E>["check"]
): Effect.Effect<TrainAndTest, DatasetError | E, FileSystem.FileSystem | Path.Path | Reporter> => {
  const { exampleShape } = denoiser
  const fits = (train: Pick<Dataset, "name" | "size" | "exampleShape" | "classes">) =>
    Effect.andThen(requireFit(source, train, denoiser), check?.(train) ?? Effect.void)
  if (source.startsWith("images:")) {
    // They are brought to that shape.
    return loadPictures(source, exampleShape, (train) => fits({ ...train, exampleShape }))
  }
  return Effect.tap(loadOther(source), ({ train }) => fits(train))
}

const loadOther = (
  source: string
): Effect.Effect<TrainAndTest, DigitsError | IdxError, FileSystem.FileSystem | Path.Path> => {
  if (source === "digits") return loadDigits()
  if (source.startsWith("idx:")) return loadIdx(source.slice("idx:".length))
  const kind = pointKinds.find((kind) => source === `points:${kind}`)
  if (kind === undefined) return Effect.die(new RangeError(`"${source}" is no source of data`))
  const sizes = [20_000, 2_000] as const
  return split(points({ kind, size: sizes[0] + sizes[1], seed: 0 }), sizes).pipe(
    Effect.map(([train, test]) => ({ train, test })),
    Effect.orDie
  )
}

const loadPictures = Effect.fnUntraced(function*<E>(
  source: string,
  expected: Shape,
  check: ImagesOptions<E>["check"]
): Effect.fn.Return<
  TrainAndTest,
  ImagesError | WrongExampleShape | E,
  FileSystem.FileSystem | Path.Path | Reporter
> {
  if (arePoints(expected)) return yield* new WrongExampleShape({ data: source, actual: "pictures", expected })
  const { report } = yield* Reporter
  return yield* loadImages(source.slice("images:".length), {
    shape: expected,
    check,
    onProgress: (done, count) => report({ event: "reading", done, count })
  })
})

/**
 * Whether examples of this shape are points, and not images.
 *
 * @example
 * arePoints([2]) // => true
 */
export const arePoints = (exampleShape: Shape): boolean => exampleShape.length === 1

/** The classes of a dataset are not those that the network tells apart. */
export class WrongClasses extends Data.TaggedError("WrongClasses")<{
  readonly data: string
  readonly actual: number
  readonly expected: number
}> {
  override get message() {
    const remedy = this.actual === 0
      ? "choose data with classes (--data), or train without them (conditioning null)"
      : `set model.num_class_embeds to ${this.actual + 1}, one more, in a --config file`
    return `the data "${this.data}" has ${showClasses(this.actual)}, but the network tells ` +
      `${showClasses(this.expected)} apart; ${remedy}`
  }
}

/** The library's rule, with remedies for whoever has flags. */
const requireFit = (
  source: string,
  train: Pick<Dataset, "name" | "exampleShape" | "classes">,
  denoiser: DenoiserShape
): Effect.Effect<void, WrongExampleShape | WrongClasses> =>
  Effect.mapError(
    requireExamples(denoiser, train),
    (error) =>
      error._tag === "WrongExampleShape"
        ? new WrongExampleShape({ ...error, data: source })
        : new WrongClasses({ ...error, data: source })
  )

const showClasses = (count: number): string =>
  count === 0 ? "no classes" : `${count} ${count === 1 ? "class" : "classes"}`

const showExamples = (shape: Shape | "pictures"): string => {
  if (shape === "pictures") return shape
  if (arePoints(shape)) return `points of ${shape[0]} coordinates`
  const [height, width, channels] = shape
  return `images of ${height}x${width} in ${channels} ${channels === 1 ? "channel" : "channels"}`
}

/** How to come by a network for examples of this shape. */
const remedy = (shape: Shape | "pictures", expected: Shape, multiple = 1): string => {
  if (shape === "pictures" || arePoints(expected)) return "use --preset digits, or another one for images"
  if (arePoints(shape)) return "use --preset points"
  const [height = 0, width = 0, channels] = shape
  // To set a size that the network cannot have would only lead to the next error.
  if (height % multiple !== 0 || width % multiple !== 0) {
    const levels = 1 + Math.min(...[height, width].map((side) => 31 - Math.clz32(side & -side)))
    const padded = [height, width].map((side) => Math.ceil(side / multiple) * multiple).join("x")
    return `pad or crop the images to sides that are multiples of ${multiple}, such as ${padded}, which this network needs; ` +
      `or take one of ${levels === 1 ? "a single level" : `at most ${levels} levels`} (so many entries in ` +
      `model.block_out_channels, down_block_types and up_block_types)`
  }
  const size = height === width ? height : `[${height}, ${width}]`
  return `set model.sample_size to ${size}, and model.in_channels and out_channels to ${channels}, in a --config file`
}
