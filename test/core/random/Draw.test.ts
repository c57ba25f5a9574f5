import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Distribution, draw, Key, permutation } from "@effusion/core/random"
import type { HostTensor, Shape } from "@effusion/core/tensor"
import * as fc from "fast-check"
import fixture from "../../fixtures/philox.json" with { type: "json" }

const key = fc.maxSafeInteger().map(Key.make)
const finite = fc.float({ noNaN: true, noDefaultInfinity: true })
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

/** The distributions whose element i does not depend on how many there are. */
const elementwise: fc.Arbitrary<Distribution.Distribution> = fc.oneof(
  fc.constant(Distribution.normal),
  fc.tuple(finite, finite).filter(([a, b]) => a !== b)
    .map(([a, b]) => Distribution.uniform(Math.min(a, b), Math.max(a, b))),
  fc.tuple(int32, int32).map(([a, b]) => Distribution.integers(Math.min(a, b), Math.max(a, b) + 1)),
  fc.double({ min: 0, max: 1, noNaN: true }).map(Distribution.bernoulli),
  fc.constant(Distribution.antithetic)
)

const distribution = fc.oneof({ arbitrary: elementwise, weight: 5 }, {
  arbitrary: fc.constant(Distribution.stratified),
  weight: 1
})

const elements = (key: Key.Key, distribution: Distribution.Distribution, shape: Shape): Array<number> =>
  Array.from(draw(key, { distribution, shape }).data)

/** Chi squared over 32 equal parts of [0, 1), below its 99.99th percentile for 31 degrees of freedom. */
const assertUniform = (xs: ReadonlyArray<number>): void => {
  const counts = Array.from({ length: 32 }, () => 0)
  for (const x of xs) counts[Math.floor(32 * x)]!++
  const expected = xs.length / 32
  assert.isBelow(counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0), 69)
}

