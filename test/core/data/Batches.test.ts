import { assert, describe, it } from "@effect/vitest"
import type { Batch, BatchStreamOptions, Dataset } from "@effusion/core/data"
import { batchAt, batches, BatchTooLarge, evaluationBatches, fromArrays, InvalidBatchSize } from "@effusion/core/data"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import * as fc from "fast-check"

/** A dataset whose example i is the number i, with label i. */
const numbered = (size: number): Dataset => {
  const numbers = Array.from({ length: size }, (_, i) => i)
  return fromArrays({
    name: "numbered",
    exampleShape: [1],
    elements: Float32Array.from(numbers),
    labels: numbers,
    classes: size
  })
}

/** The same dataset, with the number of batches that were read of it. */
const counted = (size: number) => {
  const dataset = numbered(size)
  const reads = { count: 0 }
  return {
    reads,
    dataset: {
      ...dataset,
      read: (indices: ArrayLike<number>) => {
        reads.count++
        return dataset.read(indices)
      }
    }
  }
}

const numbersOf = (batch: Batch): Array<number> => Array.from(batch.x0.data)

const collect = (stream: Stream.Stream<Batch, unknown>, count: number): Promise<Array<Array<number>>> =>
  Effect.runPromise(Stream.runCollect(Stream.map(Stream.take(stream, count), numbersOf)))

const ascending = (numbers: ReadonlyArray<number>) => [...numbers].sort((a, b) => a - b)

/** A dataset size, and a batch size and a seed that fit it. */
const run = fc.integer({ min: 1, max: 60 }).chain((size) =>
  fc.record({ size: fc.constant(size), batchSize: fc.integer({ min: 1, max: size }), seed: fc.maxSafeInteger() })
)

describe("batchAt", () => {
  it("shows every example once an epoch, across the borders of epochs", () => {
    fc.assert(fc.property(run, fc.integer({ min: 1, max: 5 }), ({ size, ...options }, epochs) => {
      const dataset = numbered(size)
      const steps = Math.ceil(epochs * size / options.batchSize)
      const seen = Array.from({ length: steps }, (_, step) => numbersOf(batchAt(dataset, options, step))).flat()
      assert.strictEqual(seen.length, steps * options.batchSize)
      for (let epoch = 0; epoch < epochs; epoch++) {
        assert.deepStrictEqual(
          ascending(seen.slice(epoch * size, (epoch + 1) * size)),
          Array.from({ length: size }, (_, i) => i)
        )
      }
    }))
  })

  it("gives the order of a seed, whatever the batch size", () => {
    fc.assert(fc.property(run, fc.nat(500), ({ size, ...options }, position) => {
      const dataset = numbered(size)
      const batch = numbersOf(batchAt(dataset, options, Math.floor(position / options.batchSize)))
      const single = numbersOf(batchAt(dataset, { seed: options.seed, batchSize: 1 }, position))
      assert.deepStrictEqual(single, [batch[position % options.batchSize]!])
    }))
  })

  it("orders each epoch and each seed anew", () => {
    fc.assert(fc.property(fc.maxSafeInteger(), fc.nat(1000), (seed, epoch) => {
      const dataset = numbered(50)
      const order = (seed: number, step: number) => numbersOf(batchAt(dataset, { seed, batchSize: 50 }, step))
      assert.notDeepEqual(order(seed, epoch), order(seed, epoch + 1))
      assert.notDeepEqual(order(seed, epoch), order(seed === 0 ? 1 : seed - Math.sign(seed), epoch))
      assert.notDeepEqual(order(seed, epoch), Array.from({ length: 50 }, (_, i) => i))
    }))
  })

  it("keeps labels with their examples", () => {
    fc.assert(fc.property(run, fc.nat(1000), ({ size, ...options }, step) => {
      const { x0, label } = batchAt(numbered(size), options, step)
      assert.deepStrictEqual(Array.from(label.data), Array.from(x0.data))
      assert.deepStrictEqual(x0.shape, [options.batchSize, 1])
      assert.deepStrictEqual(label.shape, [options.batchSize])
    }))
  })

  it("throws the errors of a stream, and a RangeError for no step", () => {
    const dataset = numbered(10)
    assert.throws(() => batchAt(dataset, { seed: 0, batchSize: 11 }, 0), BatchTooLarge)
    assert.throws(() => batchAt(dataset, { seed: 0, batchSize: 0 }, 0), InvalidBatchSize)
    for (const step of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => batchAt(dataset, { seed: 0, batchSize: 3 }, step), RangeError)
    }
  })
})

