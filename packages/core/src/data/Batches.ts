/**
 * The order in which training sees a dataset, as a function: which examples are in batch `step` depends on the seed and
 * on `step`, and on nothing else. To resume a run, one integer is enough.
 *
 * Every epoch is a fresh permutation of the whole dataset. The epochs are laid end to end, and the result is cut into
 * batches, so that all batches are full: where an epoch does not divide into batches, one batch holds the end of it and
 * the beginning of the next.
 */
import { Effect, Queue, Stream } from "effect"
import { Key, permutation } from "../random/index.ts"
import type { BatchError } from "./DataError.ts"
import { BatchTooLarge, InvalidBatchSize } from "./DataError.ts"
import type { Batch, Dataset } from "./Dataset.ts"

/** What the order of a run depends on. */
export interface BatchOptions {
  readonly seed: number
  /** Examples a batch, at most the size of the dataset. */
  readonly batchSize: number
}

/** How a run of batches is read. */
export interface BatchStreamOptions extends BatchOptions {
  /** The step to begin with; 0 when not given. */
  readonly from?: number
  /** How many batches may wait, ready made, for the consumer; 2 when not given. With 0 they are made when asked for. */
  readonly prefetch?: number
}

/**
 * The batch of one step, counted from 0: a pure function of the seed and the step.
 *
 * It makes the whole order of its epoch, O(size); {@link batches} makes each order once.
 *
 * @throws InvalidBatchSize | BatchTooLarge, the errors that {@link batches} fails with.
 * @throws RangeError when the step is no non-negative integer: a mistake of the program, not of its input.
 * @example
 * batchAt(train, { seed: 7, batchSize: 32 }, 812).x0.shape // => [32, 28, 28, 1]
 */
export const batchAt = (dataset: Dataset, options: BatchOptions, step: number): Batch => {
  const error = batchError(dataset, options.batchSize)
  if (error !== undefined) throw error
  return batchReader(dataset, options)(step)
}

/**
 * The batches of a run from step `from` on, without end. The stream from step k is the stream from step 0 without its
 * first k batches, however it is chunked, prefetched or interrupted.
 *
 * Batches are made ahead on the host while the consumer waits for an engine. They are plain arrays: what is in the
 * buffer when the consumer stops is garbage, and nothing has to be released.
 *
 * Fails with {@link InvalidBatchSize} or {@link BatchTooLarge}; dies with a RangeError when `from` is no non-negative
 * integer.
 *
 * @example
 * batches(train, { seed: 7, batchSize: 32, from: checkpoint.state.step }).pipe(Stream.runForEach(trainStep))
 */
export const batches = (dataset: Dataset, options: BatchStreamOptions): Stream.Stream<Batch, BatchError> => {
  const { from = 0, prefetch = 2 } = options
  const error = batchError(dataset, options.batchSize)
  if (error !== undefined) return Stream.fail(error)
  const unbuffered = Stream.suspend(() => {
    const read = batchReader(dataset, options)
    return Stream.unfold(from, (step) => Effect.sync(() => [read(step), step + 1] as const))
  })
  return prefetch > 0 ? ahead(unbuffered, prefetch) : unbuffered
}

/**
 * Every example once, in the order of the dataset. The last batch is short when the batch size does not divide the size
 * of the dataset: weight batches by their size when you average over them.
 *
 * Fails with {@link InvalidBatchSize}.
 *
 * @example
 * evaluationBatches(test, 256) // 1000 examples: batches of 256, 256, 256 and 232
 */
export const evaluationBatches = (dataset: Dataset, batchSize: number): Stream.Stream<Batch, InvalidBatchSize> => {
  if (!isBatchSize(batchSize)) return Stream.fail(new InvalidBatchSize({ batchSize }))
  return Stream.unfold(0, (start) =>
    Effect.sync(() => {
      if (start >= dataset.size) return undefined
      const end = Math.min(start + batchSize, dataset.size)
      return [dataset.read(Int32Array.from({ length: end - start }, (_, i) => start + i)), end] as const
    }))
}

/**
 * Runs a stream ahead of its consumer, with a queue of the given capacity in between. Elements are taken one by one:
 * `Stream.buffer` takes all that are there, and with them in hand its buffer would be twice as long.
 */
const ahead = <A, E>(stream: Stream.Stream<A, E>, capacity: number): Stream.Stream<A, E> =>
  Stream.unwrap(Effect.map(
    Stream.toQueue(stream, { capacity, strategy: "suspend" }),
    (queue) => Stream.fromEffectRepeat(Queue.take(queue))
  ))

const isBatchSize = (batchSize: number): boolean => Number.isInteger(batchSize) && batchSize > 0

const batchError = (dataset: Dataset, batchSize: number): BatchError | undefined => {
  if (!isBatchSize(batchSize)) return new InvalidBatchSize({ batchSize })
  if (batchSize > dataset.size) return new BatchTooLarge({ dataset: dataset.name, size: dataset.size, batchSize })
  return undefined
}

/** Reads the batch of a step. It remembers the order of the epoch that it read last, which changes no result. */
const batchReader = (dataset: Dataset, { seed, batchSize }: BatchOptions): (step: number) => Batch => {
  const key = Key.fold(Key.make(seed), "data order")
  let epoch = -1
  let order: Int32Array = new Int32Array(0)
  const indexAt = (position: number): number => {
    const epochOfPosition = Math.floor(position / dataset.size)
    if (epochOfPosition !== epoch) {
      epoch = epochOfPosition
      order = permutation(Key.fold(key, epoch), dataset.size)
    }
    return order[position - epoch * dataset.size]!
  }
  return (step) => {
    if (!Number.isSafeInteger(step) || step < 0) throw new RangeError(`there is no batch at step ${step}`)
    return dataset.read(Int32Array.from({ length: batchSize }, (_, i) => indexAt(step * batchSize + i)))
  }
}
