/**
 * Datasets: finite tables of labelled examples in host memory.
 *
 * A dataset is a value. It has no order of its own but the one in which its examples are numbered; the order in which
 * training sees them is made in `Batches.ts`.
 */
import { Effect } from "effect"
import { float32, int32, showShape, sizeOf } from "../tensor/HostTensor.ts"
import type { HostTensor, Shape } from "../tensor/HostTensor.ts"
import { InvalidSplit } from "./DataError.ts"

/** Some examples of a dataset. */
export interface Batch {
  /** Clean data in [-1, 1]: [batch, ...exampleShape]. */
  readonly x0: HostTensor<"float32">
  /** The class of each example, from 0 to `classes - 1`, or 0 where there are no classes: [batch]. */
  readonly label: HostTensor<"int32">
}

/** A finite table of labelled examples. */
export interface Dataset {
  /** As messages name it: `digits/train`. */
  readonly name: string
  /** The number of examples. */
  readonly size: number
  /** The shape of one example: [height, width, channels] for an image, [dimensions] for a point. */
  readonly exampleShape: Shape
  /** The number of classes that labels tell apart; 0 when the examples have no classes. */
  readonly classes: number
  /**
   * The examples with the given numbers, in the given order; a number may come more than once.
   *
   * @throws RangeError when a number is no integer from 0 to `size - 1`: a mistake of the program, not of its input.
   */
  readonly read: (indices: ArrayLike<number>) => Batch
}

/** A dataset that comes in two parts: one to train on, and one that training never sees. */
export interface TrainAndTest {
  readonly train: Dataset
  readonly test: Dataset
}

/**
 * A dataset over arrays, which it keeps: nobody may write to them afterwards.
 *
 * `elements` holds the examples one after the other, each row-major. Bytes are intensities from 0 to 255 and are read
 * as `byte / 127.5 - 1`; floats are read as they are, and should lie in [-1, 1]. Without `labels` there are no classes.
 *
 * @throws RangeError when the arrays do not hold the same whole number of examples, a label is outside of
 * {0, ..., classes - 1}, or an element is not finite: a mistake of the program, not of its input.
 * @example
 * const checker = fromArrays({ name: "checker", exampleShape: [2, 2, 1], elements: Uint8Array.of(0, 255, 255, 0) })
 * checker.read([0]).x0.data // => Float32Array [-1, 1, 1, -1]
 */
export const fromArrays = (table: {
  readonly name: string
  readonly exampleShape: Shape
  readonly elements: Uint8Array | Float32Array
  readonly labels?: ArrayLike<number>
  readonly classes?: number
}): Dataset => {
  const { name, exampleShape, elements, labels, classes = 0 } = table
  const exampleSize = sizeOf(exampleShape)
  const size = elements.length / exampleSize
  if (!Number.isInteger(size)) {
    throw new RangeError(
      `${elements.length} elements are no whole number of examples of shape ${showShape(exampleShape)}`
    )
  }
  if (labels !== undefined) requireLabels(labels, size, classes)
  if (elements instanceof Float32Array) requireFinite(elements, exampleSize, name)
  const copy = elements instanceof Uint8Array ? copyBytes(elements, exampleSize) : copyFloats(elements, exampleSize)
  return {
    name,
    size,
    exampleShape,
    classes,
    read: (indices) => {
      requireIndices(indices, size, name)
      const x0 = new Float32Array(indices.length * exampleSize)
      const label = new Int32Array(indices.length)
      for (let i = 0; i < indices.length; i++) {
        copy(indices[i]!, x0, i * exampleSize)
        label[i] = labels === undefined ? 0 : labels[indices[i]!]!
      }
      return { x0: float32([indices.length, ...exampleShape], x0), label: int32([indices.length], label) }
    }
  }
}

/**
 * The first `count` examples of a dataset; all of them when it has no more.
 *
 * @throws RangeError when `count` is no non-negative integer.
 * @example
 * take(test, 256).size // => 256
 */
export const take = (dataset: Dataset, count: number): Dataset => {
  if (!Number.isInteger(count) || count < 0) throw new RangeError(`cannot take ${count} examples`)
  return slice(dataset, 0, Math.min(count, dataset.size))
}

/**
 * Consecutive parts of a dataset, in its order, with the given sizes. Every example is in exactly one part.
 *
 * Fails with {@link InvalidSplit} unless the sizes are non-negative integers that add up to the size of the dataset.
 *
 * @example
 * const [train, test] = yield* split(dataset, [9000, 1000])
 */
export const split = <const Sizes extends ReadonlyArray<number>>(
  dataset: Dataset,
  sizes: Sizes
): Effect.Effect<{ readonly [Part in keyof Sizes]: Dataset }, InvalidSplit> =>
  Effect.suspend(() => {
    const total = sizes.reduce((sum, size) => sum + size, 0)
    if (total !== dataset.size || !sizes.every((size) => Number.isInteger(size) && size >= 0)) {
      return new InvalidSplit({ dataset: dataset.name, size: dataset.size, sizes })
    }
    const parts = sizes.map((size, part) => {
      const start = sizes.slice(0, part).reduce((sum, size) => sum + size, 0)
      return slice(dataset, start, start + size)
    })
    return Effect.succeed(parts as { readonly [Part in keyof Sizes]: Dataset })
  })

/** The examples from number `start` up to, but not including, number `end`. */
const slice = (dataset: Dataset, start: number, end: number): Dataset => {
  const name = `${dataset.name}[${start}..${end}]`
  const size = end - start
  return {
    ...dataset,
    name,
    size,
    read: (indices) => {
      requireIndices(indices, size, name)
      return dataset.read(Int32Array.from(indices, (index) => index + start))
    }
  }
}

/** Copies one example into a batch at an offset. */
type CopyExample = (index: number, target: Float32Array, offset: number) => void

const copyFloats = (elements: Float32Array, exampleSize: number): CopyExample => (index, target, offset) =>
  target.set(elements.subarray(index * exampleSize, (index + 1) * exampleSize), offset)

const copyBytes = (elements: Uint8Array, exampleSize: number): CopyExample => {
  const scaled = Float32Array.from({ length: 256 }, (_, byte) => byte / 127.5 - 1)
  return (index, target, offset) => {
    const start = index * exampleSize
    for (let i = 0; i < exampleSize; i++) target[offset + i] = scaled[elements[start + i]!]!
  }
}

const requireIndices = (indices: ArrayLike<number>, size: number, name: string): void => {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new RangeError(`there is no example ${index} in the dataset "${name}", which has ${size} examples`)
    }
  }
}

/** One pass over all elements, in about the time that writing them took: 0.14 s for 50,000 images of 32x32x3. */
const requireFinite = (elements: Float32Array, exampleSize: number, name: string): void => {
  for (let i = 0; i < elements.length; i++) {
    if (Number.isFinite(elements[i])) continue
    const example = Math.floor(i / exampleSize)
    throw new RangeError(
      `element ${i - example * exampleSize} of example ${example} in the dataset "${name}" is ${elements[i]}; ` +
        `leave the example out, or mend it`
    )
  }
}

const requireLabels = (labels: ArrayLike<number>, size: number, classes: number): void => {
  if (labels.length !== size) throw new RangeError(`${labels.length} labels do not fit ${size} examples`)
  for (let i = 0; i < size; i++) {
    const label = labels[i]!
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new RangeError(`label ${label} of example ${i} is not one of ${classes} classes`)
    }
  }
}