describe("draw", () => {
  const { bernoulli, integers, key: origin, manyRejections, normal, permutation: order, uniform } = fixture.draws
  const fixed = Key.fold(Key.make(origin.seed), origin.data)

  it("gives the elements of an independent implementation", () => {
    // Where two mathematics libraries disagree by a unit of float64, float32 may round to a neighbour.
    for (const [i, element] of elements(fixed, Distribution.normal, [normal.length]).entries()) {
      assert.closeTo(element, normal[i]!, Math.abs(normal[i]!) * 2 ** -23)
    }
    const { maximum, minimum } = uniform
    assert.deepStrictEqual(elements(fixed, Distribution.uniform(minimum, maximum), [11]), uniform.elements)
    assert.deepStrictEqual(elements(fixed, Distribution.bernoulli(bernoulli.probability), [37]), bernoulli.elements)
    for (const { elements: expected, maximum, minimum } of [integers, manyRejections]) {
      assert.deepStrictEqual(elements(fixed, Distribution.integers(minimum, maximum), [expected.length]), expected)
    }
    assert.deepStrictEqual(Array.from(permutation(fixed, order.length)), order)
  })

  it("of fewer elements is the beginning of a draw of more", () => {
    // 4096 words are generated at a time: the lengths reach beyond that.
    const length = fc.oneof(fc.nat(40), fc.nat(10_000), fc.constantFrom(4095, 4096, 4097, 8192, 8193))
    fc.assert(fc.property(key, elementwise, length, length, (key, distribution, a, b) => {
      const [shorter, longer] = a < b ? [a, b] : [b, a]
      assert.deepStrictEqual(
        elements(key, distribution, [shorter]),
        elements(key, distribution, [longer]).slice(0, shorter)
      )
    }))
  })

  it("depends on the shape only through the number of elements", () => {
    fc.assert(fc.property(key, distribution, fc.nat(5), fc.nat(5), fc.nat(5), (key, distribution, a, b, c) => {
      const tensor = draw(key, { distribution, shape: [a, b, c] })
      assert.deepStrictEqual(tensor.shape, [a, b, c])
      assert.strictEqual(tensor.dtype, distribution._tag === "Integers" ? "int32" : "float32")
      assert.deepStrictEqual(Array.from(tensor.data), elements(key, distribution, [a * b * c]))
    }))
    assert.strictEqual(elements(Key.make(1), Distribution.normal, []).length, 1)
  })

  it("stays within the bounds of the distribution", () => {
    fc.assert(fc.property(key, distribution, (key, distribution) => {
      const drawn = elements(key, distribution, [64])
      switch (distribution._tag) {
        case "Normal":
          return drawn.every((x) => Math.abs(x) < 6.77)
        case "Uniform":
          return drawn.every((x) => x >= distribution.minimum && x < distribution.maximum)
        case "Integers":
          return drawn.every((x) => Number.isInteger(x) && x >= distribution.minimum && x < distribution.maximum)
        case "Bernoulli":
          return drawn.every((x) => x === 0 || x === 1)
        case "Stratified":
          return drawn.every((x) => x >= 0 && x < 1)
        case "Antithetic":
          return drawn.every((x) => x > 0 && x < 1)
      }
    }))
  })

  it("stays inside bounds that are no float32 numbers, or that only one lies between", () => {
    const next = 1 + 2 ** -23
    const narrow = elements(Key.make(3), Distribution.uniform(1 + 2 ** -30, next + 2 ** -30), [100])
    assert.deepStrictEqual(new Set(narrow), new Set([next]))
    const tenths = elements(Key.make(3), Distribution.uniform(0.7, 0.7000001), [1000])
    assert.isTrue(tenths.every((x) => x >= 0.7 && x < 0.7000001))
    const widest = (2 - 2 ** -23) * 2 ** 127
    assert.isTrue(elements(Key.make(3), Distribution.uniform(-widest, widest), [1000]).every(Number.isFinite))
  })

  it("reaches both ends of the integers, and every one of few", () => {
    const all = elements(Key.make(5), Distribution.integers(-(2 ** 31), 2 ** 31), [20_000])
    assert.isBelow(Math.min(...all), -(2 ** 31) + 2 ** 20)
    assert.isAbove(Math.max(...all), 2 ** 31 - 2 ** 20)
    assert.deepStrictEqual(
      new Set(elements(Key.make(5), Distribution.integers(-2, 3), [200])),
      new Set([-2, -1, 0, 1, 2])
    )
    assert.deepStrictEqual(new Set(elements(Key.make(5), Distribution.integers(7, 8), [50])), new Set([7]))
  })

  it("of probability 0 and 1 is certain", () => {
    fc.assert(fc.property(key, (key) => {
      assert.isTrue(elements(key, Distribution.bernoulli(0), [500]).every((x) => x === 0))
      assert.isTrue(elements(key, Distribution.bernoulli(1), [500]).every((x) => x === 1))
    }))
  })

  it("of a larger probability has its ones wherever that of a smaller has", () => {
    fc.assert(fc.property(key, fc.nat(65536), fc.nat(65536), (key, a, b) => {
      const low = elements(key, Distribution.bernoulli(Math.min(a, b) / 65536), [100])
      const high = elements(key, Distribution.bernoulli(Math.max(a, b) / 65536), [100])
      assert.isTrue(low.every((x, i) => x <= high[i]!))
    }))
  })

  it("stratified has one element in every interval of length 1 / n, a step of 1 / n after the one before", () => {
    fc.assert(fc.property(key, fc.integer({ min: 1, max: 300 }), (key, n) => {
      const drawn = elements(key, Distribution.stratified, [n])
      // Rounded to float32 three times, around numbers below 2.
      const tolerance = 2 ** -22
      drawn.forEach((x, i) => {
        const offset = (x - drawn[0]! - i / n + 2) % 1
        assert.isBelow(Math.min(offset, 1 - offset), tolerance)
      })
      const sorted = drawn.toSorted((a, b) => a - b)
      sorted.forEach((x, i) => {
        assert.isAtLeast(x, i / n - tolerance)
        assert.isBelow(x, (i + 1) / n + tolerance)
      })
    }))
  })

  it("stratified begins where a uniform draw of one element lies", () => {
    fc.assert(fc.property(key, fc.integer({ min: 1, max: 100 }), (key, n) => {
      assert.strictEqual(
        elements(key, Distribution.stratified, [n])[0],
        elements(key, Distribution.uniform(0, 1), [])[0]
      )
    }))
  })

  it("antithetic has pairs whose sum is exactly 1, and pairs that are independent", () => {
    fc.assert(fc.property(key, fc.nat(300), (key, n) => {
      const drawn = elements(key, Distribution.antithetic, [n])
      for (let i = 0; i + 1 < n; i += 2) assert.strictEqual(drawn[i]! + drawn[i + 1]!, 1)
    }))
    const firsts = elements(Key.make(2), Distribution.antithetic, [40_000]).filter((_, i) => i % 2 === 0)
    assertUniform(firsts)
    const products = firsts.slice(1).map((x, i) => (x - 0.5) * (firsts[i]! - 0.5))
    // The standard deviation of a product is 1 / 12; products that share a factor are uncorrelated.
    assert.closeTo(products.reduce((sum, x) => sum + x, 0) / products.length, 0, 4 / 12 / Math.sqrt(products.length))
  })

  it("spread positions are uniform, each by itself", () => {
    for (const place of [0, 1, 6]) {
      for (const distribution of [Distribution.stratified, Distribution.antithetic]) {
        assertUniform(Array.from({ length: 8000 }, (_, seed) => elements(Key.make(seed), distribution, [7])[place]!))
      }
    }
  })

  it.each<[string, Distribution.Distribution, Shape, string]>([
    ["an empty interval", Distribution.uniform(1, 1), [2], "[1, 1)"],
    ["an infinite bound", Distribution.uniform(0, Infinity), [2], "Infinity"],
    ["an interval between two float32 numbers", Distribution.uniform(1 + 2 ** -30, 1 + 2 ** -29), [2], "no float32"],
    ["no integers", Distribution.integers(3, 3), [2], "{3, ..., 3 - 1}"],
    ["integers beyond int32", Distribution.integers(0, 2 ** 31 + 1), [2], "2147483649"],
    ["fractional integers", Distribution.integers(0.5, 3), [2], "0.5"],
    ["a probability above 1", Distribution.bernoulli(1.5), [2], "1.5"],
    ["a probability that is none", Distribution.bernoulli(NaN), [2], "NaN"],
    ["a negative size", Distribution.normal, [-1], "[-1]"],
    ["a fractional size", Distribution.normal, [2, 0.5], "[2, 0.5]"]
  ])("refuses %s", (_, distribution, shape, named) => {
    assert.throws(() => draw(Key.make(0), { distribution, shape }), RangeError, named)
  })

  it("knows the dtype where it knows the distribution", () => {
    const shape: Shape = [1]
    const integers: Distribution.Integers = { _tag: "Integers", minimum: 0, maximum: 3 }
    expectTypeOf(draw(Key.make(0), { distribution: { _tag: "Normal" }, shape })).toEqualTypeOf<HostTensor<"float32">>()
    expectTypeOf(draw(Key.make(0), { distribution: integers, shape })).toEqualTypeOf<HostTensor<"int32">>()
    const either: Distribution.Distribution = Distribution.normal
    expectTypeOf(draw(Key.make(0), { distribution: either as Distribution.Distribution, shape })).toEqualTypeOf<
      HostTensor
    >()
  })
})

describe("permutation", () => {
  it("has every index once", () => {
    fc.assert(fc.property(key, fc.nat(5000), (key, n) => {
      assert.deepStrictEqual(
        Array.from(permutation(key, n)).sort((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i)
      )
    }))
  })

  it.each([-1, 1.5, 2 ** 31, NaN])("refuses %d elements", (n) => {
    assert.throws(() => permutation(Key.make(0), n), RangeError, String(n))
  })
})