describe("batches", () => {
  it("is batchAt from step `from` on", () =>
    fc.assert(fc.asyncProperty(
      run,
      fc.nat(200),
      fc.nat(20),
      async ({ size, ...options }, from, count) => {
        const dataset = numbered(size)
        const expected = Array.from({ length: count }, (_, i) => numbersOf(batchAt(dataset, options, from + i)))
        assert.deepStrictEqual(await collect(batches(dataset, { ...options, from }), count), expected)
      }
    )))

  it("resumes at any step with what an uninterrupted run would have seen", () =>
    fc.assert(fc.asyncProperty(run, fc.nat(30), async ({ size, ...options }, cut) => {
      const dataset = numbered(size)
      const whole = await collect(batches(dataset, options), cut + 10)
      const head = await collect(batches(dataset, options), cut)
      const tail = await collect(batches(dataset, { ...options, from: cut }), 10)
      assert.deepStrictEqual([...head, ...tail], whole)
    })))

  it("gives the same batches however it is prefetched, chunked and consumed", () =>
    fc.assert(fc.asyncProperty(
      run,
      fc.record({
        prefetch: fc.nat(5),
        chunk: fc.integer({ min: 1, max: 7 }),
        concurrency: fc.integer({ min: 1, max: 4 })
      }),
      fc.array(fc.nat(3), { minLength: 12, maxLength: 12 }),
      async ({ size, ...options }, { prefetch, chunk, concurrency }, yields) => {
        const dataset = numbered(size)
        const variant = batches(dataset, { ...options, prefetch }).pipe(
          Stream.rechunk(chunk),
          Stream.zipWithIndex,
          Stream.mapEffect(
            ([batch, i]) => Effect.as(Effect.repeat(Effect.yieldNow, { times: yields[i % yields.length]! }), batch),
            { concurrency }
          )
        )
        assert.deepStrictEqual(
          await collect(variant, 12),
          await collect(batches(dataset, { ...options, prefetch: 0 }), 12)
        )
      }
    )))

  it("can be run many times, one after the other and at once", async () => {
    const stream = batches(numbered(20), { seed: 3, batchSize: 7 })
    const first = await collect(stream, 15)
    const others = await Promise.all([collect(stream, 15), collect(stream, 15), collect(stream, 15)])
    for (const other of others) assert.deepStrictEqual(other, first)
  })

  /** How many batches were made when the consumer has got the first one and then waits. */
  const madeAhead = (options: BatchStreamOptions) =>
    Effect.gen(function*() {
      const { dataset, reads } = counted(20)
      const started = yield* Deferred.make<void>()
      const fiber = yield* batches(dataset, options).pipe(
        Stream.runForEach(() => Effect.andThen(Deferred.succeed(started, undefined), Effect.never)),
        Effect.forkChild
      )
      yield* Deferred.await(started)
      yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      const made = reads.count
      const exit = yield* Fiber.interrupt(fiber).pipe(Effect.andThen(Fiber.await(fiber)))
      assert.isTrue(Exit.isFailure(exit))
      yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      return { made, afterInterruption: reads.count }
    })

  it.effect("makes batches ahead while the consumer is busy, but no more than it was asked to", () =>
    Effect.gen(function*() {
      const none = yield* madeAhead({ seed: 0, batchSize: 2, prefetch: 0 })
      assert.strictEqual(none.made, 1)
      for (const prefetch of [1, 2, 8]) {
        const { made, afterInterruption } = yield* madeAhead({ seed: 0, batchSize: 2, prefetch })
        // One with the consumer, `prefetch` that wait, and one that waits for a place among them.
        assert.strictEqual(made, prefetch + 2)
        assert.strictEqual(afterInterruption, made)
      }
    }))

  it.effect("fails with the dataset's size and the batch size when a batch is larger than the dataset", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(batches(numbered(10), { seed: 0, batchSize: 11 })))
      assert.instanceOf(error, BatchTooLarge)
      assert.include(error.message, "batch size 11")
      assert.include(error.message, `"numbered", which has 10 examples`)
      const whole = yield* Stream.runCollect(Stream.take(batches(numbered(10), { seed: 0, batchSize: 10 }), 1))
      assert.strictEqual(whole[0]?.label.data.length, 10)
    }))

  it.effect("fails for a batch size that is no positive integer", () =>
    Effect.gen(function*() {
      for (const batchSize of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const error = yield* Effect.flip(Stream.runDrain(batches(numbered(10), { seed: 0, batchSize })))
        assert.instanceOf(error, InvalidBatchSize)
        assert.include(error.message, `batch size ${batchSize}`)
      }
    }))

  it.effect("dies for a step that is no non-negative integer", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Stream.runDrain(batches(numbered(10), { seed: 0, batchSize: 2, from: -1 })))
      assert.isTrue(Exit.hasDies(exit))
    }))
})

describe("evaluationBatches", () => {
  it("gives every example once, in order, with full batches but for the last", () =>
    fc.assert(fc.asyncProperty(fc.nat(60), fc.integer({ min: 1, max: 80 }), async (size, batchSize) => {
      const seen = await collect(evaluationBatches(numbered(size), batchSize), Number.POSITIVE_INFINITY)
      assert.deepStrictEqual(seen.flat(), Array.from({ length: size }, (_, i) => i))
      assert.strictEqual(seen.length, Math.ceil(size / batchSize))
      for (const batch of seen.slice(0, -1)) assert.strictEqual(batch.length, batchSize)
    })))

  it.effect("fails for a batch size that is no positive integer", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(evaluationBatches(numbered(10), 0)))
      assert.instanceOf(error, InvalidBatchSize)
    }))
})
