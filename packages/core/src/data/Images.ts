/**
 * Folders of pictures: PNG, JPEG, WebP and others, of any size.
 */
import { Effect } from "effect"
import type { FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import type { Shape } from "../tensor/HostTensor.ts"
import { sizeOf } from "../tensor/HostTensor.ts"
import type { ImagesError } from "./DataError.ts"
import { ImagesDamaged, ImageShapeUnsupported, ImagesTooMany } from "./DataError.ts"
import type { Dataset, TrainAndTest } from "./Dataset.ts"
import { fromArrays } from "./Dataset.ts"
import { readDataFile } from "./internal/dataFile.ts"
import { listImages } from "./internal/imageFolder.ts"
import { interleave } from "./internal/interleave.ts"
import type { ImageShape, ReadPicture } from "./internal/picture.ts"
import { loadPictureReader, reasonOf } from "./internal/picture.ts"

/** How a folder of pictures is loaded. */
export interface ImagesOptions<E = never> {
  /** What all pictures are made: [height, width, channels], with 1 channel for grey and 3 for red, green and blue. */
  readonly shape: Shape
  /** Called with what there will be to train on, before any picture is read, which may take long: what it fails with is the end. */
  readonly check?: ((train: Pick<Dataset, "name" | "size" | "classes">) => Effect.Effect<void, E>) | undefined
  /** Called after each picture with how many are read, and of how many. */
  readonly onProgress?: ((done: number, of: number) => Effect.Effect<void>) | undefined
}

/**
 * Loads the pictures of a folder as images of one shape, a byte an element, read as `byte / 127.5 - 1`.
 *
 * **Which.** Files anywhere below the folder whose names end in .avif, .gif, .jpeg, .jpg, .png, .tif, .tiff or .webp, in capitals
 * or not; of an animation the first frame. Files of other kinds are passed over, as are files and folders whose names begin with a
 * dot; links are followed.
 *
 * **Classes.** Each folder in the folder is a class, of all pictures below it; classes are numbered from 0 in the order of their
 * names (as by torchvision's `ImageFolder`). Where the pictures are in the folder itself, there are no classes.
 *
 * **Parts.** A folder with folders `train` and `test` (or, without `test`, `val`) has its parts there, each as above, and nothing
 * else in it is read. Of another folder every tenth picture is the test part, in the order of classes and names: of each class a
 * tenth, to within one picture. Names are ordered by their characters' codes, so both parts are the same on every machine. In
 * each, classes are dealt evenly, so that every beginning of it holds all of them in their proportions.
 *
 * **Pixels.** A picture is turned as its EXIF orientation says, scaled (bilinearly, antialiased) until it just covers the image,
 * and its middle is taken; one that has the size of the image already is taken as it is. Grey is the luma
 * 0.299 R + 0.587 G + 0.114 B. An alpha channel is left out, profiles of colours are not looked at, and of 16 bits the
 * upper 8 are taken.
 *
 * Takes the bytes of all images in memory, and of a few pictures at a time on the way. Fails with an {@link ImagesError}: the
 * folder or its pictures are missing or unreadable, its layout is none of these, or pictures are damaged, all of which are named.
 *
 * @example
 * const { train, test } = yield* loadImages("cifar10", { shape: [32, 32, 3] })
 * train.classes // => 10
 */
export const loadImages = Effect.fnUntraced(
  function*<E = never>(
    folder: string,
    { check, onProgress, shape }: ImagesOptions<E>
  ): Effect.fn.Return<TrainAndTest, ImagesError | E, FileSystem | Path> {
    const imageShape = yield* imageShapeOf(shape)
    const { classes, test, train } = yield* listImages(folder)
    const nameOf = (part: string) => `images:${folder}/${part}`
    if (check !== undefined) {
      yield* check({ name: nameOf("train"), size: train.flat().length, classes: classes.length })
    }
    const count = [...train, ...test].flat().length
    const [trainTable, testTable] = yield* Effect.try({
      try: () => [tableFor(train, shape), tableFor(test, shape)] as const,
      catch: () => new ImagesTooMany({ folder, count, shape })
    })
    const read = yield* loadPictureReader
    let done = 0
    const damaged = yield* Effect.forEach(
      [...trainTable.slots, ...testTable.slots],
      (slot) =>
        Effect.tap(
          fill(slot, read, imageShape),
          () => onProgress === undefined ? Effect.void : Effect.suspend(() => onProgress(++done, count))
        ),
      { concurrency: picturesAtATime }
    )
    const failed = damaged.filter((damage) => damage !== undefined)
    if (failed.length > 0) return yield* new ImagesDamaged({ folder, damaged: failed })
    const datasetOf = ({ elements, labels }: Table, part: string) =>
      fromArrays({
        name: nameOf(part),
        exampleShape: shape,
        elements,
        ...(classes.length === 0 ? {} : { labels, classes: classes.length })
      })
    return { train: datasetOf(trainTable, "train"), test: datasetOf(testTable, "test") }
  }
)

/** Enough to keep the four threads busy that Node has for native work, and no more pictures in memory than that takes. */
const picturesAtATime = 16

const imageShapeOf = (shape: Shape): Effect.Effect<ImageShape, ImageShapeUnsupported> => {
  const [height, width, channels] = shape
  const isSide = (side: number | undefined): side is number => Number.isInteger(side) && side! > 0
  return shape.length === 3 && isSide(height) && isSide(width) && (channels === 1 || channels === 3)
    ? Effect.succeed({ height, width, channels })
    : new ImageShapeUnsupported({ shape })
}

/** A picture, and where its image goes. */
interface Slot {
  readonly path: string
  readonly image: Uint8Array
}

/** The images of one part, to be filled in. */
interface Table {
  readonly elements: Uint8Array
  readonly labels: Int32Array
  readonly slots: ReadonlyArray<Slot>
}

/** @throws RangeError when there are more elements than an array can have, or than there is memory for. */
const tableFor = (lists: ReadonlyArray<ReadonlyArray<string>>, shape: Shape): Table => {
  const places = interleave(lists.map((list) => list.length))
  const size = sizeOf(shape)
  const elements = new Uint8Array(places.length * size)
  const slots = places.map(({ index, label }, i) => ({
    path: lists[label]![index]!,
    image: elements.subarray(i * size, (i + 1) * size)
  }))
  return { elements, labels: Int32Array.from(places, ({ label }) => label), slots }
}

/** Reads a picture to its place, or says what is wrong with it. */
const fill = Effect.fnUntraced(function*({ image, path }: Slot, read: ReadPicture, shape: ImageShape) {
  const file = yield* readDataFile(path)
  return yield* Effect.tryPromise({
    try: async () => image.set(await read(file, shape)),
    catch: (error) => ({ path, reason: reasonOf(error) })
  }).pipe(Effect.match({ onSuccess: () => undefined, onFailure: (damage) => damage }))
})
