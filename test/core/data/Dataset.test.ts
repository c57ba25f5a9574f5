import { assert, describe, it } from "@effect/vitest"
import { fromArrays, InvalidSplit, split, take } from "@effusion/core/data"
import type { Dataset } from "@effusion/core/data"
import { Effect } from "effect"
import * as fc from "fast-check"

const bytes = (size: number): Dataset =>
  fromArrays({ name: "bytes", exampleShape: [1], elements: Uint8Array.from({ length: size }, (_, i) => i) })

/** The bytes that a dataset was made of, back from its scaled values. */
const readAll = (dataset: Dataset): Array<number> =>
  Array.from(
    dataset.read(Array.from({ length: dataset.size }, (_, i) => i)).x0.data,
    (v) => Math.round((v + 1) * 127.5)
  )

/** Sizes of the parts of a dataset of at most 200 examples; parts may be empty. */
const partSizes = fc.array(fc.nat(40), { minLength: 1, maxLength: 5 })

describe("fromArrays", () => {
  it("reads bytes as byte / 127.5 - 1", () => {
    const dataset = bytes(256)
    const { x0 } = dataset.read(Array.from({ length: 256 }, (_, i) => i))
    assert.strictEqual(x0.data[0], -1)
    assert.strictEqual(x0.data[255], 1)
    x0.data.forEach((value, byte) => assert.strictEqual(value, Math.fround(byte / 127.5 - 1)))
  })

  it("reads the examples that it is asked for, in that order, with their labels", () => {
    const table = fc.tuple(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), fc.integer({ min: 1, max: 12 }))
      .chain(([exampleShape, size]) => {
        const exampleSize = exampleShape.reduce((a, b) => a * b, 1)
        return fc.record({
          exampleShape: fc.constant(exampleShape),
          elements: fc.float32Array({
            minLength: size * exampleSize,
            maxLength: size * exampleSize,
            noNaN: true,
            noDefaultInfinity: true
          }),
          labels: fc.array(fc.nat(4), { minLength: size, maxLength: size }),
          indices: fc.array(fc.nat(size - 1), { maxLength: 20 })
        })
      })
    fc.assert(fc.property(table, ({ exampleShape, elements, labels, indices }) => {
      const dataset = fromArrays({ name: "floats", exampleShape, elements, labels, classes: 5 })
      const { x0, label } = dataset.read(indices)
      const exampleSize = elements.length / labels.length
      assert.deepStrictEqual(x0.shape, [indices.length, ...exampleShape])
      assert.deepStrictEqual(
        Array.from(x0.data),
        indices.flatMap((i) => Array.from(elements.subarray(i * exampleSize, (i + 1) * exampleSize)))
      )
      assert.deepStrictEqual(Array.from(label.data), indices.map((i) => labels[i]!))
    }))
  })

  it("labels examples without classes 0", () => {
    const dataset = bytes(3)
    assert.strictEqual(dataset.classes, 0)
    assert.deepStrictEqual(Array.from(dataset.read([2, 0]).label.data), [0, 0])
  })

  it("refuses numbers of examples that are not there", () => {
    for (const index of [-1, 3, 0.5, Number.NaN]) assert.throws(() => bytes(3).read([0, index]), RangeError)
  })

  it("refuses arrays that do not fit", () => {
    const elements = new Uint8Array(6)
    const table = { name: "table", exampleShape: [2], elements }
    assert.strictEqual(fromArrays({ ...table, labels: [0, 1, 2], classes: 3 }).size, 3)
    assert.throws(() => fromArrays({ ...table, exampleShape: [4] }), RangeError)
    assert.throws(() => fromArrays({ ...table, labels: [0, 1], classes: 3 }), RangeError)
    assert.throws(() => fromArrays({ ...table, labels: [0, 1, 3], classes: 3 }), RangeError)
    assert.throws(() => fromArrays({ ...table, labels: [0, 1, -1], classes: 3 }), RangeError)
  })

  it("refuses elements that are not finite, wherever they are", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(),
      fc.constantFrom(Number.NaN, Infinity, -Infinity),
      (size, exampleSize, position, value) => {
        const elements = new Float32Array(size * exampleSize)
        const table = { name: "table", exampleShape: [exampleSize], elements }
        assert.strictEqual(fromArrays(table).size, size)
        const at = position % elements.length
        elements[at] = value
        const place = `element ${at % exampleSize} of example ${Math.floor(at / exampleSize)} in the dataset "table"`
        assert.throws(() => fromArrays(table), RangeError, `${place} is ${value}`)
      }
    ))
  })
})

describe("split", () => {
  it("gives disjoint parts that are the whole together, in order", () => {
    fc.assert(fc.property(partSizes, (sizes) => {
      const size = sizes.reduce((a, b) => a + b, 0)
      const parts = Effect.runSync(split(bytes(size), sizes))
      assert.deepStrictEqual(parts.map((part) => part.size), sizes)
      assert.deepStrictEqual(parts.flatMap(readAll), Array.from({ length: size }, (_, i) => i))
    }))
  })

  it("gives parts that know nothing of the other parts", () => {
    const [head, tail] = Effect.runSync(split(bytes(10), [4, 6]))
    assert.throws(() => head.read([4]), RangeError)
    assert.throws(() => tail.read([-1]), RangeError)
    assert.throws(() => tail.read([6]), RangeError)
  })

  it("splits parts again", () => {
    const [, tail] = Effect.runSync(split(bytes(10), [4, 6]))
    const [, last] = Effect.runSync(split(tail, [5, 1]))
    assert.deepStrictEqual(readAll(last), [9])
  })

  it.effect("fails unless the sizes are those of parts of the dataset", () =>
    Effect.gen(function*() {
      for (const sizes of [[], [9], [5, 6], [11, -1], [2.5, 7.5], [Number.NaN]]) {
        const error = yield* Effect.flip(split(bytes(10), sizes))
        assert.instanceOf(error, InvalidSplit)
        assert.include(error.message, `[${sizes.join(", ")}]`)
        assert.include(error.message, `"bytes", which has 10 examples`)
      }
    }))
})

describe("take", () => {
  it("gives the first examples, at most all", () => {
    fc.assert(fc.property(fc.nat(40), fc.nat(60), (size, count) => {
      const expected = Array.from({ length: Math.min(size, count) }, (_, i) => i)
      assert.deepStrictEqual(readAll(take(bytes(size), count)), expected)
    }))
  })

  it("refuses counts that are none", () => {
    for (const count of [-1, 0.5, Number.NaN]) assert.throws(() => take(bytes(3), count), RangeError)
  })
})
