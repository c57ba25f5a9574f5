/** The axes of constants, moved without a copy, and sums of their slices: held to moves and sums made one after the other. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  copy,
  count,
  inOrder,
  permuted,
  type Reading,
  summed
} from "../../../../packages/core/src/engine/onnx/Reading.ts"

/** Elements with their axes permuted, by the definition. */
const transposed = (
  elements: ReadonlyArray<number>,
  shape: ReadonlyArray<number>,
  permutation: ReadonlyArray<number>
) => {
  const { axes: source } = inOrder(shape)
  const { axes: target } = inOrder(permutation.map((axis) => shape[axis]!))
  return elements.map((_, i) => {
    const place = target.map(({ size, stride }) => Math.floor(i / stride) % size)
    return elements[place.reduce((at, index, axis) => at + index * source[permutation[axis]!]!.stride, 0)]!
  })
}

const read = (elements: ReadonlyArray<number>, reading: Reading): ReadonlyArray<number> => {
  const target = new Uint32Array(elements.length)
  copy(new Uint8Array(Uint32Array.from(elements).buffer), 4, reading, new Uint8Array(target.buffer))
  return Array.from(target)
}

/** A number of elements, and shapes of as many, each with a permutation of its axes. */
const moves = fc.array(fc.constantFrom<number>(1, 2, 2, 3, 5, 40), { minLength: 1, maxLength: 5 }).chain((factors) => {
  const joined = fc.tuple(
    fc.shuffledSubarray(factors, { minLength: factors.length }),
    fc.array(fc.boolean(), { minLength: factors.length, maxLength: factors.length }),
    fc.gen()
  ).map(([factors, joins, gen]) => {
    const shape: Array<number> = []
    factors.forEach((factor, i) => {
      if (joins[i] === true && shape.length > 0) shape[shape.length - 1]! *= factor
      else shape.push(factor)
    })
    const axes = shape.map((_, axis) => axis)
    return { shape, permutation: gen(() => fc.shuffledSubarray(axes, { minLength: axes.length })) }
  })
  return fc.record({
    elements: fc.constant(factors.reduce((product, n) => product * n, 1)),
    moves: fc.array(joined, { minLength: 1, maxLength: 3 })
  })
})

describe("a reading", () => {
  it("is what moving the axes one after the other gives, where there is one", () => {
    let found = 0
    fc.assert(fc.property(moves, ({ elements, moves }) => {
      const numbers = Array.from({ length: elements }, (_, i) => i)
      let expected: ReadonlyArray<number> = numbers
      let reading: Reading | undefined = inOrder([elements])
      for (const { permutation, shape } of moves) {
        expected = transposed(expected, shape, permutation)
        reading = reading && permuted(reading, shape, permutation)
      }
      if (reading === undefined) return
      found++
      assert.deepStrictEqual(read(numbers, reading), expected)
    }))
    assert.isAbove(found, 30)
  })

  it("always is there for one move, and for axes that are cut into blocks and moved again", () => {
    fc.assert(fc.property(moves, ({ moves: [{ permutation, shape }] }) => {
      assert.isDefined(permuted(inOrder(shape), shape, permutation))
    }))
    // OIHW to HWIO, and to blocks of 2.
    const filter = permuted(inOrder([4, 6, 3, 3]), [4, 6, 3, 3], [2, 3, 1, 0])!
    const blocks = permuted(filter, [9, 3, 2, 2, 2], [3, 1, 0, 2, 4])!
    const numbers = Array.from({ length: 216 }, (_, i) => i)
    const expected = transposed(transposed(numbers, [4, 6, 9], [2, 1, 0]), [9, 3, 2, 2, 2], [3, 1, 0, 2, 4])
    assert.deepStrictEqual(read(numbers, blocks), expected)
  })

  it("is none where an axis would begin inside another", () => {
    const turned = permuted(inOrder([2, 3]), [2, 3], [1, 0])!
    assert.isUndefined(permuted(turned, [2, 3], [1, 0]))
    assert.isUndefined(permuted(inOrder([4]), [6], [0]))
  })

  it("keeps the bits of elements that are no numbers", () => {
    const bits = Uint32Array.of(0x7fa00001, 1, 0x7fc00002, 0x80000000, 0xffffffff, 5)
    const target = new Uint32Array(6)
    const reading = permuted(inOrder([2, 3]), [2, 3], [1, 0])!
    copy(new Uint8Array(bits.buffer), 4, reading, new Uint8Array(target.buffer))
    assert.deepStrictEqual([...target], [0, 3, 1, 4, 2, 5].map((i) => bits[i]))
    const wide = new BigUint64Array(3)
    copy(
      new Uint8Array(BigUint64Array.of(1n, 2n ** 63n, 3n).buffer),
      8,
      inOrder([3]),
      new Uint8Array(wide.buffer)
    )
    assert.deepStrictEqual([...wide], [1n, 2n ** 63n, 3n])
  })
})

/** Sums of slices along the first axis, rounded to float32 one after the other. */
const sumsOf = (elements: ReadonlyArray<number>, factors: ReadonlyArray<number>): ReadonlyArray<number> => {
  const size = elements.length / factors.length
  return Array.from(
    { length: size },
    (_, i) => factors.reduce((sum, factor, slice) => Math.fround(sum + factor * elements[slice * size + i]!), 0)
  )
}

const readFloats = (elements: ReadonlyArray<number>, reading: Reading): ReadonlyArray<number> => {
  const target = new Float32Array(count(reading))
  copy(new Uint8Array(Float32Array.from(elements).buffer), 4, reading, new Uint8Array(target.buffer))
  return Array.from(target)
}

describe("a reading of sums", () => {
  const drawn = fc.tuple(moves, fc.gen())

  it("adds slices of what moving the axes gives, where there is one", () => {
    let found = 0
    fc.assert(fc.property(drawn, ([{ elements, moves }, gen]) => {
      const numbers = Array.from({ length: elements }, (_, i) => Math.fround(Math.sin(i)))
      const [{ permutation, shape }, ...others] = moves as [typeof moves[number], ...typeof moves]
      const result = permutation.map((axis) => shape[axis]!)
      const factors = Array.from({ length: result[0]! }, () => gen(() => fc.constantFrom(-1, 0, .25, .5, 1)))
      let expected = sumsOf(transposed(numbers, shape, permutation), factors)
      let reading = summed(permuted(inOrder(shape), shape, permutation)!, result, factors)
      assert.strictEqual(count(reading!), elements / result[0]!)
      // What was added up can be moved as well.
      for (const { permutation, shape } of others) {
        const scaled = shape.map((size, axis) => axis === 0 ? size / result[0]! : size)
        if (!Number.isInteger(scaled[0])) return
        expected = transposed(expected, scaled, permutation)
        reading = reading && permuted(reading, scaled, permutation)
      }
      if (reading === undefined) return
      found++
      assert.deepStrictEqual(readFloats(numbers, reading), expected)
    }))
    assert.isAbove(found, 30)
  })

  it("is none of sums, nor where the axis would begin inside another", () => {
    const turned = permuted(inOrder([2, 3]), [2, 3], [1, 0])!
    assert.isUndefined(summed(turned, [2, 3], [1, 1]))
    assert.isUndefined(summed(summed(inOrder([2, 3]), [2, 3], [1, 1])!, [3], [1, 1, 1]))
  })
})
