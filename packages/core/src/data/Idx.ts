/**
 * Folders of IDX files: the format of MNIST and of its drop-in replacements (Fashion-MNIST, Kuzushiji-MNIST).
 */
import { Effect } from "effect"
import type { FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import type { Shape } from "../tensor/HostTensor.ts"
import { sameShape } from "../tensor/HostTensor.ts"
import type { IdxError } from "./DataError.ts"
import { IdxCountMismatch, IdxImageSizeMismatch } from "./DataError.ts"
import type { TrainAndTest } from "./Dataset.ts"
import { fromArrays } from "./Dataset.ts"
import { decompress, findDataFile, isGzip, readDataFile } from "./internal/dataFile.ts"
import { parseIdx } from "./internal/idxFormat.ts"

/**
 * Loads the grey images of a folder of IDX files: example shape [rows, columns, 1], pixels `byte / 127.5 - 1`, as many
 * classes as the largest label needs.
 *
 * The folder holds four files, each plain or gzipped: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
 * `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`; `train-images.idx3-ubyte` and so on do as well. Of a plain
 * and a gzipped file the plain one is read.
 *
 * Fails with an {@link IdxError}: a folder or a file is missing, unreadable or corrupt, or the files do not belong
 * together.
 *
 * @example
 * const { train, test } = yield* loadIdx("/usr/share/datasets/fashion-mnist")
 * train.size // => 60000
 */
export const loadIdx = Effect.fnUntraced(
  function*(folder: string): Effect.fn.Return<TrainAndTest, IdxError, FileSystem | Path> {
    const [train, test] = yield* Effect.all([
      loadPart(folder, "train", "training"),
      loadPart(folder, "t10k", "test")
    ], { concurrency: "unbounded" })
    if (!sameShape(train.imageSize, test.imageSize)) {
      return yield* new IdxImageSizeMismatch({ folder, train: train.imageSize, test: test.imageSize })
    }
    const exampleShape = [...train.imageSize, 1]
    const classes = 1 + Math.max(largest(train.labels), largest(test.labels))
    return {
      train: fromArrays({ ...train, name: `idx:${folder}/train`, exampleShape, classes }),
      test: fromArrays({ ...test, name: `idx:${folder}/test`, exampleShape, classes })
    }
  }
)

/** The images and labels of one part, not yet a dataset: the number of classes is known only with the other part. */
interface Part {
  readonly imageSize: Shape
  readonly elements: Uint8Array
  readonly labels: Uint8Array
}

const loadPart = Effect.fnUntraced(
  function*(folder: string, prefix: string, purpose: string): Effect.fn.Return<Part, IdxError, FileSystem | Path> {
    const [images, labels] = yield* Effect.all([
      loadFile(folder, `${purpose} images`, `${prefix}-images`, 3),
      loadFile(folder, `${purpose} labels`, `${prefix}-labels`, 1)
    ], { concurrency: "unbounded" })
    const [count, ...imageSize] = images.dimensions
    if (count !== labels.elements.length) {
      return yield* new IdxCountMismatch({
        imagesPath: images.path,
        images: count!,
        labelsPath: labels.path,
        labels: labels.elements.length
      })
    }
    return { imageSize, elements: images.elements, labels: labels.elements }
  }
)

const loadFile = Effect.fnUntraced(function*(folder: string, content: string, stem: string, rank: number) {
  const names = [`${stem}-idx${rank}-ubyte`, `${stem}.idx${rank}-ubyte`]
  const path = yield* findDataFile(folder, content, [...names, ...names.map((name) => `${name}.gz`)])
  const bytes = yield* readDataFile(path)
  const file = yield* parseIdx(path, isGzip(path, bytes) ? yield* decompress(path, bytes) : bytes, rank)
  return { ...file, path }
})

const largest = (labels: Uint8Array): number => labels.reduce((a, b) => Math.max(a, b), 0)
